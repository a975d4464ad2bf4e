"""Growing a catalog: no film that is in it moves, and no near-duplicate comes to another split."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from typer.testing import CliRunner

from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.cli import app
from keyart.errors import CatalogError, TableError
from keyart.genres import STUDY_GENRES
from keyart.images.decode import decode
from keyart.near_duplicates import near_pairs, poster_hash, thumbnail
from tests.tiny_catalog import (
    encoded,
    poster,
    some_genres,
    tiny_films,
    write_posters,
    write_table,
)


def darker(seed: int) -> Image.Image:
    return ImageEnhance.Brightness(poster(seed, (90, 135))).enhance(0.85)


def grow(catalog: Catalog, folder: Path, films: dict[str, tuple[Image.Image, str]]) -> Catalog:
    """films: poster and genres by id."""
    posters = {f"{name}.png": encoded(image, "PNG") for name, (image, _) in films.items()}
    table = write_table(folder / "films.csv", [(name, what) for name, (_, what) in films.items()])
    return catalog.grow(table, write_posters(folder / "posters", posters))


def row_of(catalog: Catalog, film_id: str) -> dict[str, object]:
    (row,) = [row for row in catalog.to_table().to_pylist() if row["film_id"] == film_id]
    found: dict[str, object] = row
    return found


def rejections(catalog: Catalog) -> list[tuple[str, str]]:
    return [(one.film_id, one.reason) for one in catalog.rejections()]


@pytest.mark.parametrize("seed", range(6))
def test_no_film_ever_changes_its_split_and_no_copy_leaks_whatever_is_added(
    tmp_path: Path, seed: int
) -> None:
    """Rounds of new films, copies of old and of new ones, and ids that are there already."""
    random = np.random.default_rng(seed)
    catalog = Catalog.build(*tiny_films(tmp_path / "r0", range(30)), tmp_path / "cat", seed=seed)
    fresh = 100
    for number in range(1, 5):
        before = catalog.to_table()
        films: dict[str, tuple[Image.Image, str]] = {}
        for _ in range(int(random.integers(0, 14))):
            kind = random.integers(4)
            genres = some_genres(fresh)
            if kind == 0:  # an id that is there already
                name = str(random.choice(before["film_id"].to_pylist()))
                films[name] = (poster(fresh), genres)
            else:  # a new film, or a copy of an old or a new one
                artwork = int(random.integers(0, 30)) if kind == 1 else fresh - (kind == 2)
                # Ids that sort before the old ones and after them.
                name = f"{random.choice(['a', 'z'])}{fresh}"
                films[name] = (darker(artwork) if kind < 3 else poster(artwork), genres)
            fresh += 1
        if not films:
            continue
        catalog = grow(catalog, tmp_path / f"r{number}", films)
        assert catalog.to_table().slice(0, len(before)).equals(before)
        assert check_catalog(tmp_path / "cat") == []  # among them: no group in two splits
        after = catalog.to_table().to_pylist()
        home = {row["film_id"]: row["split"] for row in after}
        new_ids = films.keys() - set(before["film_id"].to_pylist())
        rejected = {film_id for film_id, _ in rejections(catalog)}
        assert new_ids <= home.keys() | rejected
    # The check above trusts the groups: look at the pictures themselves.
    pictures = [decode(content) for content in catalog.posters()]
    hashes = np.array([poster_hash(rgb) for rgb in pictures], np.uint64)
    pairs = near_pairs(hashes, np.stack([thumbnail(rgb) for rgb in pictures]))
    split = catalog.to_table()["split"].to_numpy()
    assert len(pairs) > 0
    assert (split[pairs[:, 0]] == split[pairs[:, 1]]).all()


def titled(folder: Path, titles: dict[str, str], first: int = 0) -> tuple[Path, Path]:
    """A table and posters of their own. titles: by id. first: the seed of the first poster."""
    seeds = range(first, first + len(titles))
    pictures = {
        f"{name}.png": encoded(poster(seed), "PNG")
        for name, seed in zip(titles, seeds, strict=True)
    }
    lines = [
        f'{name},"{title}",1990,{some_genres(seed)}'
        for (name, title), seed in zip(titles.items(), seeds, strict=True)
    ]
    folder.mkdir(parents=True)
    (folder / "films.csv").write_text("\n".join(["film_id,title,year,genres", *lines]))
    return folder / "films.csv", write_posters(folder / "posters", pictures)


# Three films of each series; their titles start alike.
SERIES = {
    f"{stem[:2].lower()}{number}": f"{stem}{sign}"
    for stem in ("Saw", "Alien", "The Matrix", "Rocky", "Amélie", "Jaws", "Hamlet", "Brat")
    for number, sign in enumerate(("", " II", ": Part Three - The End"))
}


def series_of(catalog: Catalog) -> dict[str, set[str]]:
    """The splits of each series of SERIES, told by the first letters of a film's id."""
    found: dict[str, set[str]] = {}
    for row in catalog.to_table().to_pylist():
        found.setdefault(row["film_id"][:2], set()).add(row["split"])
    return found


