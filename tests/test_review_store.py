"""review/: decisions are kept once each, and become a new version of a catalog."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keyart.catalog.catalog import Catalog
from keyart.cli import app
from keyart.errors import CatalogError, CorrectionsError
from keyart.review.apply import apply_corrections
from keyart.review.corrections import Correction, Corrections
from keyart.review.decisions import (
    Case,
    Decision,
    Decisions,
    DoubtKind,
    Verdict,
    standing,
    verdict_of,
)
from tests.tiny_doubts import doubtful_catalog

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return doubtful_catalog(tmp_path_factory.mktemp("doubtful"), films=60)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.sqlite'}"


@pytest.fixture
def store(url: str) -> Iterator[Decisions]:
    opened = Decisions(url)
    yield opened
    opened.close()


def said(
    catalog: Catalog,
    film: str,
    genre: str,
    kind: DoubtKind,
    verdict: Verdict,
    who: str = "ann",
    minute: int = 0,
) -> Decision:
    row = next(row for row in catalog.to_table().to_pylist() if row["film_id"] == film)
    case = Case(film, row["poster_sha256"], genre, kind)
    time = START + timedelta(minutes=minute)
    key = f"{film}-{genre}-{kind}-{verdict}-{who}-{minute}"
    return Decision(key, case, verdict, who, who.title(), 0.01, catalog.fingerprint, time)


def genres_of(catalog: Catalog) -> dict[str, list[str]]:
    rows = catalog.to_table().select(["film_id", "genres"]).to_pylist()
    return {row["film_id"]: row["genres"] for row in rows}


def test_a_decision_that_is_sent_twice_is_kept_once(catalog: Catalog, store: Decisions) -> None:
    one = said(catalog, "f003", "Green", "wrong", "accept")
    assert [store.add(one), store.add(one)] == [True, False]
    assert [kept for _, kept in store.since()] == [one]


def test_decisions_of_many_threads_are_all_kept(catalog: Catalog, store: Decisions) -> None:
    many = [said(catalog, "f003", "Green", "wrong", "skip", f"person {n}") for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(store.add, many))
    assert {one.reviewer for _, one in store.since()} == {one.reviewer for one in many}


def test_undo_takes_ones_own_last_word_back_and_no_other(catalog: Catalog) -> None:
    mine = said(catalog, "f003", "Green", "wrong", "accept", "ann")
    other = said(catalog, "f003", "Green", "wrong", "reject", "bob", 1)
    undone = said(catalog, "f003", "Green", "wrong", "undo", "ann", 2)
    assert verdict_of(standing([mine, other])[mine.case]) == "conflict"
    assert standing([mine, other, undone]) == {mine.case: {"bob": other}}
    assert standing([mine, undone]) == {}
    skipped = said(catalog, "f003", "Green", "wrong", "skip", "ann")
    assert verdict_of({"ann": skipped}) is None
    assert verdict_of({"ann": skipped, "bob": other}) == "reject"


def test_a_new_version_has_the_decisions_and_the_old_one_stays(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    before = {file.name: hashlib.sha256(file.read_bytes()).digest() for file in _files(catalog)}
    for one in (
        said(catalog, "f003", "Red", "missing", "accept"),
        said(catalog, "f003", "Green", "wrong", "accept", minute=1),
        said(catalog, "f043", "Blue", "wrong", "accept"),  # its only genre
        said(catalog, "f006", "Green", "missing", "accept"),
        said(catalog, "f006", "Green", "missing", "reject", "bob"),
        said(catalog, "f009", "Green", "missing", "reject"),
        said(catalog, "f012", "Green", "missing", "skip"),
        said(catalog, "f015", "Red", "missing", "accept"),  # is listed
        said(catalog, "f018", "Green", "missing", "accept"),
        said(catalog, "f018", "Green", "missing", "accept", "bob"),
    ):
        store.add(one)
    applied = apply_corrections(catalog, url, tmp_path / "new")
    new = Catalog.open(tmp_path / "new")
    assert new.check() == []
    changed = {
        film: genres
        for film, genres in genres_of(new).items()
        if genres != genres_of(catalog)[film]
    }
    assert changed == {"f003": ["Red"], "f018": ["Red", "Green"]}
    assert (applied.films, applied.added, applied.removed) == (2, 2, 1)
    assert applied.outcomes == {
        "applied": 4,
        "not applied: no genre would be left": 1,
        "conflict": 2,
        "rejected": 1,
        "skipped": 1,
        "listed so already": 1,
    }
    assert sum(applied.outcomes.values()) == 10
    for name in ("split", "group", "film_id", "poster_sha256"):
        assert new.to_table()[name].equals(catalog.to_table()[name])
    assert list(new.posters()) == list(catalog.posters())
    after = {file.name: hashlib.sha256(file.read_bytes()).digest() for file in _files(catalog)}
    assert after == before


def _files(catalog: Catalog) -> list[Path]:
    return sorted(file for file in catalog.path.iterdir() if file.is_file())


def test_the_version_says_what_changed_by_whom_and_when(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    store.add(said(catalog, "f006", "Green", "missing", "accept", "ann", 7))
    elsewhere = Case("other", "0" * 64, "Green", "missing")
    store.add(Decision("k" * 8, elsewhere, "accept", "bob", "Bob", 0.5, "x", START))
    apply_corrections(catalog, url, tmp_path / "new")
    new = Catalog.open(tmp_path / "new")
    (version,) = new.facts["corrections"]
    assert version["from"] == catalog.fingerprint != new.fingerprint
    assert version["authors"] == {"Ann": 1}
    assert version["outcomes"] == {"applied": 1, "not in this catalog": 1}
    with (new.path / version["changes"]).open(newline="", encoding="utf-8") as file:
        rows = {row["film_id"]: row for row in csv.DictReader(file)}
    assert Counter(row["outcome"] for row in rows.values()) == version["outcomes"]
    row = rows["f006"]
    assert (row["genres_before"], row["genres_after"]) == ("Red", "Red|Green")
    assert (row["author"], row["time"]) == ("Ann", "2026-01-01T00:07:00+00:00")
    (new.path / version["changes"]).write_text("other")
    assert any("changes-1.csv" in problem for problem in new.check())


def test_versions_keep_the_files_of_changes_of_earlier_ones(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    store.add(said(catalog, "f006", "Green", "missing", "accept"))
    apply_corrections(catalog, url, tmp_path / "1")
    first = Catalog.open(tmp_path / "1")
    with pytest.raises(CorrectionsError, match=r"nothing to apply.*1 listed so already"):
        apply_corrections(first, url, tmp_path / "2")
    store.add(said(catalog, "f006", "Red", "wrong", "accept", minute=1))
    apply_corrections(first, url, tmp_path / "2")
    second = Catalog.open(tmp_path / "2")
    assert genres_of(second)["f006"] == ["Green"]
    assert [one["changes"] for one in second.facts["corrections"]] == [
        "changes-1.csv",
        "changes-2.csv",
    ]
    assert second.check() == []


def test_a_correction_and_newer_decisions_are_applied_in_their_order(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    posters = list(catalog.posters())
    row = catalog.to_table()["film_id"].to_pylist().index("f006")
    sha256 = hashlib.sha256(posters[row]).hexdigest()
    store.add(said(catalog, "f006", "Red", "wrong", "accept", minute=0))
    corrections = Corrections(url)
    correction = Correction(
        sha256, "x", "model", {}, (), ("Red", "Blue"), "Cy", START + timedelta(minutes=1)
    )
    corrections.add(correction, posters[row])
    corrections.close()
    store.add(said(catalog, "f006", "Green", "missing", "accept", minute=2))
    applied = apply_corrections(catalog, url, tmp_path / "new")
    assert genres_of(Catalog.open(tmp_path / "new"))["f006"] == ["Red", "Green", "Blue"]
    assert applied.outcomes == {"applied": 2, "replaced by a newer one": 1}


def test_a_grown_catalog_keeps_what_was_corrected(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    store.add(said(catalog, "f006", "Green", "missing", "accept"))
    apply_corrections(catalog, url, tmp_path / "new")
    folder = catalog.path.parent
    grown = Catalog.open(tmp_path / "new").grow(folder / "films.csv", folder / "posters")
    assert len(grown.facts["corrections"]) == 1
    assert grown.check() == []


def test_bad_targets_and_stores_are_refused(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    with pytest.raises(CorrectionsError, match="no such file"):
        apply_corrections(catalog, f"sqlite:///{tmp_path / 'none.sqlite'}", tmp_path / "new")
    store.add(said(catalog, "f006", "Green", "missing", "accept"))
    (tmp_path / "taken").mkdir()
    with pytest.raises(CatalogError, match="already exists"):
        apply_corrections(catalog, url, tmp_path / "taken")
    with pytest.raises(CatalogError, match="has no film nobody"):
        catalog.corrected({"nobody": ["Red"]}, [], out=tmp_path / "new", provenance={})
    with pytest.raises(CatalogError, match="not genres of its vocabulary"):
        catalog.corrected({"f006": ["Mauve"]}, [], out=tmp_path / "new", provenance={})
    assert not (tmp_path / "new").exists()


def test_the_command_counts_what_it_applied(
    catalog: Catalog, store: Decisions, url: str, tmp_path: Path
) -> None:
    store.add(said(catalog, "f006", "Green", "missing", "accept"))
    command = ["catalog", "apply-corrections", str(catalog.path), "--from", url, "--out"]
    shown = CliRunner().invoke(app, [*command, str(tmp_path / "new")])
    assert "1 film changed, 1 genre added, 0 removed" in shown.stdout
    assert "Ann 1" in shown.stdout
    found = CliRunner().invoke(app, [*command, str(tmp_path / "json"), "--json"])
    assert json.loads(found.stdout)["outcomes"] == {"applied": 1}
