"""hub.py, places.py, publish.py: models on a hub, published and loaded by name."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard, constants
from PIL import Image

import keyart
from keyart.__main__ import main
from keyart.bundle import Content, Member, write_bundle
from keyart.calibration import Calibration
from keyart.decisions import Decisions
from keyart.errors import BundleError, HubError, WeightsError
from keyart.places import find_model
from keyart.text_encoder import find_encoder
from keyart.training.start import open_start, starting_recipe
from tests.fake_hub import OWNER, READER, Hub, Repository, environment, hub_here, use
from tests.tiny import VOCABULARY, tiny_bundle
from tests.tiny_catalog import encoded
from tests.tiny_encoder import write_encoder

# Of huggingface_hub's own call of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "hf:owner/model"
FACTS: dict[str, Any] = {
    "catalog": "c" * 64,
    "films": {"train": 60, "validation": 20, "test": 20},
    "metrics": {
        "mean_average_precision": {"value": 0.3, "low": 0.2, "high": 0.4},
        "f1_micro": {"value": 0.5, "low": 0.4, "high": 0.6},
        "label_accuracy": None,
    },
    "terms": [{"source": "TMDb", "attribution": "Uses TMDB.", "agreement": True}],
}
FILES = {"MODEL_CARD.md", "keyart.json", "model.onnx", "model.safetensors"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with hub_here() as hub:
        use(hub, tmp_path / "home", monkeypatch, OWNER)
        yield hub


@pytest.fixture
def published(hub: Hub, tmp_path: Path) -> str:
    tiny_bundle(tmp_path / "bundle", **FACTS)
    name = keyart.publish(tmp_path / "bundle", "owner/model", licence="cc-by-4.0").name
    hub.asked.clear()
    return name


def red() -> bytes:
    return encoded(Image.new("RGB", (36, 48), (220, 20, 30)), "PNG")


def test_a_model_is_published_and_loaded_by_its_name(
    hub: Hub, published: str, tmp_path: Path
) -> None:
    repository = hub.repositories["owner/model"]
    commit = repository.revisions["main"]
    assert published == f"{NAME}@{commit}"
    assert set(repository.files) == {*FILES, "README.md", ".gitattributes"}
    model = keyart.load(NAME)
    assert model.bundle.source == published
    assert published in repr(model)
    here = keyart.load(tmp_path / "bundle")
    assert model.predict(red()).scores == here.predict(red()).scores
    # Nothing else of the repository came.
    assert set(os.listdir(model.bundle.path)) == FILES
    assert len(hub.downloads) == len(FILES)
    # No token went to the host of the large files, which the hub redirects to.
    assert {one.token for one in hub.asked if one.path.startswith("/cdn")} == {""}


def test_the_card_says_task_licence_data_and_metrics_in_the_hubs_own_form(
    hub: Hub, published: str
) -> None:
    text = hub.repositories["owner/model"].files["README.md"].decode()
    card = ModelCard(text)
    data: Any = card.data
    assert (data.pipeline_tag, data.license, data.library_name) == (
        "image-classification", "cc-by-4.0", "keyart",
    )  # fmt: skip
    found = {one.metric_name: one for one in data.eval_results}
    assert set(found) == {"mAP", "Micro F1"}
    assert data.metrics == ["mean_average_precision", "f1"]
    assert found["mAP"].metric_value == 0.3
    assert found["mAP"].metric_args == {"interval_95": [0.2, 0.4]}
    assert (found["Micro F1"].metric_type, found["Micro F1"].metric_args["average"]) == (
        "f1", "micro",
    )  # fmt: skip
    assert {(one.dataset_split, one.dataset_revision) for one in data.eval_results} == {
        ("test", "c" * 64)
    }
    assert data.to_dict()["keyart"]["terms"] == FACTS["terms"]
    assert data.to_dict()["keyart"]["films"] == FACTS["films"]
    assert "tmdb" in data.tags
    assert "- TMDb: Uses TMDB. Its content trains a model only with a written agreement." in text
    assert card.text.strip().startswith("# A tiny model")
    assert f'keyart.load("{NAME}")' in text


def test_a_new_version_takes_the_place_of_the_old_one_and_both_can_be_loaded(
    hub: Hub, published: str, tmp_path: Path
) -> None:
    repository = hub.repositories["owner/model"]
    repository.commit({**repository.files, "notes.txt": b"mine"})
    small = write_bundle(
        tmp_path / "two",
        Content(
            [Member("one", 1.0, tiny_bundle(tmp_path / "member"))],
            VOCABULARY,
            Decisions(Calibration.identity(3), np.array([0.5, 0.5, 0.5])),
            card="# Two\n",
            provenance={"name": "two"},
        ),
    )
    again = keyart.publish(small.path, "hf:owner/model")
    names = {"MODEL_CARD.md", "keyart.json", *(f"members/0/{name}" for name in FILES)}
    assert set(repository.files) == {*names, "README.md", ".gitattributes", "notes.txt"}
    model = keyart.load(NAME)
    assert (model.bundle.source, model.bundle.members[0].name) == (again.name, "one")
    assert not (model.bundle.path / "notes.txt").exists()
    assert keyart.load(published).bundle.members == ()
    repository.revisions["v1"] = published.partition("@")[2]
    assert keyart.load(f"{NAME}@v1").bundle.source == published
    assert keyart.load("hf://owner/model@v1").bundle.source == published


def test_a_commit_needs_no_hub_once_it_is_here_and_a_branch_one_question(
    hub: Hub, published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = find_model(NAME)
    hub.asked.clear()
    assert find_model(NAME) == first
    assert [one.path for one in hub.asked] == ["/api/models/owner/model/revision/main"]
    assert find_model(published).path == first.path
    assert len(hub.asked) == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert find_model(NAME).name == published
    assert len(hub.asked) == 1


def test_without_a_connection_and_without_a_copy_it_says_so(
    hub: Hub, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        HubError, match=rf"^{NAME}: not in the cache.* once without HF_HUB_OFFLINE$"
    ):
        keyart.load(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"^hf:owner/model: http://127.0.0.1:9 cannot be reached"):
        keyart.load(NAME)


def test_a_name_that_may_be_of_a_hub_gets_a_hint() -> None:
    with pytest.raises(BundleError, match=r"no such folder.*, or hf:owner/none for one on a hub$"):
        keyart.load("owner/none")


def test_what_is_neither_a_name_of_a_hub_nor_an_archive_is_not_published() -> None:
    with pytest.raises(HubError, match=r"^model.rar: not a model on a hub.* that ends in .zip$"):
        keyart.publish("box", "model.rar")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:owner/none", "hf:owner/none: no such model at HUB, or a private one; check the name"),
        (f"{NAME}@v9", f"{NAME}@v9: has no revision v9; give a branch, a tag or a commit of it"),
        (f"{NAME}@{'0' * 40}", f"has no revision {'0' * 40}; give"),
        ("hf:owner/secret", "hf:owner/secret: no such model at HUB, or a private one"),
        ("hf:owner/gated", "hf:owner/gated: its owner decides who may load it; ask at HUB/owner/"),
        ("hf:owner/other", "not a keyart model, it has no keyart.json; choose one that has"),
        ("hf:owner/broken", "/model.onnx: changed since it was written; export the bundle again"),
        ("hf:model", "hf:model: not a model on a hub; write hf:OWNER/NAME or with @REVISION"),
        ("hf:owner/../x", "not a model on a hub"),
        (f"{NAME}@../../x", "not a model on a hub"),
        ("hf:owner/a--b", "not a name of a hub"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_that_says_what_to_do(
    hub: Hub, published: str, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    files = hub.repositories["owner/model"].files
    for other in ("secret", "gated", "other", "broken"):
        hub.repositories[f"owner/{other}"] = Repository()
    hub.repositories["owner/secret"].private = hub.repositories["owner/gated"].gated = True
    for other in ("secret", "gated"):
        hub.repositories[f"owner/{other}"].commit(files)
    hub.repositories["owner/other"].commit({"config.json": b"{}", "model.safetensors": b"x"})
    damaged = files["model.onnx"][:-1] + b"?"
    hub.repositories["owner/broken"].commit(files | {"model.onnx": damaged})
    with pytest.raises(HubError) as caught:
        keyart.load(name)
    assert says.replace("HUB", hub.url) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert READER not in str(caught.value)
    assert not list(Path(os.environ["XDG_CACHE_HOME"]).rglob("*.partial"))


def test_the_owner_of_a_private_model_loads_it_with_a_token_of_the_hub(
    hub: Hub, published: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.repositories["owner/model"].private = True
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(
        HubError, match=r"a private one; .* log in with hf auth login, or set HF_TO"
    ):
        keyart.load(NAME)
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "token").write_text(OWNER)  # as hf auth login leaves it
    assert keyart.load(NAME).bundle.source == published


def test_a_token_that_a_server_sends_back_is_not_repeated(
    hub: Hub, published: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.status, hub.says = 418, f"I know {OWNER}"
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(HubError, match=r"418 \(I know \[token\]\)") as caught,
    ):
        keyart.load(NAME)
    assert caught.value.__cause__ is None
    ours = [one.getMessage() for one in caplog.records if one.name.startswith("keyart")]
    assert not any(OWNER in line for line in ours)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (
            READER,
            "refuses this (403); log in with hf auth login, or set HF_TOKEN, with a token that",
        ),
        ("hf_gone_" + "c" * 30, "refuses this (401); log in"),
        ("", "refuses this (401); log in"),
    ],
)
def test_who_may_not_write_is_told_what_to_do(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, says: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    tiny_bundle(tmp_path / "bundle")
    with pytest.raises(HubError) as caught:
        keyart.publish(tmp_path / "bundle", "owner/model")
    assert says in str(caught.value)
    assert not hub.repositories


def test_a_broken_bundle_and_a_revision_are_not_published(hub: Hub, tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    with pytest.raises(HubError, match="leave out @main"):
        keyart.publish(bundle.path, "owner/model@main")
    (bundle.path / "model.onnx").write_bytes(b"x")
    with pytest.raises(keyart.KeyartError, match="1 bytes where"):
        keyart.publish(bundle.path, "owner/model")
    assert not hub.repositories
    assert not [one for one in hub.asked if one.method != "GET"]


def test_every_command_that_takes_a_model_takes_its_name_on_a_hub(
    hub: Hub,
    published: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "red.png").write_bytes(red())

    def command(*words: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["keyart", *map(str, words)])
        with pytest.raises(SystemExit):
            main()
        shown = capsys.readouterr()
        return shown.out, shown.err

    poster = tmp_path / "red.png"
    out, err = command("predict", poster, "--model", NAME, "--format", "csv")
    assert "red.png,Red," in out
    assert f"model: {published}" in err
    out, err = command("predict", poster, "--model", published, "--format", "csv", "--quiet")
    assert ("red.png,Red," in out, err) == (True, "")
    assert "Red" in command("explain", poster, "--model", NAME)[0]
    out, err = command("evaluate", NAME)
    assert err.endswith(
        f"error: {published}: a bundle does not know its catalog; give one with --catalog\n"
    )
    _, err = command("evaluate", tmp_path / "bundle", "--against", NAME)
    assert "not a run; give a catalog" in err
    for words in (
        ("index", tmp_path, "--out", tmp_path / "i", "--model"),
        ("serve", "--model"),
        ("evaluate",),
    ):
        assert command(*words, "hf:model")[1].startswith("error: hf:model: not a model on a hub")
    _, err = command("publish", tmp_path / "bundle", "owner/model")
    assert "TMDb: its content trains a model only with a written agreement" in err


def test_a_training_that_starts_from_a_hub_keeps_the_commit_in_its_recipe(
    hub: Hub, published: str
) -> None:
    assert open_start(NAME).name == published
    assert starting_recipe(NAME, None, {}, films=10).network.start == published


def test_another_process_publishes_and_loads_through_the_hubs_own_variables(
    hub: Hub, tmp_path: Path
) -> None:
    tiny_bundle(tmp_path / "bundle")
    script = (
        "import json, keyart; done = keyart.publish('bundle', 'owner/new', private=True)\n"
        "print(json.dumps([done.name, keyart.load('hf:owner/new').bundle.source, done.url]))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **environment(hub, tmp_path / "home", OWNER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    name, source, url = json.loads(found.stdout)
    assert name == source
    assert url == f"{hub.url}/owner/new"
    assert hub.repositories["owner/new"].private


def test_an_encoder_of_titles_comes_from_the_hub_in_the_same_way(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_encoder(tmp_path / "encoder", {"alien": (1.0, 0.0), "big": (0.6, 0.8)})
    files = {file.name: file.read_bytes() for file in (tmp_path / "encoder").iterdir()}
    repository = hub.repositories["someone/encoder"] = Repository()
    repository.commit({"onnx/model.onnx": files["model.onnx"], "pytorch_model.bin": b"pickle",
                       "tokenizer.json": files["tokenizer.json"]})  # fmt: skip
    titles = ["Alien", "Big"]
    here = find_encoder(str(tmp_path / "encoder")).vectors(titles)
    for name in ("someone/encoder", "hf:someone/encoder@main"):
        assert np.array_equal(find_encoder(name).vectors(titles), here)
    assert not any("pytorch" in one.path for one in hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert np.array_equal(find_encoder("someone/encoder").vectors(titles), here)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(WeightsError, match=r"^encoder hf:someone/none: no such model at http"):
        find_encoder("someone/none")
    repository.commit({"tokenizer.json": files["tokenizer.json"]})
    with pytest.raises(WeightsError, match=r"has no model\.onnx; export it"):
        find_encoder("someone/encoder")
