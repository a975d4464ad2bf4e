"""Plans for media libraries: what is written, that each byte comes back, kill -9 anywhere."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from keyart.bundle import content_of, write_bundle
from keyart.errors import LibraryError
from keyart.genres import Vocabulary
from keyart.library.apply import apply_plan, undo_changes
from keyart.library.edit import As
from keyart.library.library import Library
from keyart.library.plan import FileChange, Plan, read_plan
from keyart.predictor import Predictor, load
from tests.commands import Commands
from tests.media_reader import jellyfin, kodi
from tests.promising import promising_model
from tests.tiny_library import contents, make_library, nfo, paint, painted, parts, video

FILM = painted(0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return promising_model(tmp_path_factory.mktemp("model"))


def plan_of(
    root: Path, model: Predictor, *, writes: As = "genre", every: bool = False, create: bool = True
) -> Plan:
    """The plan of a library, written next to it and read again."""
    plan = Library.open(root).plan(model, writes=writes, every=every, create=create)
    return read_plan(plan.write(root.parent / "plan.jsonl").path or "")


def one_film(root: Path, *more: str, genre: str = "Red") -> Path:
    """A library of one film. Returns its NFO."""
    video(root / FILM.name / "f.mkv")
    paint(root / FILM.name / "poster.png", genre)
    return nfo(root / FILM.name / "f.nfo", FILM, *more)


def test_200_films_are_given_genres_that_servers_read_and_undoing_gives_back_each_byte(
    tmp_path: Path, model: Predictor
) -> None:
    root, journal = tmp_path / "library", tmp_path / "journal.jsonl"
    films = make_library(root, 200)
    before = contents(root)
    plan = plan_of(root, model)
    assert contents(root) == before
    assert len(plan.films) == 200
    assert len(plan.changed) == 180
    assert plan.left == {"no genre keeps the precision": 20}
    outcome = apply_plan(plan, journal)
    assert (outcome.done, outcome.already, outcome.whole) == (180, 0, True)
    for path, film in films.items():
        own = path.parent.name != "Flat"
        for read in (
            kodi(path, folders=own), kodi(path, folders=False), jellyfin(path, mixed=not own),
        ):  # fmt: skip
            if read.nfo is None:  # Kodi without folders does not see movie.nfo
                continue
            assert read.genres == ((film.genre,) if film.genre else ())
            assert read.title in (film.title, film.title.lower(), None)
            if read.title is None:
                assert read.url == "https://www.imdb.com/title/tt0078748/"
    after = contents(root)
    changes = [change for film in plan.changed for change in film.changes]
    written = {change.path for change in changes if isinstance(change, FileChange)}
    assert {name for name in after if after[name] != before.get(name)} == written
    again = apply_plan(plan, journal)
    assert (again.done, again.already, again.whole) == (0, 180, True)
    assert contents(root) == after
    undone = undo_changes(journal)
    assert (undone.done, undone.whole) == (sum(len(f.changes) for f in plan.changed), True)
    assert contents(root) == before
    twice = undo_changes(journal)
    assert (twice.done, twice.already, twice.whole) == (0, undone.done, True)
    assert apply_plan(plan, journal).done == 180
    assert contents(root) == after


def test_a_film_is_never_given_a_second_nfo(tmp_path: Path, model: Predictor) -> None:
    root = tmp_path / "library"
    films = make_library(root, 60)
    names = {path for path in contents(root) if path.endswith(".nfo")}
    apply_plan(plan_of(root, model), tmp_path / "journal")
    new = {path for path in contents(root) if path.endswith(".nfo")} - names
    bare = {path.with_suffix(".nfo") for path, film in films.items()
            if "BluRay" in path.parent.name and film.genre}  # fmt: skip
    assert new == {path.relative_to(root).as_posix() for path in bare}


def test_only_films_without_genres_and_without_locks_are_planned(
    tmp_path: Path, model: Predictor
) -> None:
    reasons = {
        "<genre>Drama</genre>": "has genres",
        "<lockdata>true</lockdata>": "its genres are locked",
        "<lockedfields>Cast|Genres</lockedfields>": "its genres are locked",
        "<lockedfields>Tags</lockedfields>": "",
        "<genre/>": "",
        "<broken>": "its NFO cannot be edited: f.nfo is broken XML (mismatched tag: line 6, "
        "column 3)",
    }
    for number, (element, reason) in enumerate(reasons.items()):
        root = tmp_path / str(number) / "library"
        one_film(root, element)
        (film,) = plan_of(root, model).films
        assert film.left == reason
        assert film.writes == ([] if reason else ["Red"])


def test_text_and_series_next_to_a_film_are_left_alone(tmp_path: Path, model: Predictor) -> None:
    root = tmp_path / "library"
    file = one_film(root)
    file.write_bytes(b"  \xdb\xdb RELEASED BY GROUP \xdb\xdb https://www.imdb.com/title/tt0078748/")
    (film,) = plan_of(root, model).films
    assert film.left == "its NFO cannot be edited: f.nfo is neither XML nor the address of a page"


def test_the_wanted_precision_decides(tmp_path: Path, model: Predictor) -> None:
    root = tmp_path / "library"
    one_film(root, genre="Blue")
    plan = plan_of(root, model)
    assert plan.model.precision == 0.8
    assert [film.writes for film in plan.films] == [["Blue"]]
    (film,) = plan_of(root, model.deciding(precision=0.95)).films
    assert film.left == "no genre keeps the precision"  # Blue never does
    with pytest.raises(LibraryError, match="promises no precision"):
        plan_of(root, model.deciding(balanced=True))


def test_tags_are_for_films_with_genres_too_and_are_written_once(
    tmp_path: Path, model: Predictor
) -> None:
    root = tmp_path / "library"
    file = one_film(root, "<genre>Drama</genre>", "<tag>mine</tag>")
    assert plan_of(root, model, writes="tag").films[0].left == "has genres"
    with pytest.raises(LibraryError, match="never changed"):
        plan_of(root, model, every=True)
    apply_plan(plan_of(root, model, writes="tag", every=True), tmp_path / "journal")
    assert b"<tag>mine</tag>\n    <tag>keyart: Red</tag>\n</movie>" in file.read_bytes()
    (film,) = plan_of(root, model, writes="tag", every=True).films
    assert film.left == "has these tags"


def test_a_genre_with_a_slash_is_written_so_that_jellyfin_reads_one(
    tmp_path: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = content_of(model.bundle)
    vocabulary = Vocabulary(("Sci-Fi/Fantasy", "Green", "Blue"))
    folder = tmp_path_factory.mktemp("slash") / "bundle"
    write_bundle(folder, replace(content, vocabulary=vocabulary))
    root = tmp_path / "library"
    file = one_film(root)
    apply_plan(plan_of(root, load(folder, precision=0.8)), tmp_path / "journal")
    assert b"<genre>Sci-Fi &amp; Fantasy</genre>" in file.read_bytes()
    assert jellyfin(file.with_suffix(".mkv"), mixed=False).genres == ("Sci-Fi & Fantasy",)


def test_films_without_an_nfo_may_be_left_out(tmp_path: Path, model: Predictor) -> None:
    root = tmp_path / "library"
    one_film(root).unlink()
    (film,) = plan_of(root, model, create=False).films
    assert film.left == "its NFO cannot be edited: no NFO, and none is to be made"


def test_what_was_changed_since_the_plan_is_left_alone_and_listed(
    tmp_path: Path, model: Predictor
) -> None:
    root = tmp_path / "library"
    films = list(make_library(root, 6))
    plan = plan_of(root, model)
    edited = films[0].with_suffix(".nfo")
    edited.write_bytes(edited.read_bytes() + b"<!-- mine -->")
    films[1].with_name("movie.nfo").unlink()
    other = nfo(films[5].with_name("other.nfo"), FILM)
    second = films[3].with_name("movie.nfo")
    second.write_bytes(second.read_bytes().replace(b"Film", b"FILM"))
    state = contents(root)
    outcome = apply_plan(plan, tmp_path / "journal")
    assert outcome.done == 2
    assert dict(outcome.conflicts) == {
        "Film 000 (1950)": "Film 000 (1950)/Film 000 (1950).nfo: was changed after the plan was "
        "made",
        "Film 001 (1951)": "Film 001 (1951)/movie.nfo: is not there any more",
        "Film 003 (1953)": "Sets/Set 195/Film 003 (1953)/movie.nfo: was changed after the plan was "
        "made",
        "Film 005 (1955)": f"{other.parent.name}/{films[5].stem}.nfo: there is an NFO now, "
        "other.nfo",
    }
    changed = {name for name, data in contents(root).items() if state.get(name) != data}
    assert changed == {
        path.relative_to(root).as_posix()
        for path in (films[2].with_suffix(".nfo"), films[4].with_suffix(".nfo"))
    }


def test_undo_leaves_what_was_changed_since_alone(tmp_path: Path, model: Predictor) -> None:
    root, journal = tmp_path / "library", tmp_path / "journal"
    films = list(make_library(root, 6))
    before = contents(root)
    apply_plan(plan_of(root, model), journal)
    edited, created = films[0].with_suffix(".nfo"), films[5].with_suffix(".nfo")
    for file in (edited, created):
        file.write_bytes(file.read_bytes() + b"<!-- mine -->")
    kept = {file.relative_to(root).as_posix(): file.read_bytes() for file in (edited, created)}
    outcome = undo_changes(journal)
    assert {name for name, _ in outcome.conflicts} == set(kept)
    assert contents(root) == before | kept


def test_two_plans_in_one_journal_are_undone_one_after_the_other(
    tmp_path: Path, model: Predictor
) -> None:
    root, journal = tmp_path / "library", tmp_path / "journal"
    make_library(root, 6)
    before = contents(root)
    apply_plan(plan_of(root, model), journal)
    apply_plan(plan_of(root, model, writes="tag", every=True), journal)
    assert sum(b"keyart: " in data for data in contents(root).values()) == 7
    assert undo_changes(journal).whole
    assert contents(root) == before


def test_a_replaced_file_keeps_its_mode(tmp_path: Path, model: Predictor) -> None:
    root, journal = tmp_path / "library", tmp_path / "journal"
    file = one_film(root)
    file.chmod(0o640)
    apply_plan(plan_of(root, model), journal)
    assert file.stat().st_mode & 0o777 == 0o640
    undo_changes(journal)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files away")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path, model: Predictor) -> None:
    root = tmp_path / "library"
    file = one_film(root)
    os.chown(file, 1234, 5678)
    apply_plan(plan_of(root, model), tmp_path / "journal")
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 5678)


def test_a_file_that_cannot_be_written_is_listed_and_the_others_are_written(
    tmp_path: Path, model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "library"
    make_library(root, 6)
    plan = plan_of(root, model)
    renamed = os.replace

    def refuse(source: Path, target: Path) -> None:
        if "Film 002" in str(target):
            raise PermissionError(13, "no", str(target))
        renamed(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    outcome = apply_plan(plan, tmp_path / "journal")
    assert outcome.done == 5
    ((name, reason),) = outcome.failed
    assert name == "Film 002 (1952)"
    assert reason == "Flat/Film 002 (1952).nfo: permission denied"
    monkeypatch.undo()
    assert apply_plan(plan, tmp_path / "journal").done == 1


def test_no_plan_and_no_journal_writes_anything_else_than_genres_in_nfo_files(
    tmp_path: Path, model: Predictor
) -> None:
    root = tmp_path / "library"
    one_film(root)
    outside = nfo(tmp_path / "outside.nfo", FILM)
    plan = plan_of(root, model)
    lines = (tmp_path / "plan.jsonl").read_text()
    for old, new, reason in (
        (f"{FILM.name}/f.nfo", "../outside.nfo", "is no NFO in"),
        (f"{FILM.name}/f.nfo", str(outside), "is no NFO in"),
        (f"{FILM.name}/f.nfo", f"{FILM.name}/f.mkv", "is no NFO in"),
        ('"writes":["Red"]', '"writes":["<evil/>"]', "its plan is of another keyart"),
    ):
        assert old in lines
        (tmp_path / "bad.jsonl").write_text(lines.replace(old, new))
        state = contents(tmp_path)
        (conflict,) = apply_plan(tmp_path / "bad.jsonl", tmp_path / "journal").conflicts
        assert reason in conflict[1]
        assert contents(tmp_path).items() - state.items() <= {
            ("journal", (tmp_path / "journal").read_bytes())
        }
    (root / "link").symlink_to(tmp_path)
    (tmp_path / "bad.jsonl").write_text(lines.replace(f"{FILM.name}/f.nfo", "link/outside.nfo"))
    assert apply_plan(tmp_path / "bad.jsonl", tmp_path / "journal").conflicts
    assert apply_plan(plan, tmp_path / "journal").done == 1


def test_what_is_no_plan_or_a_damaged_one_is_refused_in_a_line(
    tmp_path: Path, model: Predictor
) -> None:
    root = tmp_path / "library"
    one_film(root)
    plan_of(root, model)
    text = (tmp_path / "plan.jsonl").read_text()
    first, second, _ = text.split("\n")
    for content, reason in (
        ("", "not a plan"),
        ("{}", "not a plan; keyart library plan makes one"),
        (first.replace('"keyart_plan":1', '"keyart_plan":9') + "\n", "written by a newer keyart"),
        (first + "\n", "has 0 of its 1 films"),
        (f"{first}\n{second[:-20]}\n", "plan.jsonl line 2"),
        (f"{first}\n{second.replace('scores', 'score')}\n", "line 2"),
        (f"{first}\n{second.replace('1950', 'true')}\n", "line 2"),
    ):
        (tmp_path / "plan.jsonl").write_text(content)
        with pytest.raises(LibraryError, match=re.escape(reason)) as error:
            read_plan(tmp_path / "plan.jsonl")
        assert "\n" not in str(error.value)
    with pytest.raises(LibraryError, match="no such file"):
        read_plan(tmp_path / "absent")


def test_a_torn_last_line_of_a_journal_is_tolerated_and_damage_is_not(
    tmp_path: Path, model: Predictor
) -> None:
    root, journal = tmp_path / "library", tmp_path / "journal"
    make_library(root, 6)
    before = contents(root)
    plan = plan_of(root, model)
    apply_plan(plan, journal)
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"path":"Film 0')
    assert apply_plan(plan, journal).already == 6
    assert journal.read_bytes() == whole
    journal.write_bytes(whole + b"\0" * 100)
    assert undo_changes(journal).whole
    assert contents(root) == before
    lines = whole.split(b"\n")
    journal.write_bytes(b"\n".join([lines[0], lines[1][:-9], *lines[2:]]))
    with pytest.raises(LibraryError, match="journal line 2: damaged"):
        undo_changes(journal)
    with pytest.raises(LibraryError, match="journal line 2: damaged"):
        apply_plan(plan, journal)
    journal.write_text("something of mine\n")
    with pytest.raises(LibraryError, match="not a journal"):
        apply_plan(plan, journal)
    assert journal.read_text() == "something of mine\n"


def test_a_journal_is_of_one_library(tmp_path: Path, model: Predictor) -> None:
    for name in ("one", "two"):
        one_film(tmp_path / name / "library")
    apply_plan(plan_of(tmp_path / "one" / "library", model), tmp_path / "journal")
    with pytest.raises(LibraryError, match=r"is the journal of .*one/library; choose another"):
        apply_plan(plan_of(tmp_path / "two" / "library", model), tmp_path / "journal")


# Applies a plan, killed at each step in turn: before it, or in the middle of a write.
# Looks whether each file is old or new; then applies again and undoes, or undoes at once.
KILLS = """
import os, signal, shutil, sys
from pathlib import Path
from keyart import files
from keyart.library.apply import apply_plan, undo_changes
from tests.tiny_library import contents

