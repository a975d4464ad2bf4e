"""files.py: whatever happens, what is at a path is the old or the new, whole."""

import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from keyart import files, owners
from keyart.errors import OutputError
from keyart.files import (
    make_once,
    new_folder,
    recover_folder,
    replacing,
    replacing_folder,
    sweep,
    write_text,
    writing_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "x.txt", "old")
    with replacing(tmp_path / "a" / "x.txt") as partial:
        partial.write_text("new")
        assert (tmp_path / "a" / "x.txt").read_text() == "old"
    assert (tmp_path / "a" / "x.txt").read_text() == "new"
    assert names(tmp_path / "a") == ["x.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "old")

    def fail() -> None:
        with replacing(tmp_path / "x.txt") as partial:
            partial.write_text("half")
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "x.txt").read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_name_of_its_own() -> None:
    code = """
import os
from keyart.owners import is_alive, owner

mine = owner()
if os.fork() == 0:
    os._exit(owner() == mine or not is_alive(owner()))
os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_replaced_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target.txt"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to("target.txt")
    for write in (write_text, lambda path, text: write_lines(path, text)):
        write(link, "new")
        assert link.is_symlink()
        assert target.read_text() == "new"
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.write_text("old")


def write_lines(path: Path, text: str) -> None:
    with writing_text(path) as file:
        file.write(text)


@pytest.mark.parametrize("write", [write_text, write_lines])
def test_devices_pipes_and_folders_are_refused_by_name(tmp_path: Path, write: object) -> None:
    assert callable(write)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OutputError, match=f"{name}: is a .*, not a regular file"):
            write(tmp_path / name, "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names(tmp_path) == ["folder", "link", "pipe"]


def test_a_dash_is_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(Path("-"), "hello\n")
    assert capsys.readouterr().out == "hello\n"
    assert not Path("-").exists()


def test_a_full_disk_names_the_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    for write in (write_text, write_lines):
        with pytest.raises(OSError, match="No space left") as caught:
            write(tmp_path / "x.txt", "text")
        assert caught.value.filename == str(tmp_path / "x.txt")
    with pytest.raises(OSError, match="No space left") as caught, new_folder(tmp_path / "f") as at:
        (at / "x").write_text("x")
    assert caught.value.filename == str(tmp_path / "f")
    assert names(tmp_path) == []


def test_a_folder_is_exchanged_in_one_step(tmp_path: Path) -> None:
    with new_folder(tmp_path / "f") as at:
        (at / "x").write_text("old")
    stop, missing = threading.Event(), 0

    def look() -> None:
        nonlocal missing
        while not stop.is_set():
            try:
                assert (tmp_path / "f" / "x").read_text() in ("old", "new")
            except FileNotFoundError:
                missing += 1

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(40):
        with replacing_folder(tmp_path / "f") as at:
            (at / "x").write_text("new")
    stop.set()
    thread.join()
    assert missing == 0
    assert names(tmp_path) == ["f"]


def test_without_an_exchange_a_kill_between_two_renames_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "exchange", lambda first, second: False)
    with new_folder(tmp_path / "f") as at:
        (at / "x").write_text("old")
    with replacing_folder(tmp_path / "f") as at:
        (at / "x").write_text("new")
    assert (tmp_path / "f" / "x").read_text() == "new"
    # As a killed process leaves it: the old folder under another name, nothing in its place.
    dead = f".f.{owners._machine()}-99999999-1.0123abcd.partial"
    (tmp_path / "f").rename(tmp_path / f"{dead}.old")
    (tmp_path / dead).mkdir()
    recover_folder(tmp_path / "f")
    assert (tmp_path / "f" / "x").read_text() == "new"
    with replacing_folder(tmp_path / "f") as at:
        (at / "x").write_text("newest")
    assert (tmp_path / "f" / "x").read_text() == "newest"
    assert names(tmp_path) == ["f"]


def test_leftovers_of_dead_processes_are_removed_and_files_being_written_are_not(
    tmp_path: Path,
) -> None:
    machine, me = owners._machine(), owners.owner()
    dead = tmp_path / f".x.txt.{machine}-99999999-1.0123abcd.partial"
    reused = tmp_path / f".x.txt.{machine}-{os.getpid()}-1.0123abcd.partial"
    mine = tmp_path / f".x.txt.{me}.0123abcd.partial"
    elsewhere = tmp_path / ".x.txt.00000000-1-1.0123abcd.partial"
    other = tmp_path / f".y.txt.{machine}-99999999-1.0123abcd.partial"
    strange = tmp_path / ".x.txt.what.ever.partial"
    for partial in (dead, reused, mine, elsewhere, other, strange):
        partial.touch()
    os.utime(strange, (0, 0))
    write_text(tmp_path / "x.txt", "new")
    assert names(tmp_path) == sorted([mine.name, elsewhere.name, other.name, "x.txt"])
    os.utime(elsewhere, (time.time() - 8 * 86_400,) * 2)
    sweep(tmp_path)
    assert names(tmp_path) == sorted([mine.name, "x.txt"])


def test_leftovers_of_names_with_brackets_are_removed_alone(tmp_path: Path) -> None:
    dead = f"{owners._machine()}-99999999-1.0123abcd.partial"
    (tmp_path / f".[x].txt.{dead}").touch()
    (tmp_path / f".x.txt.{dead}").touch()
    write_text(tmp_path / "[x].txt", "new")
    assert names(tmp_path) == sorted([f".x.txt.{dead}", "[x].txt"])


SCRIPT = textwrap.dedent("""
    import sys
    from pathlib import Path
    from keyart.files import new_folder, replacing_folder, write_text
    folder = Path(sys.argv[1])
    print("ready", flush=True)
    for number in range(1_000_000):
        write_text(folder / "file", f"{number % 10}" * 50_000)
        with replacing_folder(folder / "model") as at:
            for name in ("a", "b", "c"):
                (at / name).write_text(f"{number % 10}" * 20_000)
