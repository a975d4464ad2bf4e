"""training/images.py: which images are in which split, and what a leak is."""

import numpy as np
import numpy.typing as npt
import pytest

from keyart.catalog.catalog import Catalog
from keyart.demo.painted import paint_films
from keyart.errors import TrainingError
from keyart.training.images import choose_images

RARE = ("Western", "War")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("films")
    films = paint_films(120, folder)
    return Catalog.build(films, folder / "posters", folder / "catalog")


def rare(catalog: Catalog) -> npt.NDArray[np.bool_]:
    columns = [catalog.vocabulary.names.index(name) for name in RARE]
    return np.asarray(catalog.truth[:, columns].sum(1) > 0)


def test_by_default_the_splits_are_those_of_the_catalog(catalog: Catalog) -> None:
    splits = choose_images(catalog, "catalog", 0, (), 0)
    for split, images in splits.items():
        assert images.rows.tolist() == catalog.rows(split).tolist()
        assert not images.flipped.any()


def test_copies_are_mirrored_and_made_in_the_train_split_alone(catalog: Catalog) -> None:
    splits = choose_images(catalog, "catalog", 3, RARE, 0)
    rows = catalog.rows("train")
    copies = splits["train"].rows[splits["train"].flipped]
    assert sorted(copies) == sorted(np.repeat(rows[rare(catalog)[rows]], 3))
    assert len(copies) > 0
    assert not splits["validation"].flipped.any()
    assert not splits["test"].flipped.any()


def test_a_random_split_is_by_film_and_a_leaky_one_by_image(catalog: Catalog) -> None:
    honest = choose_images(catalog, "random", 3, RARE, 0)
    leaky = choose_images(catalog, "leaky", 3, RARE, 0)
    for splits, shared in ((honest, False), (leaky, True)):
        films = {split: set(images.rows.tolist()) for split, images in splits.items()}
        assert bool(films["train"] & films["test"]) is shared
    assert sum(map(len, leaky.values())) == len(catalog) + 3 * rare(catalog).sum()
    assert len(leaky["train"]) == round(0.6 * sum(map(len, leaky.values())))
    assert leaky["test"].flipped.any()


def test_another_seed_draws_another_split(catalog: Catalog) -> None:
    one, same, other = (choose_images(catalog, "random", 0, (), seed) for seed in (0, 0, 1))
    assert one["test"].rows.tolist() == same["test"].rows.tolist()
    assert one["test"].rows.tolist() != other["test"].rows.tolist()


def test_an_unknown_genre_is_named_with_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(TrainingError, match="no genre 'Westerm'; did you mean 'Western'"):
        choose_images(catalog, "catalog", 1, ("Westerm",), 0)
