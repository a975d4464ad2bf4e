"""Publishing a model: to a hub, with a card that the hub understands, or as an archive."""

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyart.archives import bundle_files, write_archive
from keyart.bundle import Bundle, read_bundle
from keyart.errors import HubError
from keyart.files import StrPath
from keyart.hub import SCHEME, Repo, asking, is_repo
from keyart.manifest import LARGEST, MEMBERS
from keyart.model_metrics import METRICS
from keyart.places import find_model
from keyart.stores.paths import place

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

ARCHIVE = ".zip"
README = "README.md"
_TASK = "image-classification"  # the hub has no other word for classes that may be several
# The hub's names of metrics; the others keep keyart's. In a bundle they are called f1_micro.
_METRICS = {"f1": "f1", "precision": "precision", "recall": "recall"}
_OTHERS = {"label_accuracy": "accuracy", "mean_roc_auc": "roc_auc", "brier": "brier_score"}

_log = logging.getLogger("keyart.publishing")


@dataclass(frozen=True)
class Published:
    """What was published. name: what `keyart.load` takes. url: where people see it.

    For an archive, name has its SHA-256, and HOST in the place of the host that will give it out.
    """

    name: str
    url: str


def publish(
    model: StrPath,
    to: str | os.PathLike[str],
    *,
    licence: str = "unknown",
    private: bool | None = None,
) -> Published:
    """Publish a model on a hub, in one commit, or write it as an archive.

    model: a run, a bundle, or what else `keyart.load` takes. to: OWNER/NAME on the hub, which is
    made if it does not exist, or a file that ends in .zip, to put at any https address.
    licence: of the model, as the hub writes it: apache-2.0, mit, cc-by-nc-4.0. private: of a new
    repository; None leaves it to the hub.

    Uploads the files of the bundle, which are checked when it is loaded, and a README.md: the
    model's card with task, licence, data and metrics in the hub's own form. Files of an earlier
    model are removed; other files stay. Returns the name that `keyart.load` takes, with the commit
    or the hash, and the url where people see it. Raises HubError, and BundleError for a damaged
    bundle.
    """
    bundle = read_bundle(find_model(model).bundle)
    for terms in bundle.provenance.get("terms", ()):
        if terms["agreement"]:
            _log.warning(
                "%s: its content trains a model only with a written agreement; publish only what "
                "the agreement allows", terms["source"],
            )  # fmt: skip
    target = os.fspath(to)
    if target.casefold().endswith(ARCHIVE):
        sha256 = write_archive(bundle.path, place(target))
        return Published(f"https://HOST/{Path(target).name}#sha256={sha256}", target)
    try:
        repo = Repo.parse(target)
    except HubError as error:
        raise HubError(f"{error}, or a file that ends in {ARCHIVE}") from None
    if repo.revision:
        raise HubError(
            f"{target}: a model is published as a new commit; leave out @{repo.revision}"
        )
    return _commit(bundle, repo, licence, private)


def _commit(bundle: Bundle, repo: Repo, licence: str, private: bool | None) -> Published:
    with asking(repo):
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

        api = HfApi(library_name="keyart")
        api.create_repo(repo.name, private=private, exist_ok=True)
        files = {
            file.relative_to(bundle.path).as_posix(): file for file in bundle_files(bundle.path)
        }
        stale = [
            name
            for name in api.list_repo_files(repo.name)
            if name not in files and _is_bundles(name)
        ]
        readme = readme_of(bundle, repo.name, licence).encode()
        added: dict[str, bytes | Path] = {README: readme, **files}
        commit = api.create_commit(
            repo.name,
            [
                *(CommitOperationDelete(name) for name in stale),
                *(CommitOperationAdd(name, source) for name, source in added.items()),
            ],
            commit_message=f"Publish {_name(bundle)} with keyart",
        )
        return Published(str(repo.at(commit.oid)), f"{api.endpoint}/{repo.name}")


