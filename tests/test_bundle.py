"""bundle.py: what was written is read back, and anything else is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from keyart.bundle import read_bundle
from keyart.errors import BundleError
from keyart.evidence import POSTER
from keyart.manifest import FORMAT, MANIFEST, digest_of
from keyart.predictor import Predictor
from tests.tiny import SPEC, VOCABULARY, tiny_bundle
from tests.tiny_titles import titled_bundle


def test_a_bundle_reads_back_as_written(tmp_path: Path) -> None:
    written = tiny_bundle(tmp_path / "b")
    read = read_bundle(tmp_path / "b")
    assert read.vocabulary.names == VOCABULARY.names
    assert read.spec == SPEC
    assert read.thresholds.tolist() == [0.5, 0.5, 0.9]
    assert read.calibration == written.calibration
    assert read.provenance == {"name": "tiny"}
    assert read.card == "# A tiny model\n"
    names = sorted(file.name for file in (tmp_path / "b").iterdir())
    assert names == ["MODEL_CARD.md", "keyart.json", "model.onnx", "model.safetensors"]


def test_equal_bundles_have_equal_fingerprints(tmp_path: Path) -> None:
    assert tiny_bundle(tmp_path / "a").fingerprint == tiny_bundle(tmp_path / "b").fingerprint


def test_a_bundle_is_never_written_over(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match="already exists"):
        tiny_bundle(tmp_path / "b")


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "MODEL_CARD.md"])
def test_any_changed_byte_is_noticed(tmp_path: Path, name: str) -> None:
    file = tiny_bundle(tmp_path / "b").path / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: changed"):
        read_bundle(tmp_path / "b")


def test_every_changed_byte_of_the_manifest_is_noticed_or_means_the_same(tmp_path: Path) -> None:
    file = tiny_bundle(tmp_path / "b").path / "keyart.json"
    before = file.read_bytes()
    noticed: list[str] = []
    for place in range(0, len(before), 7):
        changed = bytearray(before)
        changed[place] ^= 1
        file.write_bytes(changed)
        try:
            read_bundle(tmp_path / "b")
        except BundleError as error:
            noticed.append(str(error))
        else:
            assert json.loads(changed) == json.loads(before)
    assert len(noticed) > len(before) / 7 / 2
    assert all("\n" not in message for message in noticed)


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "MODEL_CARD.md"])
def test_a_missing_or_cut_file_is_named(tmp_path: Path, name: str) -> None:
    file = tiny_bundle(tmp_path / "b").path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BundleError, match=f"{name}: .* bytes where"):
        read_bundle(tmp_path / "b")
    file.unlink()
    with pytest.raises(BundleError, match=f"{name}: missing"):
        read_bundle(tmp_path / "b")


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    file = tiny_bundle(tmp_path / "b").path / "keyart.json"
    manifest = json.loads(file.read_text())
    file.write_text(json.dumps({**manifest, "format": FORMAT + 1}))
    with pytest.raises(BundleError, match="upgrade keyart"):
        read_bundle(tmp_path / "b")


def test_a_bundle_of_format_3_is_read_as_balanced(tmp_path: Path) -> None:
    folder = titled_bundle(tmp_path / "titled").path
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["precision"], manifest["typical"], manifest["genre_sets"]
    for plain in manifest["evidence"].values():
        del plain["sets_weight"], plain["precision_thresholds"]
    manifest["format"] = 3
    manifest["digest"] = digest_of(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    model = Predictor.load(folder)
    assert model.bundle.precision is None
    for evidence in (POSTER, ("title",)):
        own = model.bundle.decisions_for(evidence)
        assert not own.precision_thresholds
        np.testing.assert_array_equal(own.predicting, own.thresholds)
    film = model.predict(np.zeros((60, 40, 3), np.uint8), title="Moon")
    assert (film.maybe, film.warning) == ((), "")
    with pytest.raises(BundleError, match="cannot promise a precision"):
        Predictor.load(folder, precision=0.8)


def test_anything_but_a_bundle_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder; give a run or a bundle"):
        read_bundle(tmp_path / "none")
    with pytest.raises(BundleError, match="has no keyart"):
        read_bundle(tmp_path)
    (tmp_path / "keyart.json").write_text("[]")
    with pytest.raises(BundleError, match="not a keyart manifest"):
        read_bundle(tmp_path)
