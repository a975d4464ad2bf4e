"""Whatever stops a building or a growing, a catalog is whole: kill -9, a full disk, a rival."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keyart.catalog.catalog import Catalog
from keyart.catalog.check import check_catalog
from keyart.catalog.write import growing
from keyart.errors import CatalogError
from tests.tiny_catalog import tiny_films

# Runs a command of keyart in which one function says that it was reached, and never continues.
STOPPED = """
import sys, time
from keyart.catalog import build, write

def reached(*arguments, **options):
    print("reached", flush=True)
    time.sleep(60)

module, function, *sys.argv[1:] = sys.argv[1:]
setattr({"build": build, "write": write}[module], function, reached)
from keyart.__main__ import main
main()
"""
# Runs a command of keyart in which no file can grow beyond a size: a full disk, for all it knows.
FULL = """
import resource, sys
most = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
from keyart.__main__ import main
main()
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def words(table: Path, posters: Path, out: Path, *more: str) -> list[str]:
    given = ("--films", table, "--posters", posters, "--out", out, *more)
    return ["catalog", "build", *map(str, given), "--quiet"]


def kill_when_reached(place: tuple[str, str], arguments: list[str]) -> None:
    command = [sys.executable, "-c", STOPPED, *place, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reached\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("place", [("write", "sha256_of"), ("build", "write_json")])
def test_a_killed_build_leaves_no_catalog_and_the_next_one_works(
    tmp_path: Path, place: tuple[str, str]
) -> None:
    table, posters = tiny_films(tmp_path, range(20))
    out = tmp_path / "catalog"
    kill_when_reached(place, words(table, posters, out))
    assert not out.exists()
    assert len(Catalog.build(table, posters, out)) == 20
    assert check_catalog(out) == []


# Within the first new shard, after it, before rejections.csv, and after it.
GROWING = [
    ("write", "_row_groups"),
    ("write", "sha256_of"),
    ("build", "write_rejections"),
    ("build", "write_json"),
]


@pytest.mark.parametrize("place", GROWING)
def test_a_killed_growth_leaves_the_old_catalog_and_the_next_one_works(
    tmp_path: Path, place: tuple[str, str]
) -> None:
    out = tmp_path / "catalog"
    old = Catalog.build(*tiny_films(tmp_path / "old", range(12)), out)
    before = contents(out)
    # Films 8 to 11 are there already: they are new rows of rejections.csv.
    table, posters = tiny_films(tmp_path / "new", range(8, 24))
    kill_when_reached(place, words(table, posters, out, "--grow"))

    after = contents(out)
    assert {name: after[name] for name in before if name != "rejections.csv"} == {
        name: content for name, content in before.items() if name != "rejections.csv"
    }
    assert after["rejections.csv"].startswith(before["rejections.csv"])
    assert check_catalog(out) == []
    assert Catalog.open(out).to_table().equals(old.to_table())

    grown = old.grow(table, posters)
    undisturbed = Catalog.build(*tiny_films(tmp_path / "old", range(12)), tmp_path / "calm")
    undisturbed = undisturbed.grow(table, posters)
    assert grown.to_table().equals(undisturbed.to_table())
    assert contents(out).keys() == contents(tmp_path / "calm").keys()
    assert check_catalog(out) == []


def full_disk(most: int, arguments: list[str]) -> str:
    """The one line that a command ends with when no file can have more than `most` bytes."""
    command = [sys.executable, "-c", FULL, str(most), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    return line


def test_a_disk_that_is_full_leaves_nothing_of_a_new_catalog(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(20))
    line = full_disk(20_000, words(table, posters, tmp_path / "catalog"))
    assert re.fullmatch(
        r"error: .*catalog.*: the file is too large for this disk; write to .*", line
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["films.csv", "posters"]


def test_a_disk_that_is_full_leaves_an_old_catalog_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "catalog"
    Catalog.build(*tiny_films(tmp_path / "old", range(4)), out)
    before = contents(out)
    line = full_disk(20_000, words(*tiny_films(tmp_path / "new", range(4, 40)), out, "--grow"))
    assert re.fullmatch(
        r"error: .*catalog.*: the file is too large for this disk; write to .*", line
    )
    assert contents(out) == before


@pytest.mark.parametrize("write", range(5))
def test_a_disk_that_fills_at_any_write_of_a_growth_leaves_the_catalog_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    out = tmp_path / "catalog"
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(4)), out)
    table, posters = tiny_films(tmp_path / "new", range(2, 9))
    synced = 0

    def fsync(handle: int) -> None:
        nonlocal synced
        synced += 1
        if synced > write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(OSError, match="No space left on device"):
            catalog.grow(table, posters)
    assert check_catalog(out) == []
    assert Catalog.open(out).to_table().equals(catalog.to_table())
    assert not [name for name in contents(out) if "partial" in name or "00001" in name]


def test_a_second_growth_at_the_same_time_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "catalog"
    catalog = Catalog.build(*tiny_films(tmp_path / "old", range(4)), out)
    table, posters = tiny_films(tmp_path / "new", range(4, 9))
    with growing(out), pytest.raises(CatalogError) as caught:
        catalog.grow(table, posters)
    assert str(caught.value) == f"{out}: another process is growing it; wait for it"
    assert len(catalog.grow(table, posters)) == 9


def test_a_catalog_opened_before_another_growth_loses_nothing_of_it(tmp_path: Path) -> None:
    out = tmp_path / "catalog"
    early = Catalog.build(*tiny_films(tmp_path / "old", range(4)), out)
    early.grow(*tiny_films(tmp_path / "first", range(4, 8)))
    grown = early.grow(*tiny_films(tmp_path / "second", range(8, 12)))
    assert len(grown) == 12
    assert [shard["films"] for shard in json.loads((out / "catalog.json").read_text())["shards"]]
    assert check_catalog(out) == []


def test_an_existing_catalog_is_never_overwritten(tmp_path: Path) -> None:
    table, posters = tiny_films(tmp_path, range(4))
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for out in (taken, tmp_path / "file", tmp_path / "dangling"):
        with pytest.raises(CatalogError) as caught:
            Catalog.build(table, posters, out)
        assert str(caught.value) == (
            f"{out}: already exists; add --grow to add films to it, or choose another folder"
        )
    assert contents(taken) == {"notes.txt": b"mine"}