def test_a_series_lies_in_one_split_and_its_next_film_goes_there(tmp_path: Path) -> None:
    catalog = Catalog.build(*titled(tmp_path / "old", SERIES), tmp_path / "cat")
    before = series_of(catalog)
    assert all(len(splits) == 1 for splits in before.values())
    assert set.union(*before.values()) == {"train", "validation", "test"}
    more = {f"{key[:2]}9": f"{title} 4" for key, title in SERIES.items() if key[2] == "0"}
    grown = catalog.grow(*titled(tmp_path / "new", more, first=100))
    assert series_of(grown) == before
    assert len(grown) == len(SERIES) + len(more)
    assert check_catalog(tmp_path / "cat") == []
    assert catalog.facts["split"]["series"] == {"of": "all films", "rule": 1, "ignored": []}
    summary = grown.summary()
    assert (summary.series, summary.series_films, summary.split_series) == (8, 32, 0)


def test_a_catalog_of_an_older_keyart_keeps_its_splits_and_loses_no_new_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.catalog.build.series_stem", lambda title: "")
    catalog = Catalog.build(*titled(tmp_path / "old", SERIES), tmp_path / "cat")
    monkeypatch.undo()
    assert any(
        re.fullmatch("series '.+': is in .+ and .+; that leaks", problem)
        for problem in check_catalog(tmp_path / "cat")
    )
    facts = json.loads((tmp_path / "cat/catalog.json").read_text())
    del facts["split"]["series"]
    (tmp_path / "cat/catalog.json").write_text(json.dumps(facts))
    old = Catalog.open(tmp_path / "cat")
    assert check_catalog(old.path) == []
    assert old.summary().split_series > 0
    before = series_of(old)
    assert any(len(splits) > 1 for splits in before.values())
    more = {f"{key[:2]}9": f"{title} 4" for key, title in SERIES.items() if key[2] == "0"}
    more |= {"up1": "Up", "up2": "Up 2", "up3": "Up: The End"}
    grown = old.grow(*titled(tmp_path / "new", more, first=100))
    assert grown.to_table().slice(0, len(catalog)).equals(catalog.to_table())
    assert rejections(grown) == []
    after = series_of(grown)
    assert {key: after[key] for key in before} == before  # no other split gets to know a series
    assert len(after["up"]) == 1
    assert check_catalog(old.path) == []
    assert grown.facts["split"]["series"]["of"] == "films added later"
    result = CliRunner().invoke(app, ["catalog", "show", str(grown.path)])
    assert f"{old.summary().split_series} are in several splits" in result.stdout


def test_a_title_that_half_of_a_table_has_names_no_series(tmp_path: Path) -> None:
    titles = {f"u{number}": "Untitled" for number in range(16)} | {"s1": "Saw", "s2": "Saw 2"}
    catalog = Catalog.build(*titled(tmp_path / "old", titles), tmp_path / "cat")
    assert catalog.facts["split"]["series"]["ignored"] == ["untitled"]
    (note,) = catalog.facts["notes"]
    assert note.startswith("16 films are called 'untitled': too many for a series")
    assert {row["group"] for row in catalog.to_table().to_pylist()} > {"u0", "u1"}
    assert row_of(catalog, "s1")["group"] == row_of(catalog, "s2")["group"]
    # It stays so when the catalog grows, and what was a series stays one.
    more = {f"v{number}": "Untitled" for number in range(3)}
    more |= {f"w{number}": "Saw" for number in range(60)}
    grown = catalog.grow(*titled(tmp_path / "new", more, first=100))
    assert row_of(grown, "v0")["group"] == "v0"
    assert {row_of(grown, f"w{number}")["group"] for number in range(60)} == {"s1"}
    assert check_catalog(grown.path) == []


def test_a_copy_of_an_old_poster_joins_its_group_and_split(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "old", range(30))
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    films = {f"copy{seed:02}": (darker(seed), "Horror") for seed in range(30)}
    grown = grow(catalog, tmp_path / "new", films)
    for seed in range(30):
        old, new = row_of(grown, f"f{seed:04}"), row_of(grown, f"copy{seed:02}")
        assert (new["group"], new["split"]) == (old["group"], old["split"])
    assert rejections(grown) == []


