"""Sentence encoders: titles to vectors, a head on them, and bundles that hold them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from keyart.bundle import content_of, read_bundle, write_bundle
from keyart.calibration import sigmoid
from keyart.catalog.row_store import RowStore
from keyart.errors import BundleError, MissingExtraError, WeightsError
from keyart.evaluation import title_vectors
from keyart.evaluation.title_vectors import keep_vectors
from keyart.manifest import digest_of
from keyart.predictor import Predictor
from keyart.text_encoder import TextEncoder, find_encoder
from keyart.title_model import TextHead
from keyart.training.title_head import fit_head
from keyart.trial import try_out
from tests.tiny_encoder import write_encoder
from tests.tiny_titles import titled_bundle

WORDS = {
    "blood": (1, 0, 0),
    "gore": (1, 0, 0),
    "kiss": (0, 1, 0),
    "the": (0, 0, 1),
    "q:": (0, 0, 4),
}
# Red for blood and gore, Green for a kiss.
HEAD = np.array([[2, -1, 0], [-1, 2, 0], [0, 0, 0.5], [0, 0, 0]], np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoders") / "words", WORDS)


@pytest.fixture(scope="module")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bundles")
    plain = content_of(titled_bundle(place / "plain"))
    assert plain.films is not None
    titles = replace(plain.films.titles, text=TextHead(find_encoder(str(folder)), HEAD))
    write_bundle(place / "read", replace(plain, films=replace(plain.films, titles=titles)))
    return place / "read"


def unit(*numbers: float) -> list[float]:
    return list(np.array(numbers) / np.linalg.norm(numbers))


def test_a_title_is_the_mean_of_its_tokens_with_length_1(folder: Path, tmp_path: Path) -> None:
    encoder = find_encoder(str(folder))
    titles = ["Kiss, The", "gore", "Blood kiss (Gore)", "kiss the blood"]
    expected = [unit(0, 1, 1), unit(1, 0, 0), unit(2, 1, 0), unit(1, 1, 1)]
    assert encoder.vectors(titles) == pytest.approx(np.array(expected), abs=1e-6)
    for title, vector in zip(titles, expected, strict=True):
        assert find_encoder(str(folder)).vectors([title])[0] == pytest.approx(vector, abs=1e-6)
    whole = write_encoder(tmp_path / "whole", WORDS, "sentence_embedding")
    (tmp_path / "whole" / "onnx").mkdir()
    shutil.move(whole / "model.onnx", whole / "onnx" / "model.onnx")
    assert find_encoder(str(whole)).vectors(titles) == pytest.approx(np.array(expected), abs=1e-6)


def test_a_prompt_stands_before_each_title(folder: Path) -> None:
    (vector,) = find_encoder(str(folder), "the the the ").vectors(["kiss"])
    assert vector == pytest.approx(unit(0, 1, 3), abs=1e-6)


def test_a_vector_is_computed_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    compute = TextEncoder.compute

    def counted(self: TextEncoder, texts: Sequence[str]) -> np.ndarray:
        computed.extend(texts)
        return compute(self, texts)

    monkeypatch.setattr(TextEncoder, "compute", counted)
    encoder = find_encoder(str(folder))
    computed.clear()
    first = encoder.vectors(["Kiss", "Gore", "Kiss"])
    assert sorted(computed) == ["Gore", "Kiss"]
    assert (encoder.vectors(["Gore", "Kiss"]) == first[[1, 0]]).all()
    steps: list[tuple[int, int]] = []
    keep_vectors(encoder, ["Blood", "Kiss", ""], tmp_path, lambda *step: steps.append(step))
    assert sorted(computed) == ["Blood", "Gore", "Kiss", "Kiss"]
    assert steps == [(2, 2)]
    other = find_encoder(str(folder))
    computed.clear()
    keep_vectors(other, ["Kiss", "Blood"], tmp_path)
    assert (other.vectors(["Kiss"]) == first[:1]).all()
    assert computed == [], "the file has them"
    keep_vectors(find_encoder(str(folder), "the "), ["Kiss"], tmp_path)
    assert computed == ["The Kid", "Kiss"], "with another prompt they are others"


def test_many_titles_are_written_in_blocks_that_grow(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    add = RowStore.add

    def counted(self: RowStore, names: Sequence[str], rows: np.ndarray) -> None:
        written.append(len(names))
        add(self, names, rows)

    monkeypatch.setattr(RowStore, "add", counted)
    monkeypatch.setattr(title_vectors, "_BLOCK", 2)
    titles = ["Kiss " * number + "Blood" for number in range(40)]
    steps: list[tuple[int, int]] = []
    encoder = find_encoder(str(folder))
    keep_vectors(encoder, titles, tmp_path, lambda *step: steps.append(step))
    assert steps == [(done, 40) for done in range(2, 41, 2)]
    assert sum(written) == 40
    assert written == sorted(written[:-1]) + written[-1:]
    assert len(written) < 15
    assert np.allclose(encoder.vectors(titles), find_encoder(str(folder)).vectors(titles))


def test_a_head_learns_what_is_known_and_says_nothing_of_the_mean_title() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(400, 5)).astype(np.float32) + 3
    truth = np.stack([vectors[:, 0] > 3, vectors[:, 1] > 3, np.arange(400) < 5], 1)
    known = np.ones(truth.shape, bool)
    known[200:, 1] = False
    truth[200:, 1] = vectors[200:, 1] < 3  # wrong where it is not known
    weights = fit_head(vectors, truth, known)
    logits = vectors @ weights[:-1] + weights[-1]
    for genre in (0, 1):
        right = (logits[:, genre] > 0) == (vectors[:, genre] > 3)
        assert right.mean() > 0.9
    assert not weights[:, 2].any(), "five films are too few"
    assert vectors.mean(0) @ weights[:-1] + weights[-1] == pytest.approx(np.zeros(3), abs=1e-4)


def test_a_bundle_holds_its_encoder_and_adds_what_it_says(bundle: Path) -> None:
    model = Predictor.load(bundle)
    by_ngrams = 0.1 * np.array([90, 0, 0])
    films = model.bundle.films
    assert films is not None
    (title,) = (films.fusions[("title",)],)
    for name, logits in [("Gore", HEAD[0]), ("SAW", by_ngrams), ("Saw gore", by_ngrams + HEAD[0])]:
        scores = sigmoid(0.5 * logits + title.intercept)
        found = model.predict(title=name)
        assert list(found.scores.values()) == pytest.approx(scores, abs=1e-5)
        words = films.titles.word_logits(name)
        assert sum(words.values()) == pytest.approx(films.titles.title_logits(name))
        assert sum(films.titles.word_shares(name).values()) == pytest.approx(1)
        (red, *_) = model.explain(title=name, genres=["Red"])
        assert sum(red.words.values()) == pytest.approx(red.parts["title"])
    assert films.titles.title_logits("???") is None
    assert {"encoder.onnx", "tokenizer.json"} < {file.name for file in bundle.iterdir()}
    again = write_bundle(bundle.with_name("again"), content_of(read_bundle(bundle)))
    assert again.fingerprint == model.bundle.fingerprint


@pytest.mark.parametrize("name", ["encoder.onnx", "tokenizer.json"])
def test_a_changed_or_missing_file_of_the_encoder_is_refused(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    data = (broken / name).read_bytes()
    (broken / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{name}: changed since"):
        read_bundle(broken)
    (broken / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing from the bundle"):
        read_bundle(broken)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("width", 0, "titles text width: expected an integer"),
        ("width", 2, "bytes do not hold"),
        ("prompt", "a\nb", "titles text prompt: expected text of one line"),
        ("probe", [[1, 2], [3, 4]], "titles text probe: expected a list of 3"),
        ("more", 1, "titles text: unknown key 'more'"),
    ],
)
def test_a_manifest_with_a_fault_in_its_encoder_is_refused(
    bundle: Path, tmp_path: Path, key: str, value: object, said: str
) -> None:
    broken = shutil.copytree(bundle, tmp_path / "broken")
    manifest = json.loads((broken / "keyart.json").read_text())
    manifest["titles"]["text"][key] = value
    (broken / "keyart.json").write_text(json.dumps(manifest | {"digest": digest_of(manifest)}))
    with pytest.raises(BundleError, match=said):
        read_bundle(broken)


def test_another_encoder_than_the_bundle_was_written_with_is_refused(
    bundle: Path, tmp_path: Path
) -> None:
    read = read_bundle(bundle)
    other = replace(read, text_probe=tuple(tuple(x + 1 for x in row) for row in read.text_probe))
    with pytest.raises(BundleError, match="sentence encoder answers a known title"):
        Predictor(other)


def test_an_encoder_from_elsewhere_is_tried_out_first(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tried = []
    run = subprocess.run

    def counted(*given: Any, **options: Any) -> Any:
        tried.append(given)
        return run(*given, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    read = read_bundle(bundle)
    try_out(read)
    assert len(tried) == 1
    try_out(read)
    assert len(tried) == 1
    assert read.films is not None
    assert read.films.titles.text is not None
    known = read.films.titles.text.encoder.fingerprint
    (remembered,) = (tmp_path / "keyart" / "networks").glob(f"{known}*")
    remembered.unlink()
    try_out(read)
    assert len(tried) == 2, "its poster network is known, but not its encoder"


def test_without_the_extra_one_line_says_what_to_install(
    bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for use in (lambda: Predictor.load(bundle), lambda: find_encoder(str(folder))):
        with pytest.raises(
            MissingExtraError, match=r"needs tokenizers: pip install 'keyart\[text\]'"
        ):
            use()


def test_what_is_no_encoder_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    def refused(source: Path | str, *said: str) -> None:
        with pytest.raises(WeightsError) as caught:
            find_encoder(str(source))
        message = str(caught.value)
        assert all(part in message for part in said), message
        assert "\n" not in message

    refused(tmp_path / "none", "no such folder", "owner/name")
    refused(tmp_path, "has no model.onnx")
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "tokenizer.json").write_text("{}")
    refused(broken, "tokenizer.json: is no tokenizer")
    (broken / "tokenizer.json").unlink()
    refused(broken, "has no tokenizer.json")
    shutil.copy(folder / "tokenizer.json", broken)
    model = onnx.load(broken / "model.onnx")
    model.graph.node[0].domain = "com.example"
    onnx.save(model, broken / "model.onnx")
    refused(broken, "com.example")
    model = onnx.load(folder / "model.onnx")
    model.graph.input[1].name = "pixels"
    onnx.save(model, broken / "model.onnx")
    refused(broken, "takes input_ids, pixels")
    model = onnx.load(folder / "model.onnx")
    model.graph.initializer[0].dims[:] = [2, 9]  # of fewer words than the tokenizer has
    onnx.save(model, broken / "model.onnx")
    known = json.loads((folder / "tokenizer.json").read_text())
    known["model"]["vocab"]["Kid"] = 40
    known["model"]["vocab"]["kid"] = 41
    (broken / "tokenizer.json").write_text(json.dumps(known))
    refused(broken, "model.onnx")