root, plan, journal, kept = map(Path, sys.argv[1:])
os.fsync = lambda handle: None
before = contents(root)
shutil.copytree(root, kept)
apply_plan(plan, journal)
after = contents(root)

def restore():
    shutil.rmtree(root)
    shutil.copytree(kept, root)
    journal.unlink(missing_ok=True)

def killed(step, when):
    left = step
    def counted(module, name):
        # A kill loses nothing that was written, synced or not; syncing takes its time.
        real = (lambda handle: None) if name == "fsync" else getattr(module, name)
        def call(*arguments, **options):
            nonlocal left
            left -= when == "before" or isinstance(arguments[-1], bytes)
            if left == 0 and when == "middle":
                real(*arguments[:-1], arguments[-1][: len(arguments[-1]) // 2])
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)
        setattr(module, name, call)
    for module, name in ((os, "fsync"), (os, "replace"), (os, "link"), (os, "write"),
                         (os, "open"), (os, "unlink"), (Path, "write_bytes"), (os, "ftruncate")):
        counted(module, name)

kills = 0
for when in ("before", "middle"):
    step = 0
    while True:
        step += 1
        restore()
        child = os.fork()
        if child == 0:
            killed(step, when)
            apply_plan(plan, journal)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if status == 0:
            break
        assert os.WIFSIGNALED(status), (when, step, status)
        kills += 1
        found = contents(root)
        for name, data in found.items():
            partial = name.endswith(".partial")
            assert partial or data in (before.get(name), after.get(name)), (when, step, name)
        assert before.keys() <= found.keys()
        if step % 2:
            assert apply_plan(plan, journal).whole
            assert contents(root) == after, (when, step)
        if journal.exists() and journal.read_bytes().count(b"\\n"):
            assert undo_changes(journal).whole
        if step % 2 or any(name.endswith(".nfo") and name not in before for name in found):
            assert contents(root) == before, (when, step)
        else:
            left = contents(root)
            assert {n: d for n, d in left.items() if not n.endswith(".partial")} == before
print(kills)
"""


def test_killed_anywhere_each_file_is_old_or_new_and_all_can_be_applied_and_undone(
    tmp_path: Path, model: Predictor
) -> None:
    root = tmp_path / "library"
    video(root / "A" / "a.mkv")
    paint(root / "A" / "poster.png", "Red")
    nfo(root / "A" / "a.nfo", FILM)
    nfo(root / "A" / "movie.nfo", FILM)
    parts(root, painted(4))
    video(root / "B" / "Bare (1999).mkv")
    paint(root / "B" / "poster.png", "Green")
    plan = plan_of(root, model)
    assert len(plan.changed) == 3
    arguments = [str(one) for one in (root, plan.path, tmp_path / "journal", tmp_path / "kept")]
    done = subprocess.run(
        [sys.executable, "-c", KILLS, *arguments],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30


def test_the_commands_plan_show_apply_and_undo(
    tmp_path: Path,
    model: Predictor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = partial(Commands(monkeypatch, capsys), "library")
    root, plan, journal = tmp_path / "library", tmp_path / "plan.jsonl", tmp_path / "journal.jsonl"
    films = list(make_library(root, 12))
    before = contents(root)
    done = run("plan", root, "--out", plan, "--model", model.bundle.path, "--precision", "0.8",
               "--csv", tmp_path / "plan.csv", "--html", tmp_path / "plan.html")  # fmt: skip
    assert done.status == 0, done.err
    assert "Film 000 (1950)  Red 100%" in done.out
    assert "genres for 11 of 12 films; nothing is written yet" in done.out
    assert "left      1: no genre keeps the precision" in done.out
    assert contents(root) == before
    with (tmp_path / "plan.csv").open(newline="") as file:
        rows = {row["title"]: row for row in csv.DictReader(file)}
    assert len(rows) == 12
    assert rows["Film 001"]["writes"] == "Green"
    assert rows["Film 009"]["left"] == "no genre keeps the precision"
    page = (tmp_path / "plan.html").read_text()
    assert page.count("<article>") == 11
    assert "&lt;genre&gt;Red&lt;/genre&gt;" in page
    shown = json.loads(run("show", plan, "--json").out)
    assert (shown["changed"], shown["genres"]["Red"]) == (11, 3)
    films[0].with_suffix(".nfo").write_text("<movie/>")
    done = run("apply", plan, "--journal", journal)
    assert done.status == 1
    assert "10 films written" in done.out
    assert "1 skipped: changed by somebody else" in done.err
    assert "Film 000 (1950): Film 000 (1950)/Film 000 (1950).nfo: was changed" in done.err
    done = run("undo", journal)
    assert done.status == 0
    assert "changes undone" in done.out
    assert sum(contents(root)[name] != data for name, data in before.items()) == 1
    wrong = run("plan", root, "--out", plan, "--all")
    assert wrong.status == 2
    assert "--all needs --as tag" in wrong.err
