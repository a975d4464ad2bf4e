"""What is said about files: absent, locked, and of the wrong kind are three things."""

import ctypes
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keyart.__main__ import main
from keyart.images.folder import files_below
from keyart.similar import Index
from tests.tiny_catalog import encoded, poster, tiny_films

Command = Callable[[str, str], str]

# Commands that read a folder {x}, and those that read a file {x}.
FOLDERS = (
    "predict {poster} --model {x}",
    "similar {poster} --model {model} --index {x}",
    "catalog build --films {films} --posters {x} --out new",
    "catalog show {x}",
    "catalog check {x}",
    "train {x} --out new",
    "evaluate {x}",
    "evaluate {x} --against {x}",
    "report {x} --out new.html",
    "export {x} --out new",
    "ensemble {x} {x} --out new",
    "pictures {x} --out new",
)
FILES = (
    "explain {x} --model {model}",
    "similar {x} --model {model} --index {index}",
    "catalog build --films {x} --posters {posters} --out new",
    "catalog build --films {films} --posters {posters} --out new --vocabulary {x}",
    "serve --model {model} --tokens {x}",
)


@pytest.fixture
def keyart(
    tmp_path: Path,
    tiny_model: Path,
    film_index: Index,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """keyart(line, x) runs a command that fails on the path x, and returns its error."""
    films, posters = tiny_films(tmp_path, range(2))
    places = {
        "model": tiny_model, "index": film_index.path, "films": films, "posters": posters,
        "poster": posters / "f0000.png",
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(line: str, x: str) -> str:
        words = [word.format(x=x, **places) for word in line.split()]
        monkeypatch.setattr(sys, "argv", ["keyart", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code in (1, 2), shown
        assert not list(tmp_path.glob("new*"))
        return shown.out + shown.err

    return run


@contextmanager
def a_common_user() -> Iterator[None]:
    """Take from this thread what lets root read every file; skip if that cannot be done."""
    if sys.platform == "win32" or (os.geteuid() == 0 and sys.platform != "linux"):
        pytest.skip("everybody may read every file")
    if os.geteuid():
        yield
        return
    system = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert system.capget(header, sets) == 0
    effective = sets[0]
    sets[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert system.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert system.capset(header, sets) == 0


@pytest.mark.parametrize("line", [*FOLDERS, *FILES])
def test_an_absent_path_is_said_to_be_absent(keyart: Command, line: str) -> None:
    shown = keyart(line, "nowhere")
    assert "nowhere: " in shown
    assert "no such f" in shown
    assert "[Errno" not in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("line", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_said_to_be_one(
    keyart: Command, tmp_path: Path, line: str
) -> None:
    (tmp_path / "thing").write_text("x")
    shown = keyart(line, "thing")
    assert "thing: is a file, not a folder" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("line", FILES)
def test_a_folder_in_the_place_of_a_file_is_said_to_be_one(
    keyart: Command, tmp_path: Path, line: str
) -> None:
    (tmp_path / "thing").mkdir()
    shown = keyart(line, "thing")
    assert "thing" in shown
    assert "is a folder" in shown
    assert "[Errno" not in shown


@pytest.mark.parametrize("line", [*FOLDERS, *FILES])
def test_a_locked_path_is_said_to_be_locked(keyart: Command, tmp_path: Path, line: str) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "thing").write_text("x")
    (tmp_path / "locked").chmod(0)
    try:
        with a_common_user():
            shown = keyart(line, "locked/thing")
    finally:
        (tmp_path / "locked").chmod(0o700)
    assert "locked/thing" in shown
    assert "permission denied" in shown
    assert "damaged" not in shown
    assert "[Errno" not in shown
    assert shown.count("\n") == 1


def test_a_locked_poster_stops_no_other_and_a_locked_folder_is_named(
    keyart: Command, tmp_path: Path, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "mixed"
    for name in ("a.png", "b/c.png", "d/e.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(poster(1), "PNG"))
    (folder / "a.png").chmod(0)
    (folder / "b").chmod(0)
    try:
        with a_common_user(), caplog.at_level(logging.WARNING):
            assert {file.name for file in files_below(folder)} == {"a.png", "e.png"}
            alone = keyart("predict {x} --model {model}", "mixed/a.png")
            with pytest.raises(PermissionError):
                list(files_below(folder / "b"))
    finally:
        (folder / "b").chmod(0o700)
    assert f"{folder / 'b'}: permission denied; its files are left out" in caplog.text
    assert "mixed/a.png: permission denied" in alone
