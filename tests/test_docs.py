"""The pages are true: their code runs, their links lead somewhere, their examples are read."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from PIL import Image
from typer.core import TyperGroup

import keyart
from keyart.catalog.films_table import read_films
from keyart.cli import app
from keyart.genres import DEFAULT_VOCABULARY, Vocabulary
from scripts.examples import Session, examples, shown

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _smaller(code: str) -> str:
    """A page's command on fewer films and smaller pictures; all else stays."""
    code = code.replace("--films 400", "--films 80")
    if code.startswith("keyart train") and "--recipe demo" in code:
        code += " --set epochs=2 --set height=48 --set width=32"
    return code


def _masked(line: str) -> str:
    """A line without what may differ between two machines or sizes: numbers, bars and genres."""
    names = "|".join(map(re.escape, (*DEFAULT_VOCABULARY.names, "unsure", "maybe")))
    line = re.sub(rf"(?:{names})(?:[ ,·|]+(?:{names}))*", "GENRES", line)
    line = re.sub(r"(?:mostly )?from (?:the|nowhere) .*", "from SOMEWHERE", line)
    # Words with digits: numbers, hashes, and JSON, which is one long word.
    return re.sub(r"\S*\d\S*", "#", " ".join(re.sub(r"[━─┃]+", " ", line).split()))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The folder in which the pages are followed, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "88")
        patch.setenv("NO_COLOR", "1")
        followed = Session(tmp_path_factory.mktemp("pages"), change=_smaller)
        yield followed
        followed.close()


@pytest.mark.parametrize(
    "page", ["README.md", "docs/index.md", "docs/tutorial.md", "docs/python.md"]
)
def test_the_code_of_a_page_runs_and_prints_what_the_page_shows(
    session: Session, page: str
) -> None:
    text = _text(page)
    if page == "README.md":
        Image.new("RGB", (200, 300), "navy").save(session.folder / "alien.jpg")
    found = list(examples(text))
    assert found
    for example in found:
        program = example.code.split()[0]
        if example.language == "console" and program != "keyart" and not shutil.which(program):
            continue
        actual = {_masked(line) for line in session.run(example).splitlines()}
        documented = text[example.start : example.stop] if example.start is not None else ""
        for line in documented.splitlines()[:1]:
            assert _masked(line) in actual, example.code


def _commands(text: str) -> Iterator[str]:
    """Every `keyart ...` of a page: in its blocks, and within a sentence."""
    text = text.replace("\\\n", " ")
    for block in _FENCED.findall(text):
        prompt = r"\$ " if block.startswith("```console") else ""
        yield from re.findall(rf"^{prompt}(keyart [a-z].*)$", block, re.MULTILINE)
    inline = re.findall(r"`(keyart [a-z][^`]*)`", _FENCED.sub("", text))
    yield from (" ".join(command.split()) for command in inline)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_of_a_page_exists(page: Path) -> None:
    for line in _commands(page.read_text(encoding="utf-8")):
        command = typer.main.get_command(app)
        words = line.partition("  #")[0].split()[1:]
        while isinstance(command, TyperGroup):
            assert words, line
            assert words[0] in command.commands, line
            command, words = command.commands[words[0]], words[1:]
        options = {name for param in command.params for name in param.opts}
        assert {word for word in words if word.startswith("--")} <= {*options, "--help"}, line


def test_every_link_of_the_pages_leads_to_a_file() -> None:
    for page in PAGES:
        text = _FENCED.sub("", page.read_text(encoding="utf-8"))
        for target in _LINK.findall(text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_builds_without_a_dead_link_and_asks_no_other_host(tmp_path: Path) -> None:
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.onnx"))
    for file in [*ROOT.glob("*.md"), ROOT / "zensical.toml"]:
        shutil.copy(file, tmp_path)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").glob("*.html")]
    assert len(pages) > 15
    for html in pages:
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]* src=\"?([^\s\">]+)", html)
        loaded += re.findall(r"<link[^>]* rel=\"?(?:stylesheet|preconnect)[^>]*>", html)
        assert loaded
        assert not [place for place in loaded if "://" in place]
        assert "::: " not in html
        assert "&amp;#x27;" not in html


def test_the_python_page_describes_every_public_name() -> None:
    described = set(re.findall(r"^::: (\S+)", _text("docs/python.md"), re.MULTILINE))
    assert described == {f"{home}.{name}" for name, home in keyart._HOMES.items()}