""")


def test_after_a_kill_at_any_moment_all_is_old_or_new_and_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as at:
        for name in ("a", "b", "c"):
            (at / name).write_text("0" * 20_000)
    write_text(tmp_path / "file", "0" * 50_000)
    for kill in range(20):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.003 * (1 + 7 * kill % 20))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        content = (tmp_path / "file").read_text()
        assert len(content) == 50_000
        assert len(set(content)) == 1
        texts = [(tmp_path / "model" / name).read_text() for name in ("a", "b", "c")]
        assert len(set(texts)) == 1
        assert len(texts[0]) == 20_000
    write_text(tmp_path / "file", "end")
    with replacing_folder(tmp_path / "model") as at:
        (at / "a").write_text("end")
    assert names(tmp_path) == ["file", "model"]


def test_a_killed_writer_of_text_leaves_the_rows_that_it_had_written(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("old\n")
    script = (
        "import os, signal, sys; from pathlib import Path; from keyart.files import writing_text\n"
        "with writing_text(Path(sys.argv[1])) as file:\n"
        "    for row in range(10_000): print(row, file=file)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "x.csv"], check=False)
    assert (tmp_path / "x.csv").read_text() == "old\n"
    rows = (tmp_path / "x.csv.incomplete").read_text().split("\n")
    assert len(rows) > 5_000
    assert rows[:1_000] == [str(row) for row in range(1_000)]
    write_lines(tmp_path / "x.csv", "new\n")
    assert names(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_is_only_created_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links on this disk")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with replacing(tmp_path / "a", create_only=True) as partial:
        partial.write_text("first")
    with (
        pytest.raises(FileExistsError, match=f"'{tmp_path / 'a'}'"),
        replacing(tmp_path / "a", create_only=True) as partial,
    ):
        partial.write_text("second")
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "first"


def test_of_two_that_make_one_folder_at_once_the_first_counts(tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def overtaken(partial: Path) -> None:
        (partial / "file").write_text("ours")
        folder.mkdir()
        (folder / "file").write_text("theirs")

    make_once(folder, overtaken)
    assert (folder / "file").read_text() == "theirs"
    make_once(folder, lambda _: pytest.fail("it is there"))
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
