"""images/folder.py: which files of a folder are posters, and what else it holds."""

import os
import re
from pathlib import Path

import pytest
from PIL import Image

from keyart.errors import PosterError
from keyart.images.folder import is_picture, no_pictures
from keyart.queries import find_films


@pytest.mark.parametrize(
    "name", ["a.JPG", "a.jfif", "a.jpe", "a.avif", "a.HEIC", "a.heif", "a.tif", "a.mpo"]
)
def test_a_picture_is_known_by_its_suffix(name: str) -> None:
    assert is_picture(Path(name))


@pytest.mark.parametrize("name", ["poster", "poster.0001", "Dr. No", "poster.jpg_large"])
def test_a_picture_without_a_known_suffix_is_known_by_its_first_bytes(
    tmp_path: Path, name: str
) -> None:
    Image.new("RGB", (20, 30)).save(tmp_path / name, "JPEG")
    assert is_picture(tmp_path / name)
    (tmp_path / name).write_text("notes")
    assert not is_picture(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "poster")
    assert not is_picture(tmp_path / "poster")


def test_a_folder_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.psd").write_bytes(b"8BPS")
    (tmp_path / "README").write_text("posters")
    message = (
        f"{tmp_path}: no pictures in this folder or below it, but 4 files of other kinds "
        "(.psd 3, no suffix 1)"
    )
    with pytest.raises(PosterError, match=re.escape(message)):
        list(find_films(tmp_path))


def test_of_many_kinds_the_five_most_frequent_are_named() -> None:
    files = [Path(f"{n}.{kind}") for kind in ("a", "b", "C", "d", "e", "f") for n in "123"]
    message = no_pictures(Path("x"), [*files, Path("4.c"), Path("4.F")])
    assert message.endswith("but 20 files of other kinds (.c 4, .f 4, .a 3, .b 3, .d 3, ...)")


@pytest.mark.parametrize(
    ("names", "end"),
    [([], "x: no files in this folder or below it"), (["a.txt"], "1 file of other kinds (.txt 1)")],
)
def test_no_file_and_a_single_one_are_named_in_good_english(names: list[str], end: str) -> None:
    assert no_pictures(Path("x"), map(Path, names)).endswith(end)
