"""catalog/sources/painted.py: posters that repeat exactly, and tell of their genres without all."""

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keyart.catalog.duplicates import near_pairs, poster_hash, thumbnail
from keyart.catalog.sources.painted import (
    RE_RELEASES,
    SIZE,
    design,
    paint_films,
    paint_new_posters,
    paint_poster,
)
from keyart.genres import DEFAULT_VOCABULARY
from keyart.images.decode import decode


def table(folder: Path) -> list[dict[str, str]]:
    text = (folder / "films.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("painted")
    paint_films(240, folder)
    return folder


def test_a_film_is_the_same_whatever_the_count(painted: Path, tmp_path: Path) -> None:
    paint_films(24, tmp_path)
    for row, longer in zip(table(tmp_path), table(painted), strict=False):
        assert row == longer
        name = f"posters/{row['film_id']}.jpg"
        assert (tmp_path / name).read_bytes() == (painted / name).read_bytes()


def test_another_seed_paints_other_films(painted: Path, tmp_path: Path) -> None:
    paint_films(10, tmp_path, seed=1)
    titles = [row["title"] for row in table(tmp_path)]
    assert titles != [row["title"] for row in table(painted)][:10]


def test_every_film_has_a_title_a_year_and_one_to_three_genres(painted: Path) -> None:
    for row in table(painted):
        assert row["title"]
        assert 1950 <= int(row["year"]) <= 2024
        genres = row["genres"].split("|")
        assert 1 <= len(genres) <= 3
        assert all(genre in DEFAULT_VOCABULARY.names for genre in genres)


def test_the_genres_are_as_unequal_as_in_life_and_none_is_missing() -> None:
    films = [design(number).film for number in range(1200)]
    counts = Counter(genre for film in films for genre in film.genres)
    assert set(counts) == set(DEFAULT_VOCABULARY.names)
    assert min(counts.values()) >= 0.018 * 1200
    assert counts["Drama"] > 3 * counts["Western"]
    assert sum(counts.values()) / 1200 > 1.5


def test_posters_decode_at_their_size(painted: Path) -> None:
    sizes = Counter(
        decode(file.read_bytes()).shape for file in sorted((painted / "posters").iterdir())
    )
    assert sizes.most_common(1)[0][0] == (SIZE[1], SIZE[0], 3)
    assert set(sizes) <= {(300, 200, 3), (240, 160, 3)}


def test_every_genre_paints_at_any_size() -> None:
    for number in range(40):
        assert paint_poster(design(number), (80, 120)).size == (80, 120)


def test_re_releases_are_found_as_near_duplicates() -> None:
    # Numbers far on, where every earlier film can return.
    from keyart.catalog.sources.painted import _painted

    films = [(number, *_painted(number, 0)) for number in range(20, 400, 1) if _returns(number)]
    assert 1 <= len(films) <= 4 * 380 * RE_RELEASES
    for _, film, poster in films:
        title = film.title.removesuffix(" Returns")
        originals = [n for n in range(400) if design(n).film.title == title]
        arts = [np.asarray(paint_poster(design(n))) for n in originals]
        arts.append(decode(poster))
        hashes = np.array([poster_hash(art) for art in arts], np.uint64)
        pairs = near_pairs(hashes, np.stack([thumbnail(art) for art in arts]))
        assert (pairs[:, 1] == len(arts) - 1).any()


def _returns(number: int) -> bool:
    return bool(np.random.default_rng([0, number, 2]).random() < RE_RELEASES)


def test_posters_tell_of_their_genres_and_never_all(painted: Path) -> None:
    rows = table(painted)
    small = [
        np.asarray(Image.open(painted / "posters" / f"{row['film_id']}.jpg").resize((8, 12)))
        for row in rows
    ]
    features = np.stack(small).reshape(len(rows), -1) / 255
    truth = DEFAULT_VOCABULARY.encode([row["genres"].split("|") for row in rows])
    half = len(rows) // 2
    scores, rates = [], []
    for genre in np.flatnonzero((truth[:half].sum(0) > 8) & (truth[half:].sum(0) > 8)):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
        model.fit(features[:half], truth[:half, genre])
        score = model.decision_function(features[half:])
        scores.append(average_precision_score(truth[half:, genre], score))
        rates.append(truth[half:, genre].mean())
    assert len(scores) >= 8
    assert np.mean(scores) > 1.3 * np.mean(rates)
    assert np.mean(scores) < 0.9


def test_new_posters_are_named_after_their_titles_and_in_no_catalog(
    painted: Path, tmp_path: Path
) -> None:
    paths = paint_new_posters(3, tmp_path / "new")
    assert len(set(paths)) == 3
    assert all(path.suffix == ".jpg" and "-" in path.stem for path in paths)
    known = {file.read_bytes() for file in (painted / "posters").iterdir()}
    assert all(path.read_bytes() not in known for path in paths)
