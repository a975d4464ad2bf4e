"""Painted films: the same for a seed, and posters that show their genres in part."""

import csv
import io
import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from keyart.demo import lettering
from keyart.demo.accents import ACCENTS
from keyart.demo.colors import PALETTES
from keyart.demo.lettering import LETTERINGS
from keyart.demo.painted import (
    RE_RELEASES,
    SCENES,
    SIZE,
    artwork_of,
    design,
    paint_films,
    paint_new_posters,
    paint_poster,
    painted_film,
)
from keyart.genres import DEFAULT_VOCABULARY
from keyart.images.decode import decode
from keyart.near_duplicates import near_pairs, poster_hash, thumbnail


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


def test_genres_are_as_unequal_as_in_real_catalogs_and_none_is_missing() -> None:
    films = [design(number).film for number in range(1200)]
    counts = Counter(genre for film in films for genre in film.genres)
    assert set(counts) == set(DEFAULT_VOCABULARY.names)
    assert min(counts.values()) >= 0.02 * 1200
    assert counts["Drama"] > 3 * counts["Western"]
    assert sum(counts.values()) / 1200 > 1.5


def test_posters_decode_at_their_size(painted: Path) -> None:
    sizes = Counter(
        decode(file.read_bytes()).shape for file in sorted((painted / "posters").iterdir())
    )
    assert sizes.most_common(1)[0][0] == (SIZE[1], SIZE[0], 3)
    assert set(sizes) <= {(300, 200, 3), (240, 160, 3)}


def test_re_releases_show_an_earlier_artwork_and_are_found_as_near_duplicates() -> None:
    returns = [number for number in range(600) if artwork_of(number) != number]
    assert 0.5 * RE_RELEASES < len(returns) / 600 < 2 * RE_RELEASES
    for number in returns:
        original = artwork_of(number)
        assert original < number
        (first, early), (film, late) = painted_film(original), painted_film(number)
        assert film.film_id != first.film_id
        assert film.genres == first.genres
        assert film.title == f"{first.title} Returns"
        assert (film.year or 0) >= (first.year or 0)
        arts = [decode(early), decode(late)]
        hashes = np.array([poster_hash(art) for art in arts], np.uint64)
        assert len(near_pairs(hashes, np.stack([thumbnail(art) for art in arts]))) == 1


def test_few_films_resemble_another_unless_they_are_re_releases() -> None:
    # Films that resemble each other lie in one split: with many of them, the splits grow uneven.
    alike = 0
    for seed in range(3):
        shown = [artwork_of(number, seed) for number in range(400)]
        plans = (design(number, seed) for number in shown)
        arts = [np.asarray(paint_poster(plan, (80, 120))) for plan in plans]
        hashes = np.array([poster_hash(art) for art in arts], np.uint64)
        pairs = near_pairs(hashes, np.stack([thumbnail(art) for art in arts]))
        assert {number for number in range(400) if shown[number] != number} <= set(pairs[:, 1])
        alike += len(np.unique(pairs))
    assert alike < 0.04 * 1200


def test_a_re_release_of_a_re_release_shows_the_first_artwork() -> None:
    for seed in range(8):  # in some of these seeds a re-release comes back
        shown = [artwork_of(number, seed) for number in range(1200)]
        assert all(shown[original] == original for original in shown)


def test_every_scene_palette_lettering_and_accent_is_used_and_paints() -> None:
    plans = [design(number) for number in range(2000)]
    for kind, known in (
        ("scene", set(SCENES)),
        ("palette", set(PALETTES)),
        ("lettering", set(LETTERINGS)),
        ("accent", {*ACCENTS, None}),
    ):
        firsts = {getattr(plan, kind): plan for plan in reversed(plans)}
        assert set(firsts) == known
        for plan in firsts.values():
            assert paint_poster(plan, (80, 120)).size == (80, 120)


def test_titles_stand_out_from_their_background() -> None:
    # The part with the title holds letters and background: its brightest and darkest pixels differ.
    spans = []
    for number in range(60):
        poster = np.asarray(paint_poster(design(number)).convert("L"), dtype=np.float64)
        spans.append(np.subtract(*np.percentile(poster[10:110, 14:186], [99, 1])))
    assert np.mean(np.array(spans) > 80) > 0.95


def test_titles_can_be_read_over_every_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    worst = []
    designs = [design(number) for number in range(600)]
    for scene, foot in itertools.product(SCENES, (True, False)):
        for plan in [plan for plan in designs if plan.scene == scene][:5]:
            plan = replace(plan, layout=replace(plan.layout, foot=foot, border=None))
            plain = replace(LETTERINGS[plan.lettering], fill="plain", bold=0.0)
            monkeypatch.setitem(LETTERINGS, plan.lettering, plain)
            painted = []
            for ink in (0, 255):  # the same title twice: nothing of it, and all of its rectangle
                block = Image.new("L", (125, 30), ink)
                monkeypatch.setattr(lettering, "_block", lambda *_, block=block: block)
                painted.append(np.asarray(paint_poster(plan, (100, 150)).convert("L"), float))
            ground, title = painted
            where = np.abs(title - ground) > 1
            letters = np.full(where.sum(), np.median(title[where]))
            dark, bright = np.sort([letters, ground[where]], axis=0)
            worst.append(np.percentile((bright / 255 + 0.05) / (dark / 255 + 0.05), 5))
    assert np.min(worst) > 2  # in grey levels; the painter asks for 4.5 in luminance
    assert np.percentile(worst, 10) > 3.2


def test_posters_show_their_genres_in_part(painted: Path) -> None:
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
    assert np.mean(scores) > 1.6 * np.mean(rates)
    assert np.mean(scores) < 0.9


def test_new_posters_are_named_after_their_titles_and_are_in_no_catalog(
    painted: Path, tmp_path: Path
) -> None:
    count = 150  # enough for a title to repeat
    paths = paint_new_posters(count, tmp_path / "new")
    assert len(set(paths)) == count
    assert all(path.suffix == ".jpg" and "-" in path.stem for path in paths)
    known = {file.read_bytes() for file in (painted / "posters").iterdir()}
    assert all(path.read_bytes() not in known for path in paths)
    fewer = paint_new_posters(3, tmp_path / "fewer")
    assert [path.read_bytes() for path in fewer] == [path.read_bytes() for path in paths[:3]]
