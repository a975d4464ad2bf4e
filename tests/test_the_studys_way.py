"""From a list of films to a model that is served by its name: the study's way, on fake sources."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
import yaml
from fastapi import FastAPI

import keyart
from keyart.errors import TermsError
from keyart.sources.pace import Limits
from keyart.sources.terms import TERMS
from keyart.sources.tmdb import Tmdb
from keyart.training.classical_recipe import ForestRecipe
from tests.fake_hub import OWNER, Hub, hub_here, use
from tests.object_store import BUCKET, Store, object_store
from tests.poster_server import Server, picture, serving, tmdb

FILMS = range(100, 160)
GONE = 113  # TMDb does not know it
KEY = "eyJhbGciOi.JIUzI1NiJ9"
FAST = Limits(rate=5_000, backoff=0.02, seconds=5, tries=3)
RECIPE = ForestRecipe().with_settings(height=32, width=32, trees=4, min_samples_leaf=4)
IMDB = ("Drama", "Drama,Thriller", "Comedy", "Horror")
MOVIELENS = ("Drama", "Drama", "Comedy|Romance", "Horror|Sci-Fi")

# Of huggingface_hub's own call of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def lists(tmp_path: Path) -> list[Path]:
    """MovieLens's movies and links, of which some have no id of TMDb, and IMDb's titles."""
    movies, links = ["movieId,title,genres"], ["movieId,imdbId,tmdbId"]
    basics = [
        "tconst titleType primaryTitle originalTitle isAdult startYear endYear runtime genres"
    ]
    for film in FILMS:
        movies.append(f"{film},Film {film} (1990),{MOVIELENS[film % 4]}")
        links.append(f"{film},{film:07},{film if film % 7 else ''}")
        basics.append(rf"tt{film:07} movie Film{film} Film{film} 0 1990 \N 90 {IMDB[film % 4]}")
    contents = {
        "movies.csv": "\n".join(movies).encode(),
        "links.csv": "\n".join(links).encode(),
        "title.basics.tsv.gz": gzip.compress("\n".join(basics).replace(" ", "\t").encode()),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content + b"" if name.endswith("gz") else content + b"\n")
    return [tmp_path / name for name in contents]


@pytest.fixture
def source() -> Iterator[Server]:
    """TMDb, which knows all films but one, some only by IMDb's id."""
    drama = [{"id": 18, "name": "Drama"}]
    known: dict[str, dict[str, object]] = {
        str(film): {
            "id": film,
            "poster_path": f"/{film}.jpg",
            "genres": [] if film % 3 else drama,
        }
        for film in FILMS
        if film != GONE
    }
    with serving(tmdb(KEY, known, {f"tt{film:07}": str(film) for film in FILMS})) as server:
        yield server


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with object_store() as store:
        store.use(monkeypatch, tmp_path / "copies")
        yield store


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with hub_here() as hub:
        use(hub, tmp_path / "home", monkeypatch, OWNER)
        yield hub


def test_lists_become_posters_a_catalog_a_model_on_a_hub_and_a_service(
    lists: list[Path],
    source: Server,
    bucket: Store,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    client_of: Callable[[FastAPI], AbstractContextManager[httpx.Client]],
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", KEY)
    (tmp_path / "genres.txt").write_text("Comedy\nDrama\nHorror\nThriller\n")
    fetch = keyart.Fetch.plan(
        lists,
        tmp_path / "fetch",
        tmdb=True,
        only="movielens",
        vocabulary=tmp_path / "genres.txt",
    )
    answers = Tmdb(api=f"{source.url}/3", images=f"{source.url}/t/p")
    tally = fetch.run(limits=FAST, allow_networks=["127.0.0.1"], tmdb=answers)
    assert tally.posters == {"fetched": len(FILMS) - 1, "absent": 1}
    assert tally.requests == 2 * len(FILMS) - 1  # where it is, and the poster

    catalog = fetch.follow(f"s3://{BUCKET}/catalog").catalog
    assert catalog is not None
    assert "catalog/catalog.json" in bucket.names("catalog/")
    films = {film.film_id: film for film in catalog}
    assert len(films) == len(FILMS) - 1
    assert set(films["tt0000101"].genres) == {"Drama", "Thriller"}
    assert set(films["tt0000102"].genres) == {"Comedy", "Drama"}

    with pytest.raises(TermsError, match="--i-have-an-agreement"):
        keyart.train(catalog, RECIPE, out=f"s3://{BUCKET}/run")
    assert bucket.names("run/") == []
    run = keyart.train(catalog, RECIPE, out=f"s3://{BUCKET}/run", agreement=True)
    assert {"run/metrics.json", "run/report.html", "run/bundle/keyart.json"} <= set(
        bucket.names("run/")
    )
    scored = keyart.evaluate(f"s3://{BUCKET}/run", catalog=catalog)
    assert scored.split("test").model.metrics == run.metrics.split("test").model.metrics
    published = keyart.publish(run, "owner/study", licence="cc-by-nc-4.0", private=True)

    card = hub.repositories["owner/study"].files["README.md"].decode()
    header = yaml.safe_load(card.split("---\n")[1])
    metrics = header["model-index"][0]["results"][0]["metrics"]
    told = {one["name"]: one["value"] for one in metrics}
    found = run.metrics.split("test").model["mean_average_precision"]
    assert found is not None
    assert told["mAP"] == pytest.approx(found.value)
    assert header["keyart"]["films"] == run.metrics.films
    terms = {one["source"]: one for one in header["keyart"]["terms"]}
    assert terms["TMDb"]["agreement"]
    assert TERMS["tmdb"].attribution in card.partition("## Terms of the sources")[2]
    assert TERMS["movielens"].attribution in card

    model = keyart.load("hf:owner/study")
    assert model.bundle.source == published.name
    here = keyart.load(run).predict(picture(101), title="Film 101", year=1990)
    with client_of(keyart.create_app(model)) as client:
        poster = {"poster": ("101.jpg", picture(101))}
        about = {"title": "Film 101", "year": "1990"}
        answer = client.post("/v1/predictions", files=poster, data=about).json()
        described = client.get("/v1/model").json()
    (answer,) = answer.get("predictions", [answer])
    assert answer["scores"] == pytest.approx(here.scores, abs=1e-6)
    assert described["source"] == published.name
