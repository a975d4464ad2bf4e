"""near_duplicates.py and catalog/groups.py: the same artwork is found, a like layout is not."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from keyart.catalog.groups import join_groups
from keyart.hamming import Hashes
from keyart.near_duplicates import (
    LEAST_LIKENESS,
    RADIUS,
    Thumbnails,
    near_pairs,
    poster_hash,
    thumbnail,
)
from tests.tiny_catalog import encoded, poster


def hashed(images: list[Image.Image]) -> tuple[Hashes, Thumbnails]:
    pixels = [np.asarray(image.convert("RGB")) for image in images]
    hashes = np.array([poster_hash(rgb) for rgb in pixels], np.uint64)
    return hashes, np.stack([thumbnail(rgb) for rgb in pixels])


def pairs(images: list[Image.Image], since: int = 0) -> list[tuple[int, int]]:
    found = near_pairs(*hashed(images), since=since)
    return sorted((int(first), int(second)) for first, second in found)


def drawn(seed: int, size: tuple[int, int] = (240, 360)) -> Image.Image:
    """A poster with edges: coloured shapes on a smooth ground."""
    random = np.random.default_rng(seed)
    image = poster(seed, size)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        left, top = random.uniform(0, 0.7, 2)
        box = (left, top, left + random.uniform(0.1, 0.3), top + random.uniform(0.1, 0.3))
        colour = tuple(random.integers(0, 256, 3).tolist())
        draw.rectangle([side * edge for side, edge in zip(box, size * 2, strict=True)], colour)
    return image


def recompressed(image: Image.Image) -> Image.Image:
    return Image.open(io.BytesIO(encoded(image, "JPEG", quality=25)))


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((2, 3, width - 2, height - 4))


@pytest.mark.parametrize(
    "copy",
    [
        lambda image: image.resize((144, 216)),
        lambda image: image.resize((500, 741)),
        recompressed,
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: ImageEnhance.Contrast(image).enhance(0.8),
        cropped,
        lambda image: image.convert("P"),
    ],
    ids=["smaller", "larger", "recompressed", "darker", "paler", "cropped", "palette"],
)
def test_the_same_artwork_is_found(copy: Callable[[Image.Image], Image.Image]) -> None:
    images = [drawn(seed) for seed in range(12)]
    assert pairs(images + [copy(image) for image in images]) == [(n, n + 12) for n in range(12)]


def test_posters_of_one_layout_in_other_colours_are_not_one_artwork() -> None:
    layout = Image.new("L", (240, 360), 10)
    draw = ImageDraw.Draw(layout)
    draw.ellipse((60, 50, 180, 200), 200)
    draw.rectangle((20, 300, 220, 340), 230)
    tops = ["#ffd060", "#ff80a0", "#80ffff", "#c0b0ff", "#b0ff80"]
    grounds = ["#101060", "#105010", "#601010", "#404000", "#400040"]
    images = [
        Image.composite(
            Image.new("RGB", layout.size, top), Image.new("RGB", layout.size, ground), layout
        )
        for top, ground in zip(tops, grounds, strict=True)
    ]
    hashes, thumbnails = hashed(images)
    # The hash alone would take them for one.
    assert np.bitwise_count(hashes[:, None] ^ hashes[None, :]).max() <= RADIUS
    assert len(near_pairs(hashes, thumbnails)) == 0


@pytest.mark.parametrize(("bits", "count"), [(0, 1), (12, 1), (13, 0)])
def test_like_colours_alone_are_not_one_artwork(bits: int, count: int) -> None:
    _, (thumb,) = hashed([poster(0)])
    hashes = np.array([0, 2**bits - 1], np.uint64)
    assert len(near_pairs(hashes, np.stack([thumb, thumb // 2]))) == count


def test_posters_of_one_colour_are_like_their_exact_copies_alone() -> None:
    for one, other in (("white", "#fefefe"), ("#c80a0a", "#be0a0a")):
        plain = [Image.new("RGB", (60, 90), colour) for colour in (one, other, one)]
        assert pairs(plain) == [(0, 2)]


def test_a_thousand_copies_make_a_thousand_pairs_and_no_more() -> None:
    hashes, thumbnails = hashed([poster(0), poster(1)])
    found = near_pairs(np.repeat(hashes, 1_000), np.repeat(thumbnails, 1_000, axis=0))
    assert len(found) == 2 * 999


def connected(count: int, links: npt.NDArray[np.int64]) -> set[frozenset[int]]:
    home = {number: frozenset([number]) for number in range(count)}
    for first, second in links.tolist():
        both = home[first] | home[second]
        home |= dict.fromkeys(both, both)
    return set(home.values())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 7), st.data())
def test_blocks_and_shortcuts_connect_what_comparing_all_pairs_connects(
    seed: int, count: int, block: int, data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, 5, dtype=np.uint64)[random.integers(0, 5, count)]
    hashes ^= np.uint64(1) << random.integers(0, 20, count, dtype=np.uint64)
    thumbnails = random.integers(0, 256, (4, 12, 8, 3), dtype=np.uint8)[
        random.integers(0, 4, count)
    ]
    since = data.draw(st.integers(0, count))
    flat = thumbnails.reshape(count, 12 * 8 * 3).astype(float)
    all_pairs = [
        (first, second)
        for second in range(count)
        for first in range(second)
        if int(hashes[first] ^ hashes[second]).bit_count() <= RADIUS
        and np.corrcoef(flat[first], flat[second])[0, 1] >= LEAST_LIKENESS
    ]
    with pytest.MonkeyPatch.context() as patch:
        if data.draw(st.booleans()):  # bands even for a few hashes
            patch.setattr("keyart.hamming._SWITCH", 0)
            patch.setattr("keyart.hamming._JOIN", 0)
        patch.setattr("keyart.near_duplicates._LATER", block)
        patch.setattr("keyart.near_duplicates._EARLIER", 2 * block)
        patch.setattr("keyart.near_duplicates._CANDIDATES", 3)
        patch.setattr("keyart.near_duplicates._SEVERAL", data.draw(st.sampled_from([1, 2, 64])))
        found = near_pairs(hashes, thumbnails, since=since)
    assert set(map(tuple, found.tolist())) <= {pair for pair in all_pairs if pair[1] >= since}
    # What old posters have in common was seen when they came.
    old = [pair for pair in all_pairs if pair[1] < since]
    links = np.array([*old, *found.tolist()], np.int64).reshape(-1, 2)
    expected = np.array(all_pairs, np.int64).reshape(-1, 2)
    assert connected(count, links) == connected(count, expected)


def joined(
    film_ids: list[str],
    links: list[tuple[int, int]],
    old: list[tuple[str, str]] | None = None,
    stems: Sequence[str] | None = None,
) -> tuple[list[str | None], list[tuple[str, str]]]:
    """old: the group and split of each old film. stems: of all films, old ones first."""
    old = old or []
    groups, rejections = join_groups(
        film_ids,
        np.array(links, np.int64).reshape(-1, 2),
        stems=stems or [""] * (len(old) + len(film_ids)),
        given=[group for group, _ in old],
        splits=dict(old),
    )
    return groups, [(one.film_id, one.reason) for one in rejections]


def test_a_group_is_named_after_its_first_film() -> None:
    assert joined(list("abcde"), [(0, 3), (1, 4)])[0] == ["a", "b", "c", "a", "b"]


def test_groups_that_a_later_film_connects_become_one() -> None:
    assert joined(list("abcde"), [(0, 2), (1, 3), (2, 4), (3, 4)])[0] == ["a"] * 5


def test_a_new_film_joins_the_group_of_an_old_one() -> None:
    old = [("x", "train"), ("y", "test")]
    groups, rejections = joined(list("abc"), [(1, 2), (2, 4)], old)
    assert groups == ["y", "b", "y"]
    assert rejections == []


def test_only_the_film_that_bridges_two_splits_is_rejected() -> None:
    old = [("x", "train"), ("y", "test")]
    groups, rejections = joined(list("abc"), [(0, 2), (1, 3), (2, 4), (3, 4)], old)
    assert groups == ["x", "y", None]
    reason = "its poster is a near-duplicate of films in two splits: y (test) and x (train)"
    assert rejections == [("c", reason)]


def test_films_of_one_series_are_one_group() -> None:
    assert joined(list("abcd"), [], stems=["saw", "up", "saw", ""])[0] == ["a", "b", "a", "d"]
    assert joined(list("ab"), [], stems=["", ""])[0] == ["a", "b"]
    # By way of a poster: c is b's near-duplicate and of a's series.
    assert joined(list("abc"), [(1, 2)], stems=["saw", "up", "saw"])[0] == ["b"] * 3


def test_a_new_film_joins_the_series_of_an_old_one() -> None:
    old = [("x", "train"), ("y", "test")]
    assert joined(list("ab"), [(2, 3)], old, ["up", "saw", "saw", "it"])[0] == ["y", "y"]


def test_a_series_in_two_splits_grows_in_the_first_of_them() -> None:
    """As in a catalog that was split without series: no other split gets to know it."""
    old = [("x", "test"), ("y", "validation"), ("z", "train")]
    assert joined(["a"], [], old[:2], ["saw", "saw", "saw"]) == (["y"], [])
    assert joined(["a"], [], old, ["saw", "saw", "saw", "saw"]) == (["z"], [])
    # Its poster decides, if its series is there anyway.
    assert joined(["a"], [(0, 3)], old, ["saw", "saw", "saw", "saw"]) == (["x"], [])


def test_a_film_between_its_posters_split_and_its_series_split_is_rejected() -> None:
    old = [("x", "train"), ("y", "test")]
    groups, rejections = joined(list("ab"), [(0, 2), (2, 3)], old, ["up", "saw", "saw", ""])
    assert groups == [None, None]  # b may be an exact copy of a
    reason = (
        "its poster and its series are in two splits: a near-duplicate in x (train), its series in "
        "y (test)"
    )
    assert rejections == [("a", reason), ("b", reason)]


@given(st.data())
def test_no_film_leaks_however_a_catalog_grows(data: st.DataObject) -> None:
    """Oracle: what is linked by poster or stem is in one split, unless it was in two before."""
    count = data.draw(st.integers(1, 12))
    before = data.draw(st.integers(0, count))
    stems = data.draw(
        st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=count, max_size=count)
    )
    links = data.draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=8)
    )
    links = sorted({(min(link), max(link)) for link in links if max(link) > min(link)})
    split = st.sampled_from(["train", "validation", "test"])
    old_splits = data.draw(st.lists(split, min_size=before, max_size=before))
    old = [(f"old-{row}", name) for row, name in enumerate(old_splits)]
    new = [f"new-{row}" for row in range(before, count)]
    later = [link for link in links if link[1] >= before]
    groups, rejections = joined(new, later, old, stems)

    assert len(groups) == len(new)
    refused = [film for film, group in zip(new, groups, strict=True) if group is None]
    assert [film for film, _ in rejections] == refused
    # A group that is dealt may go anywhere: each gets a place of its own.
    place = dict(old)
    where = [name for _, name in old] + [place.get(group or "", group) for group in groups]
    for first, second in later:
        assert where[first] == where[second] or None in (where[first], where[second])
    for name in "abc":
        rows = [row for row in range(count) if stems[row] == name]
        known = {where[row] for row in rows if row < before}
        found = {where[row] for row in rows} - {None}
        assert found <= known if known else len(found) <= 1


def test_an_exact_copy_of_a_rejected_poster_is_rejected_too() -> None:
    # near_pairs pairs a copy with its original alone, so what the original is near to counts.
    old = [("x", "train"), ("y", "test")]
    groups, rejections = joined(list("abc"), [(0, 2), (1, 2), (2, 3), (2, 4)], old)
    assert groups == [None, None, None]
    assert len({reason for _, reason in rejections}) == 1


def test_a_film_between_two_groups_of_one_split_joins_the_first_and_both_keep_their_names() -> None:
    old = [("x", "train"), ("y", "train")]
    assert joined(["a", "b"], [(0, 2), (1, 2), (1, 3)], old) == (["x", "y"], [])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_near_pair_is_ever_in_two_splits(seed: int) -> None:
    random = np.random.default_rng(seed)
    old = [(f"g{group}", ("train", "validation", "test")[group % 3]) for group in range(5)]
    new = 8
    links = [
        (first, second)
        for second in range(len(old), len(old) + new)
        for first in range(second)
        if random.random() < 0.12
    ]
    groups, rejections = joined([f"n{number}" for number in range(new)], links, old)
    everyone = [group for group, _ in old] + groups
    splits = dict(old)
    for first, second in links:
        one, other = everyone[first], everyone[second]
        if one is None or other is None:
            continue
        assert splits.get(one, one) == splits.get(other, other)
    assert len(rejections) == groups.count(None)
