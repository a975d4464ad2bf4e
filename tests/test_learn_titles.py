"""Learning from titles: from training films and tables, never from films that are kept apart."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keyart.catalog.catalog import Catalog
from keyart.errors import TableError, WeightsError
from keyart.evaluation import evaluate as scoring
from keyart.evaluation.decide import decide
from keyart.evaluation.evaluate import evaluate_logits, fuse_titles
from keyart.genre_sets import GenreSets
from keyart.genres import Vocabulary
from keyart.metric_table import MetricTable
from keyart.predictor import Predictor
from keyart.report.card import model_card
from keyart.text_encoder import find_encoder
from keyart.title_model import TitleModel
from keyart.titles import hash_of
from keyart.training.evaluate import evaluate
from keyart.training.title_words import word_vectors
from keyart.training.titles import (
    TitledFilms,
    fit_titles,
    fit_titles_near,
    learn_titles,
    read_titled_films,
)
from keyart.training.train import train
from tests.tiny_catalog import encoded, poster, write_posters
from tests.tiny_encoder import write_encoder

GENRES = ("Horror", "Romance", "War")
VOCABULARY = Vocabulary(GENRES)
WORDS = {"Horror": ["blood", "scream", "grave"], "Romance": ["kiss", "bride", "heart"],
         "War": ["battle", "soldier", "front"]}  # fmt: skip


def titled(films: int, seed: int) -> list[tuple[str, int, str]]:
    """Titles of one telling word and one that means nothing; War films are old."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(films):
        genre = GENRES[number % 3]
        word = random.choice(WORDS[genre])
        year = int(random.integers(1940, 1960) if genre == "War" else random.integers(1960, 2020))
        # Most titles are of no series: all films of one lie in one split.
        made.append((f"{word} {''.join(random.choice(list('qwxyz'), 6))}", year, genre))
    return made


def of(
    films: Sequence[tuple[str, int, str]], labelled: Sequence[bool] = (True, True, True)
) -> TitledFilms:
    return TitledFilms(
        [title for title, _, _ in films],
        [year for _, year, _ in films],
        VOCABULARY.encode([[genre] if genre else [] for _, _, genre in films]),
        np.array(labelled, bool),
    )


def said(model: TitleModel, title: str) -> str:
    logits = model.title_logits(title)
    assert logits is not None
    return GENRES[int(logits.argmax())]


def test_words_and_years_speak_for_the_genres_they_came_with() -> None:
    model = fit_titles([of(titled(300, 0))])
    assert model is not None
    for genre, words in WORDS.items():
        for word in words:
            assert said(model, f"The {word}") == genre
            assert said(model, f"{word}s of Wrath") == genre, "part of a word will do"
    war = [model.year_logits(year)[2] for year in (1945, 1965, 2010)]
    assert war[0] > war[1] > war[2]


def test_a_genre_that_a_source_never_uses_is_unknown_there_and_not_absent() -> None:
    war = [(title, year, "War") for title, year, genre in titled(600, 1) if genre == "War"]
    kept = of(titled(300, 0))
    silent = [(title, year, "Romance") for title, year, _ in war]  # says nothing of War
    knows = fit_titles([kept, of(silent, [True, True, False])])
    denies = fit_titles([kept, of(silent)])
    alone = fit_titles([kept])

    def logit(model: TitleModel | None) -> float:
        assert model is not None
        logits = model.title_logits("battle")
        assert logits is not None
        return float(logits[2])

    assert logit(knows) == pytest.approx(logit(alone), rel=0.2)
    assert logit(denies) < 0.7 * logit(alone)


