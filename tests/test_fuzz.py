"""Mutated pictures, a few of the hundred thousand of `python -m benchmarks.fuzz pictures`."""

import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from benchmarks.fuzz import SLOWEST, mutate, seeds
from keyart.errors import PosterError
from keyart.images.spec import ImageSpec
from keyart.predictor import Predictor
from keyart.service.app import create_app
from keyart.service.limits import Limits
from tests.wire import RED

FIRST = 1_000_000  # other pictures than the benchmark's


def test_mutated_pictures_decode_or_are_said_to_be_none() -> None:
    originals = seeds()
    decoded = 0
    for number in range(FIRST, FIRST + 1_500):
        data = mutate(originals[number % len(originals)], originals, np.random.default_rng(number))
        began = time.process_time()
        with contextlib.suppress(PosterError):
            assert ImageSpec().prepare(data, Limits().pixels).shape == (176, 120, 3)
            decoded += 1
        assert time.process_time() - began < SLOWEST, f"picture {number}"
    assert 150 < decoded < 1_350


def test_mutated_pictures_never_break_the_service(
    tiny_predictor: Predictor, client_of: Callable[[FastAPI], AbstractContextManager[httpx.Client]]
) -> None:
    originals = seeds()
    statuses = set()
    with client_of(create_app(tiny_predictor)) as talking:
        for number in range(FIRST, FIRST + 400):
            rng = np.random.default_rng(number)
            data = mutate(originals[number % len(originals)], originals, rng)
            path = ("/v1/predictions", "/v1/explanations?genre=Red")[number % 2]
            statuses.add(talking.post(path, content=data).status_code)
        assert talking.post("/v1/predictions", content=RED).status_code == 200
    assert statuses == {200, 415, 422}


@pytest.mark.parametrize("number", range(18))
def test_every_seed_is_a_picture_before_it_is_mutated(number: int) -> None:
    assert len(seeds()) == 18
    ImageSpec().prepare(seeds()[number])