def test_a_poster_between_two_splits_is_rejected_and_others_are_not(tmp_path: Path) -> None:
    # Two posters far enough apart to be two, and their mixture near to both.
    one = np.asarray(poster(1, (60, 90))).astype(float)
    way = np.asarray(poster(2, (60, 90))).astype(float)
    ends = [Image.fromarray((one + share * (way - one)).astype(np.uint8)) for share in (0.15, 0.5)]
    middle = Image.fromarray((one + 0.33 * (way - one)).astype(np.uint8))
    others = {f"f{seed:02}": (poster(seed + 50), "Drama") for seed in range(8)}
    films = {"end0": (ends[0], "Drama"), "end1": (ends[1], "Drama"), **others}
    posters = {f"{name}.png": encoded(image, "PNG") for name, (image, _) in films.items()}
    table = write_table(tmp_path / "films.csv", [(name, "Drama") for name in films])
    folder = write_posters(tmp_path / "posters", posters)
    seed = 0
    while True:
        catalog = Catalog.build(table, folder, tmp_path / f"cat{seed}", seed=seed)
        splits = [row_of(catalog, f"end{end}")["split"] for end in (0, 1)]
        if set(splits) == {"train", "test"}:
            break
        seed += 1
        assert seed < 40, splits

    grown = grow(
        catalog,
        tmp_path / "new",
        {"between": (middle, "Drama"), "copy": (middle, "War"), "new": (poster(99), "War")},
    )
    named = sorted((str(split), f"end{end}") for end, split in enumerate(splits))
    where = " and ".join(f"{group} ({split})" for split, group in named)
    reason = f"its poster is a near-duplicate of films in two splits: {where}"
    assert rejections(grown) == [("between", reason), ("copy", reason)]
    assert len(grown) == len(catalog) + 1
    assert row_of(grown, "new")["group"] == "new"


def test_films_that_are_there_already_stay_as_they_were(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "old", range(3))
    write_table(table, [("f0000", "Drama"), ("f0001", "Drama"), ("f0002", "Drama|Sport")])
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    films = {
        "f0000": (poster(70), "Drama"),
        "f0001": (poster(71), "War|Drama"),
        "f0002": (poster(72), "Sport"),
        "f0003": (poster(73), "War|Sport"),
    }
    grown = grow(catalog, tmp_path / "new", films)
    assert grown.to_table().slice(0, 3).equals(catalog.to_table())
    assert rejections(grown) == [
        ("f0000", "is in the catalog already"),
        ("f0001", "is in the catalog with Drama, not Drama|War; kept as it was"),
        ("f0002", "is in the catalog with Drama, not none; kept as it was"),
    ]
    assert list(grown.posters())[:3] == list(catalog.posters())[:3]
    assert grown.facts["unmapped"] == {"Sport": 2}


def test_genres_are_replaced_on_request_and_nothing_else_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyart.catalog.write.SHARD", 8)
    monkeypatch.setattr("keyart.catalog.write.ROW_GROUP", 3)
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(30)), tmp_path / "cat")
    before = catalog.to_table().to_pylist()
    posters = list(catalog.posters())
    changed = {before[9]["film_id"]: ["War"], before[13]["film_id"]: ["Action", "Western"]}
    table = write_table(
        tmp_path / "films.csv",
        [
            *((film_id, "|".join(genres)) for film_id, genres in changed.items()),
            (before[0]["film_id"], "|".join(before[0]["genres"])),  # the same genres
            (before[1]["film_id"], "Sport"),  # none of the vocabulary
            ("new", "War"),
        ],
    )
    folder = write_posters(tmp_path / "new", {"new.png": encoded(poster(99), "PNG")})

    kept = catalog.grow(table, folder)
    assert kept.to_table().slice(0, 30).to_pylist() == before
    assert kept.facts["notes"] == [
        "films.csv: 2 films have other genres there and kept their own; --replace-genres takes "
        "the table's"
    ]

    grown = kept.grow(table, folder, replace_genres=True)
    assert grown.facts["notes"][1:] == ["films.csv: 2 films took the table's genres"]
    after = grown.to_table().to_pylist()
    assert after[:30] == [
        {**row, "genres": changed.get(row["film_id"], row["genres"])} for row in before
    ]
    assert list(grown.posters())[:30] == posters
    assert grown.fingerprint != kept.fingerprint
    assert grown.facts["splits"] == kept.facts["splits"]
    assert (grown.truth == grown.vocabulary.encode([row["genres"] for row in after])).all()
    # One shard of five was written again, and the old one is gone.
    names = sorted(file.name for file in grown.path.glob("films-*"))
    assert names == [shard.name for shard in grown.shards]
    assert names == [shard.name for shard in sorted(kept.shards)[:1]] + [
        "films-00001-1.parquet", *(f"films-0000{number}.parquet" for number in (2, 3, 4))
    ]  # fmt: skip
    assert check_catalog(tmp_path / "cat") == []

    again = grown.grow(table, folder, replace_genres=True)
    assert again.facts["notes"] == grown.facts["notes"]
    assert again.fingerprint == grown.fingerprint
    back = write_table(tmp_path / "back.csv", [(before[9]["film_id"], "Drama")])
    twice = again.grow(back, folder, replace_genres=True)
    assert twice.shards[1].name == "films-00001-2.parquet"
    assert check_catalog(tmp_path / "cat") == []