def test_an_ngram_of_a_few_titles_is_not_learned() -> None:
    films = titled(90, 0)
    model = fit_titles([of([*films, ("unique", 1999, "War"), ("unique", 1999, "War")])])
    assert model is not None
    assert len(model.vector("unique")[0]) < 5
    assert fit_titles([of(films[:2])]) is None


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("films")
    films = titled(360, 3)
    with (folder / "films.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["film_id", "title", "year", "genres"])
        for number, film in enumerate(films):
            writer.writerow([f"f{number:03}", *film])
    (folder / "genres.txt").write_text("\n".join(GENRES))
    posters = {f"f{n:03}.png": encoded(poster(n, (24, 36)), "PNG") for n in range(len(films))}
    write_posters(folder / "posters", posters)
    return Catalog.build(
        folder / "films.csv", folder / "posters", folder / "catalog",
        vocabulary=folder / "genres.txt", split="50/25/25",
    )  # fmt: skip


def splits(catalog: Catalog) -> dict[str, np.ndarray]:
    return {split: catalog.rows(split) for split in ("train", "validation", "test")}


def test_films_that_are_kept_apart_teach_nothing(catalog: Catalog, tmp_path: Path) -> None:
    table = catalog.to_table()
    test = catalog.rows("test")
    first, second = (table["title"][int(row)].as_py() for row in test[:2])
    lines = ["film_id,title,year,genres"]
    # The same film by its id under another title; by title and year under another id.
    lines += [f"{table['film_id'][int(test[0])]},Zebra zebra zebra,1999,War"] * 5
    lines += [f'm{n},"{second}",{table["year"][int(test[1])]},War' for n in range(5)]
    lines += [f'n{n},"{second}",1899,Horror' for n in range(5)]
    lines += [f"o{n},Okapi,1999,Romance|Unheard" for n in range(5)]
    lines += [f"p{n},Quagga,1999,Unheard" for n in range(5)]
    (tmp_path / "more.csv").write_text("\n".join(lines))
    model, notes = learn_titles(catalog, splits(catalog), tmp_path / "more.csv")
    assert model is not None
    assert "learned from 10 more films of a table," in notes[0]
    assert "10 that are were left out" in notes[0]
    assert "says nothing about: War" in notes[0]
    learned = {word for word in ("zebra", "okapi", "quagga") if hash_of(f"={word}") in model.hashes}
    assert learned == {"okapi"}
    assert first != second


def test_too_few_titles_teach_nothing(catalog: Catalog) -> None:
    rows = splits(catalog) | {"validation": catalog.rows("validation")[:30]}
    assert learn_titles(catalog, rows) == (None, ())


def test_which_genres_go_together_is_learned_from_training_films(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = splits(catalog)
    titles, _ = learn_titles(catalog, rows)
    given: list[GenreSets] = []
    monkeypatch.setattr(scoring, "fit_films", lambda *known: given.append(known[-1]))
    posters = np.zeros((len(rows["validation"]), 3), np.float32)
    fuse_titles(titles, catalog, posters, rows, "f1")
    (sets,) = given
    truth = catalog.truth[rows["train"]]
    assert sets.total == len(truth)
    for members, films in zip(sets.members, sets.films, strict=True):
        assert (truth == members).all(1).sum() == films


def test_a_model_of_posters_and_titles_is_scored_for_each_evidence(
    catalog: Catalog, tmp_path: Path
) -> None:
    rows = splits(catalog)
    films = catalog.to_table().to_pylist()
    sequels = [films[row] for row in rows["test"][::3]]
    lines = [f"m{n},{film['title']} II,2019,{film['genres'][0]}" for n, film in enumerate(sequels)]
    (tmp_path / "more.csv").write_text("\n".join(["film_id,title,year,genres", *lines]))
    random = np.random.default_rng(0)
    logits = {
        split: (random.normal(size=(len(rows[split]), 3)) - 1).astype(np.float32)
        for split in ("validation", "test")
    }
    titles, _ = learn_titles(catalog, rows, tmp_path / "more.csv")
    validation = rows["validation"]
    fused = fuse_titles(titles, catalog, logits["validation"], rows, "f1")
    assert fused is not None
    decision = decide(
        logits["validation"], catalog.truth[validation], catalog.groups[validation], VOCABULARY
    )
    table, _ = evaluate_logits(decision, catalog, logits, name="x", films=fused)
    by_poster = table.split("test").model["mean_average_precision"]
    assert by_poster is not None
    assert by_poster.value < 0.6
    for evidence in ("poster+title+year", "poster+title", "title"):
        found = table.evidence[evidence]
        assert found.films == len(rows["test"])
        score = found.model["mean_average_precision"]
        assert score is not None
        assert score.value > 0.9
    # By hand: the catalog keeps series in one split, so only the table tells of test films.
    known = {film["title"] for film in sequels}
    never = [row for row in rows["test"] if films[row]["title"] not in known]
    assert 0 < len(never) < len(rows["test"])
    unseen = table.never_seen
    assert list(unseen) == ["poster", *table.evidence]
    assert {found.films for found in unseen.values()} == {len(never)}
    top = unseen["poster"].model["top_class"]
    place = {row: number for number, row in enumerate(rows["test"].tolist())}
    scores = decision.calibration.apply(logits["test"][[place[row] for row in never]])
    right = catalog.truth[never][np.arange(len(never)), scores.argmax(1)]
    assert top is not None
    assert top.value == pytest.approx(right.mean())
    assert MetricTable.from_json(table.to_json()) == table
    card = model_card(table, "")
    assert f"| poster, title, year | {len(rows['test'])} |" in card
    assert f"| ... series never seen | {len(never)} |" in card
    plain, _ = evaluate_logits(decision, catalog, logits, name="x")
    assert plain.splits == table.splits
    assert "With titles" not in model_card(plain, "")


def test_a_table_that_cannot_be_read_is_an_error_before_the_training(
    catalog: Catalog, tmp_path: Path
) -> None:
    missing = tmp_path / "none.csv"
    with pytest.raises(TableError):
        read_titled_films(missing, VOCABULARY, set())
    with pytest.raises(TableError, match=r"none\.csv: no such file"):
        train(catalog, "qda", out=tmp_path / "run", titles=str(missing), height=32, width=32)
    assert not (tmp_path / "run").exists()


def test_an_encoder_knows_words_that_no_training_title_has(
    catalog: Catalog, tmp_path: Path
) -> None:
    vectors = {word: np.eye(3)[at].tolist() for at, genre in enumerate(GENRES)
               for word in [*WORDS[genre], f"new{at}"]}  # fmt: skip
    encoder = find_encoder(str(write_encoder(tmp_path / "encoder", vectors)))
    model, _ = learn_titles(catalog, splits(catalog), None, encoder)
    plain, _ = learn_titles(catalog, splits(catalog))
    assert model is not None
    assert plain is not None
    assert [said(model, f"new{at}") for at in range(3)] == list(GENRES)
    assert plain.title_logits("new1") is None
    assert (model.hashes == plain.hashes).all()
    (kept,) = (catalog.path / "features").glob("titles-*.npy")
    titles = {catalog.to_table()["title"][int(row)].as_py() for row in
              [*catalog.rows("train"), *catalog.rows("validation")]}  # fmt: skip
    assert np.load(kept).shape == (len(titles), 3)


def test_words_that_are_alike_to_an_encoder_are_alike_in_a_model_without_one(
    catalog: Catalog, tmp_path: Path
) -> None:
    lines = ["film_id,title,year,genres"]
    lines += ['m0,"GORE of (Ghoul)",1999,War', "m1,Wedding,1999,Horror"]  # one title says little
    (tmp_path / "more.csv").write_text("\n".join(lines))
    near = {"gore": 0, "ghoul": 0, "wedding": 1}
    vectors = {word: np.eye(4)[at].tolist() for at, genre in enumerate(GENRES)
               for word in WORDS[genre]} | {word: np.eye(4)[at].tolist()
               for word, at in near.items()}  # fmt: skip
    encoder = find_encoder(str(write_encoder(tmp_path / "encoder", vectors)))
    model, _ = learn_titles(catalog, splits(catalog), tmp_path / "more.csv", encoder, "words")
    plain, _ = learn_titles(catalog, splits(catalog), tmp_path / "more.csv")
    assert model is not None
    assert plain is not None
    assert model.text is None
    for word, at in near.items():
        assert said(model, word) == GENRES[at]
    assert said(plain, "gore") == "War"
    for genre in GENRES:
        assert said(model, WORDS[genre][0]) == genre
    assert set(plain.hashes) < set(model.hashes)
    assert hash_of("<gor") not in model.hashes, "of rare words only the whole"


def test_an_encoder_reads_a_word_as_most_titles_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"alien": (1, 0), "the": (0, 1)}
    encoder = find_encoder(str(write_encoder(tmp_path / "encoder", words)))
    read: list[str] = []
    vectors = encoder.vectors

    def seen(texts: Sequence[str]) -> np.ndarray:
        read.extend(texts)
        return vectors(texts)

    monkeypatch.setattr(encoder, "vectors", seen)
    titles = ["ALIEN", "Alien", "Alien, The", "O Matrix (1999)", "alien / Matrix"]
    found = word_vectors(titles, encoder, tmp_path)
    assert sorted(read) == ["Alien", "Matrix", "O", "The"]
    assert list(found.hashes) == sorted(map(hash_of, ["=alien", "=matrix", "=o", "=the"]))
    assert found.vectors.shape == (4, 2)
    silent = word_vectors(["???"], encoder, tmp_path)
    films = TitledFilms(["???"] * 9, [None] * 9, np.ones((9, 3), bool), np.ones(3, bool))
    assert fit_titles([films], silent) is None
    assert fit_titles([of(titled(90, 0))], silent) is not None


def test_a_recipe_s_encoder_is_in_its_bundle_and_its_scores(
    catalog: Catalog, tmp_path: Path
) -> None:
    vectors = {word: np.eye(3)[at].tolist() for at, genre in enumerate(GENRES)
               for word in [*WORDS[genre], f"new{at}"]}  # fmt: skip
    folder = write_encoder(tmp_path / "encoder", vectors)
    settings: dict[str, Any] = {"height": 32, "width": 32, "components": 4}
    run = train(catalog, "qda", out=tmp_path / "run", encoder=str(folder), **settings)
    model = Predictor.load(run.path)
    films = model.bundle.films
    assert films is not None
    assert films.titles.text is not None
    for at, genre in enumerate(GENRES):
        answer = model.predict(title=f"new{at}")
        assert answer.evidence == ("title",)
        assert next(iter(answer.top())) == genre
    table = evaluate(run.path, split="test")
    assert table.evidence["title"].films == len(catalog.rows("test"))
    assert 'encoder = "encoder"' in model.bundle.provenance["recipe"]
    with pytest.raises(WeightsError, match="encoder nowhere: no such folder"):
        train(catalog, "qda", out=tmp_path / "other", encoder="nowhere", **settings)
    assert not (tmp_path / "other").exists()


def test_a_model_that_starts_from_one_without_series_does_not_know_its_own() -> None:
    films = of(titled(60, 5))
    start = fit_titles([of(titled(60, 4))])
    assert start is not None
    groups = [str(number) for number in range(60)]
    known = fit_titles_near([films], start, groups)
    assert set(start.series.tolist()) < set(known.series.tolist())
    older = replace(start, series=start.series[:0])
    assert len(fit_titles_near([films], older, groups).series) == 0
