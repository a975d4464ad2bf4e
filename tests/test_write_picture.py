"""images/write.py: a picture is what its name says."""

from pathlib import Path

import pytest
from PIL import Image

from keyart.errors import OutputError
from keyart.images.write import write_picture
from tests.tiny_catalog import poster


@pytest.mark.parametrize(
    ("name", "format"),
    [("x.png", "PNG"), ("x.JPG", "JPEG"), ("x.y.jpeg", "JPEG"), ("x.webp", "WEBP")],
)
def test_the_suffix_of_a_picture_decides_its_format(tmp_path: Path, name: str, format: str) -> None:
    write_picture(tmp_path / name, poster(1))
    with Image.open(tmp_path / name) as image:
        assert image.format == format
        assert image.size == poster(1).size
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["x", "x.pdf", "png", ".png"])
def test_a_name_that_says_no_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError) as caught:
        write_picture(tmp_path / name, poster(1))
    assert str(caught.value) == (
        f"{tmp_path / name}: cannot be written in this format; "
        "end the name in .png, .jpg, .jpeg or .webp"
    )
    assert not any(tmp_path.iterdir())