@pytest.mark.parametrize(
    ("name", "content"),
    re.findall(
        r'^```\w+ title="(\S+\.(?:csv|tsv|jsonl))"\n(.*?)^```$', _text("docs/data.md"), re.M | re.S
    ),
)
def test_every_table_of_the_data_page_is_read(name: str, content: str, tmp_path: Path) -> None:
    table = tmp_path / name
    table.write_text(content, encoding="utf-8")
    films, notes = read_films(table, DEFAULT_VOCABULARY)
    assert not notes
    assert len(films) == 2
    for film in films:
        assert film.film_id
        assert not film.problem
        resolved = [DEFAULT_VOCABULARY.resolve(genre) for genre in film.genres]
        assert len(resolved) >= 2
        assert all(resolved)
        assert film.poster or not name.startswith(("tmdb", "flags"))


def test_the_vocabulary_of_the_data_page_is_read(tmp_path: Path) -> None:
    found = re.search(
        r'^```text title="genres.txt"\n(.*?)^```$', _text("docs/data.md"), re.M | re.S
    )
    assert found
    (tmp_path / "genres.txt").write_text(found[1], encoding="utf-8")
    vocabulary = Vocabulary.read(tmp_path / "genres.txt")
    assert vocabulary.names == ("Sci-Fi", "Drama", "Horror", "Heist")
    assert vocabulary.resolve("SF") == ("Sci-Fi",)


def test_the_data_page_has_a_remedy_for_every_rejection(tmp_path: Path) -> None:
    posters = tmp_path / "posters"
    posters.mkdir()
    for name in "ABCDEF":  # noise, so that none is a near-duplicate of another
        Image.effect_noise((200, 300), 90).convert("RGB").save(posters / f"{name}.jpg")
    (posters / "empty.jpg").write_bytes(b"")
    (posters / "text.jpg").write_text("<html>", encoding="utf-8")
    (posters / "damaged.jpg").write_bytes((posters / "A.jpg").read_bytes()[:-4000])
    Image.new("RGB", (8, 12)).save(posters / "small.jpg")
    Image.new("F", (20, 30)).save(posters / "float.tiff")
    broken = ("empty", "text", "damaged", "small", "float", "gone")
    rows = [
        *([name, "T", "2000", "Drama"] for name in ("A", "B", "C", "D", "E", *broken)),
        ["", "no id", "2000", "Drama"],
        ["none", "T", "2000", ""],
        ["odd", "T", "2000", "Biography"],
        ["A", "again", "2000", "Drama"],
        ["F", "T", "2000", "Drama"],
        ["F", "T", "2000", "Comedy"],
        ["many", "T", "2000", "Drama", "x"],
    ]
    for row in rows:  # films whose poster is not planned would be no rejections
        row[4:4] = [f"{row[0]}.jpg"] if row[0] in ("gone", "none", "odd") else [""]
    for name in ("none", "odd"):
        shutil.copy(posters / "F.jpg", posters / f"{name}.jpg")
    with (tmp_path / "films.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["film_id", "title", "year", "genres", "poster"], *rows])
    catalog = keyart.Catalog.build(tmp_path / "films.csv", posters, tmp_path / "catalog")
    (tmp_path / "films.csv").write_text("film_id,genres\nB,Drama\nC,Comedy\n", encoding="utf-8")
    catalog = catalog.grow(tmp_path / "films.csv", posters)
    documented = re.findall(r"^\| `(.+?)` \|", _text("docs/data.md"), re.M)
    patterns = [
        re.sub(r"\d+", r"[\\d,]+", re.escape(reason)).replace("…", ".+") for reason in documented
    ]
    reasons = [rejection.reason for rejection in catalog.rejections()]
    assert len(reasons) >= 14
    for reason in reasons:
        assert any(re.fullmatch(pattern, reason) for pattern in patterns), reason


def test_the_notebook_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "docs" / "tutorial.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.source = cell.source.replace("films=150", "films=80").replace("epochs=3", "epochs=1")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(printed) >= 3


def test_shown_output_is_cut_if_the_page_asks_for_it() -> None:
    assert shown("\na  \nb\nc\n", 2) == "a\nb\n...\n"
    assert shown("a\nb\n", None) == "a\nb\n"