def _is_bundles(name: str) -> bool:
    """Whether a file of a repository is one that a bundle may have, and so of an earlier model."""
    folder, _, file = name.rpartition("/")
    return file in LARGEST and (not folder or folder.startswith(f"{MEMBERS}/"))


def readme_of(bundle: Bundle, repo: str, licence: str) -> str:
    """The model's card, as README.md on a hub: with the hub's metadata, and how to load it.

    repo: OWNER/NAME. licence: as the hub writes it.
    """
    from huggingface_hub import ModelCardData

    facts = bundle.provenance
    terms, results = list(facts.get("terms", ())), list(_results(facts))
    data = ModelCardData(
        library_name="keyart",
        pipeline_tag=_TASK,
        license=licence,
        base_model=_base(facts),
        tags=["film", "poster", "genres", "multi-label", "onnx", *_sources(terms)],
        metrics=list(dict.fromkeys(one.metric_type for one in results)) or None,
        model_name=_name(bundle),
        eval_results=results or None,
        keyart={
            "genres": list(bundle.vocabulary.names),
            **{name: facts[name] for name in ("films", "catalog", "backbone") if name in facts},
            "terms": terms,
        },
    )
    head, _, rest = bundle.card.partition("\n## ")
    return "\n".join(
        [
            "---",
            data.to_yaml(line_break="\n").strip(),
            "---",
            "",
            head.strip(),
            "",
            *_usage(repo),
            *_terms(terms),
            f"## {rest}" if rest else "",
        ]
    )


def _usage(repo: str) -> list[str]:
    return [
        "## How to use it",
        "",
        "```python",
        "import keyart",
        "",
        f'model = keyart.load("{SCHEME}{repo}")',
        'film = model.predict("poster.jpg")',
        "film.genres, film.scores",
        "```",
        "",
        "`pip install 'keyart[hub]'` brings what this needs. On the command line: "
        f"`keyart predict poster.jpg --model {SCHEME}{repo}`.",
        "",
    ]


def _terms(terms: list[Mapping[str, Any]]) -> list[str]:
    """What the sources of the training films ask for."""
    if not terms:
        return []
    lines = ["## Terms of the sources", ""]
    for one in terms:
        asks = " Its content trains a model only with a written agreement."
        said = f"{one['attribution']}{asks if one['agreement'] else ''}".strip()
        lines.append(f"- {one['source']}: {said}")
    return [*lines, ""]


def _results(facts: Mapping[str, Any]) -> Iterator["EvalResult"]:
    """The metrics on the test split, for the hub's model-index; intervals are their arguments."""
    from huggingface_hub import EvalResult

    films = facts.get("films", {}).get("test")
    for name, found in facts.get("metrics", {}).items():
        if found is None:
            continue
        kind, _, average = name.partition("_")
        yield EvalResult(
            task_type=_TASK,
            task_name="Genres of films from posters",
            dataset_type="keyart-catalog",
            dataset_name=f"{films:,} films with posters" if films else "films with posters",
            dataset_split="test",
            dataset_revision=facts.get("catalog"),
            metric_type=_type(name),
            metric_name=METRICS[name].label if name in METRICS else name,
            metric_value=found["value"],
            metric_args={
                **({"average": average} if kind in _METRICS else {}),
                "interval_95": [found["low"], found["high"]],
            },
        )


def _type(metric: str) -> str:
    return _METRICS.get(metric.partition("_")[0]) or _OTHERS.get(metric, metric)


def _base(facts: Mapping[str, Any]) -> str | None:
    """The hub's name of the backbone's weights, if they came from there."""
    backbone = facts.get("backbone", {})
    source = backbone.get("source", "") if isinstance(backbone, Mapping) else ""
    return source if isinstance(source, str) and is_repo(source) else None


def _sources(terms: list[Mapping[str, Any]]) -> list[str]:
    return [str(one["source"]).casefold() for one in terms]


def _name(bundle: Bundle) -> str:
    return str(bundle.provenance.get("name") or bundle.path.name)
