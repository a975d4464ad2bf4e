"""Broken bundles and networks are refused in one line, in bounded time and memory."""

import json
import os
import re
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest

from keyart.bundle import BOX, read_bundle
from keyart.errors import BundleError
from keyart.graph import check_model
from keyart.known_networks import is_known
from keyart.manifest import FORMAT
from keyart.network import Network
from keyart.predictor import Predictor
from keyart.probe import probe
from keyart.reading import parse_json
from tests.hostile_models import BUNDLES, NETWORKS, forge, replace_network
from tests.tiny import SPEC, VOCABULARY, tiny_bundle, tiny_onnx

SECONDS = 2.0  # of a processor, this process and its children together
MEGABYTES = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle").path


def _seconds() -> float:
    return sum(os.times()[:4])


def refusal(folder: Path) -> str:
    """The one line with which a bundle is refused."""
    began, memory = _seconds(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError) as refused:
        Predictor.load(folder)
    line = str(refused.value)
    assert _seconds() - began < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024 < MEGABYTES
    assert "\n" not in line
    assert len(line) < 600 + len(str(folder))
    assert folder.name in line, "it names what it refuses"
    return line


def test_there_are_enough_of_them() -> None:
    assert len(BUNDLES) >= 40
    assert len(NETWORKS) >= 20


REASONS = {
    "height is 10^9": "image height: expected an integer from 1 to 2,048, got 1000000000",
    "threshold is NaN": "has NaN, which is not a number of JSON",
    "genre twice but for case": "listed twice",
    "file above the folder": r"'\.\./outside' is not a file of a bundle",
    "unlisted file": r"bundle: 'more\.bin' is not listed in keyart\.json; remove it",
    "network is a FIFO": r"model\.onnx: cannot be used: is a device or a pipe",
    "manifest is a link": r"keyart\.json: cannot be read \(is a symbolic link",
    "ensemble that holds itself": "0: missing from the bundle, or not a folder",
    "ensembles nested 100 deep": "an ensemble in more than 4 others",
    "data outside, relative": "keeps data in another file",
    "endless loop": "has the operator 'Loop'; only plain graphs",
    "function that calls itself": "has functions",
    "operator of another domain": "of the domain 'other.domain'",
    "tensor of 16 GiB without data": "a tensor of 4294967296 without the numbers",
    "input of another dtype": "the network's input is not pixels, uint8",
    "the first row alone": r"answers 2 posters with \(1, 3\)",
    "two rows for a poster": r"answers 2 posters with \(4, 3\)",
    "NaN": "with NaN or infinity",
    "the same for every poster": "a logit of .* where .* was written",
    "another network": "a logit of .* where .* was written",
    "endless products": r"takes more than 1\.0 s or 2,04. MiB",
}


def test_every_reason_is_of_a_case() -> None:
    assert REASONS.keys() <= BUNDLES.keys() | NETWORKS.keys()


@pytest.mark.parametrize("name", BUNDLES)
def test_a_broken_bundle_is_refused_in_one_line(folder: Path, name: str) -> None:
    BUNDLES[name](folder)
    line = refusal(folder)
    assert re.search("export|remove it|upgrade|average the runs", line), "it says what to do"
    assert re.search(REASONS.get(name, ""), line)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_broken_network_is_refused_in_one_line(folder: Path, name: str) -> None:
    replace_network(folder, NETWORKS[name]())
    line = refusal(folder)
    assert re.search("export|smaller", line), "it says what to do"
    assert re.search(REASONS.get(name, ""), line)


def test_a_bundle_from_elsewhere_is_tried_out_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    run = subprocess.run

    def counted(*arguments: object, **options: object) -> object:
        started.append(arguments)
        return run(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    Predictor.load(folder)
    assert not started, "it was written here"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another-user"))
    first = Predictor.load(folder)
    again = Predictor.load(folder)
    assert len(started) == 1
    assert is_known(again.bundle.onnx_sha256)
    poster = np.full((90, 60, 3), 200, np.uint8)
    assert first.predict(poster).scores == again.predict(poster).scores
    Predictor.load(BOX)
    assert len(started) == 1, "the box is a part of keyart"


def test_a_cache_that_cannot_be_written_refuses_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Predictor.load(folder).genres == VOCABULARY.names


def test_a_bundle_carries_the_answers_to_two_posters(folder: Path) -> None:
    carried = read_bundle(folder).probe
    assert np.array_equal(carried, probe(Network(tiny_onnx()), SPEC, 3))
    assert np.ptp(carried, axis=0).min() > 0.1, "two that differ"


@pytest.mark.parametrize(("drift", "refused"), [(1e-3, False), (0.1, True)])
def test_the_answers_may_differ_as_processors_do(folder: Path, drift: float, refused: bool) -> None:
    manifest = json.loads((folder / "keyart.json").read_text())
    manifest["probe"][1][2] += drift
    forge(folder, manifest)
    if refused:
        assert "a known poster with a logit of" in refusal(folder)
    else:
        Predictor.load(folder)


def test_a_format_that_is_too_old_is_refused_in_one_line(folder: Path) -> None:
    manifest = json.loads((folder / "keyart.json").read_text())
    forge(folder, {**manifest, "format": 2})
    assert f"format 2, of an older keyart; this one reads formats 3 to {FORMAT}" in refusal(folder)


def test_hidden_files_of_desktops_are_left_alone(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    Predictor.load(folder)


def test_every_cut_of_a_network_is_refused_before_the_runtime_sees_it() -> None:
    onnx = tiny_onnx()
    check_model(onnx)
    for length in range(len(onnx) - 20):
        with pytest.raises((ValueError, IndexError)):
            check_model(onnx[:length])


@pytest.mark.parametrize("levels", [30, 40])
def test_json_may_have_few_levels(levels: int) -> None:
    text = b"[" * levels + b"]" * levels
    if levels < 32:
        parse_json(text)
    else:
        with pytest.raises(ValueError, match="levels"):
            parse_json(text)