def test_genres_are_replaced_on_the_command_line_and_never_without_growing(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "old", range(4))
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    write_table(table, [("f0002", "Musical")])
    words = ["catalog", "build", "--films", table, "--posters", posters, "--replace-genres"]
    command = [*map(str, words), "--out", str(tmp_path / "cat")]
    alone = CliRunner().invoke(app, command)
    assert alone.exit_code == 2
    assert "needs --grow" in alone.output
    assert Catalog.open(catalog.path).fingerprint == catalog.fingerprint
    done = CliRunner().invoke(app, [*command, "--grow"])
    assert done.exit_code == 0
    assert "1 film took the table's genres" in done.stdout
    assert row_of(Catalog.open(catalog.path), "f0002")["genres"] == ["Musical"]


def test_growing_by_one_table_twice_adds_nothing_the_second_time(tmp_path: Path) -> None:
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(5)), tmp_path / "cat")
    new = tiny_films(tmp_path / "new", range(5, 9))
    once = catalog.grow(*new)
    twice = once.grow(*new)
    thrice = twice.grow(*new)
    assert once.fingerprint == twice.fingerprint != catalog.fingerprint
    assert (len(once), len(twice)) == (9, 9)
    assert (
        rejections(twice)
        == rejections(thrice)
        == [(f"f{seed:04}", "is in the catalog already") for seed in range(5, 9)]
    )
    assert check_catalog(tmp_path / "cat") == []


def test_old_and_new_films_together_are_balanced(tmp_path: Path) -> None:
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(60)), tmp_path / "cat")
    for number in range(1, 6):
        new = range(60 * number, 60 * number + 12)
        catalog = catalog.grow(*tiny_films(tmp_path / f"new{number}", new))
    share = np.array([catalog.facts["splits"][split] for split in ("train", "validation", "test")])
    assert np.abs(share / 120 - (0.6, 0.2, 0.2)).max() < 0.04
    counts = catalog.facts["counts"]
    for genre in STUDY_GENRES[:4]:
        held = np.array([counts[genre][split] for split in ("train", "validation", "test")])
        assert np.abs(held / held.sum() - (0.6, 0.2, 0.2)).max() < 0.08, genre


def test_films_that_join_old_groups_count_when_the_others_are_dealt(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "old", range(40))
    write_table(table, [(f"f{seed:04}", "Drama") for seed in range(40)])
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    in_test = [
        int(name[1:])
        for name in catalog.to_table()["film_id"].take(catalog.rows("test")).to_pylist()
    ]
    # 8 copies make test 16 of 48 films: more than a fifth of all 80, so no other film goes there.
    films = {f"copy{seed}": (darker(seed), "Drama") for seed in in_test}
    films |= {f"new{seed}": (poster(seed), "Drama") for seed in range(40, 72)}
    grown = grow(catalog, tmp_path / "new", films)
    assert len(in_test) == 8
    assert grown.facts["splits"] == {"train": 48, "validation": 16, "test": 16}


def test_nothing_to_add_is_not_an_error_and_changes_no_film(tmp_path: Path) -> None:
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(4)), tmp_path / "cat")
    table = write_table(tmp_path / "gone.csv", [("gone", "Drama")])
    grown = catalog.grow(table, tmp_path / "old" / "posters")
    assert grown.fingerprint == catalog.fingerprint
    assert rejections(grown) == []
    (table,) = grown.facts["tables"][1:]
    assert table == {
        "name": "gone.csv", "rows": 1, "films": 0, "rejections": 0, "without_poster": 1
    }  # fmt: skip
    (note,) = grown.facts["notes"]
    assert "no id fits a file in " in note
    assert "the ids are like gone, and the files like f0000.png" in note
    assert check_catalog(tmp_path / "cat") == []


def test_what_cannot_be_read_leaves_the_catalog_as_it_was(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path / "old", range(4))
    catalog = Catalog.build(table, posters, tmp_path / "cat")
    before = {file.name: file.read_bytes() for file in (tmp_path / "cat").iterdir()}
    with pytest.raises(TableError, match="no such file; give a table"):
        catalog.grow(tmp_path / "none.csv", posters)
    with pytest.raises(TableError, match="no such folder; give the folder of posters"):
        catalog.grow(table, tmp_path / "none")
    assert {file.name: file.read_bytes() for file in (tmp_path / "cat").iterdir()} == before
    with pytest.raises(CatalogError, match="no such folder; make a catalog"):
        Catalog.open(tmp_path / "none").grow(table, posters)
