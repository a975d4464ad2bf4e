"""A sentence encoder: a network in ONNX with its tokenizer, from titles to vectors.

The network is one of those that sentence-transformers and Hugging Face export: it takes input_ids
and attention_mask (and token_type_ids), and gives a vector for each sentence, or one for each
token, of which the mean counts. keyart[text] brings the tokenizer.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keyart.errors import BundleError, HubError, WeightsError, one_line, why
from keyart.extras import extras
from keyart.graph import check_graph
from keyart.hub import Repo, download, is_repo
from keyart.manifest import ENCODER, LARGEST, PROBE_TITLES, TOKENIZER
from keyart.reading import opened
from keyart.titles import readable_title

Vectors = npt.NDArray[np.float32]

_MOST_TOKENS = 128  # a title of 500 characters has about as many
_BATCH = 64  # titles in one run
_KEPT = 10_000  # vectors that are kept in memory
_NETWORKS = ("model.onnx", "onnx/model.onnx")
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}


class TextEncoder:
    """From titles to vectors of length 1. It reads its files on first use; threads may share one.

    onnx, tokenizer: its files. prompt: what stands before each title, such as "query: " for E5.
    hashes: the SHA-256 of both files in hexadecimal, if they are known.
    """

    def __init__(
        self,
        onnx: Path,
        tokenizer: Path,
        prompt: str = "",
        hashes: tuple[str, str] | None = None,
    ) -> None:
        self.onnx, self.tokenizer, self.prompt = onnx, tokenizer, prompt
        self._hashes = hashes
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._most = _KEPT

    def vectors(self, titles: Sequence[str]) -> Vectors:
        """The vectors (titles, width) of titles; those of known titles are not computed again.

        Raises BundleError if a file cannot be used, and MissingExtraError without keyart[text].
        """
        texts = [readable_title(title) for title in titles]
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            computed = self.compute(missing)
            found.update(zip(missing, computed, strict=True))
            self.keep(missing, computed)
        return np.stack([found[text] for text in texts])

    def keep(self, texts: Iterable[str], vectors: Vectors, *, all_of_them: bool = False) -> None:
        """Remember the vectors (texts, width) of texts, as `readable_title` gives them.

        all_of_them: more than usual, so that none of these is forgotten for another.
        """
        with self._lock:
            self._known.update(zip(texts, vectors, strict=True))
            if all_of_them:
                self._most += len(vectors)
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any byte of its files, and with the prompt."""
        hashes = self._hashes or (_sha256(self.onnx), _sha256(self.tokenizer))
        return hashlib.sha256("\n".join((*hashes, self.prompt)).encode()).hexdigest()

    @cached_property
    def _session(self) -> Any:
        from keyart.network import open_session  # it imports the runtime

        session = open_session(self.onnx)
        names = {one.name for one in session.get_inputs()}
        if "input_ids" not in names or not names <= _INPUTS:
            raise BundleError(
                f"{self.onnx}: takes {', '.join(sorted(names)) or 'nothing'}, where a sentence "
                f"encoder takes {', '.join(sorted(_INPUTS))}"
            )
        return session

    @cached_property
    def _tokens(self) -> Any:
        with extras():
            from tokenizers import Tokenizer
        try:
            tokens = Tokenizer.from_file(str(self.tokenizer))
        except Exception as error:  # it raises Exception itself
            raise BundleError(
                f"{self.tokenizer}: is no tokenizer ({one_line(error)[:200]}); take the "
                "tokenizer.json that came with the encoder"
            ) from error
        tokens.no_padding()
        tokens.enable_truncation(_MOST_TOKENS)
        return tokens

    def compute(self, texts: Sequence[str]) -> Vectors:
        """The vectors (texts, width) of texts, as `readable_title` gives them.

        Those of equal length run together, so that none is padded. Raises as `vectors`.
        """
        with self._lock:  # one thread opens them
            session, tokens = self._session, self._tokens
        ids = [one.ids for one in tokens.encode_batch([self.prompt + text for text in texts])]
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        found: dict[int, Vectors] = {}
        start = 0
        while start < len(order):
            length = len(ids[order[start]])
            end = start + 1
            while end < min(len(order), start + _BATCH) and len(ids[order[end]]) == length:
                end += 1
            places = order[start:end]
            batch = np.array([ids[place] for place in places], np.int64).reshape(-1, length)
            found.update(zip(places, self._run(session, batch), strict=True))
            start = end
        return np.stack([found[place] for place in range(len(ids))])

    def _run(self, session: Any, ids: npt.NDArray[np.int64]) -> Vectors:
        filled = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        filled["token_type_ids"] = np.zeros_like(ids)
        inputs = {one.name: filled[one.name] for one in session.get_inputs()}
        names = [one.name for one in session.get_outputs()]
        output = "sentence_embedding" if "sentence_embedding" in names else names[0]
        try:
            (states,) = session.run([output], inputs)
        except Exception as error:  # the runtime has error classes of its own, without a root
            raise BundleError(
                f"{self.onnx}: fails on a title ({one_line(error)[:300]}); is it the network of "
                "this tokenizer?"
            ) from error
        if not isinstance(states, np.ndarray) or states.ndim not in (2, 3):
            raise BundleError(f"{self.onnx}: its output {output} is no vector for each title")
        vectors = (states.mean(1) if states.ndim == 3 else states).astype(np.float32)
        if len(vectors) != len(ids) or not np.isfinite(vectors).all():
            raise BundleError(f"{self.onnx}: its output {output} is no number for some title")
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, np.finfo(np.float32).tiny)
        return unit


def find_encoder(source: str, prompt: str = "") -> TextEncoder:
    """The sentence encoder in a folder, or of a name on a hub, as OWNER/NAME[@REVISION].

    It is model.onnx, or onnx/model.onnx, with tokenizer.json. Raises WeightsError if it is not
    there or has a part that keyart does not read, and MissingExtraError without keyart[text].
    """
    folder = Path(source)
    if not folder.is_dir():
        if not is_repo(source) or folder.parent.is_dir():
            raise WeightsError(
                f"encoder {source}: no such folder; give a folder with model.onnx and "
                "tokenizer.json, or a model on a hub as hf:owner/name"
            )
        try:
            folder, _ = download(Repo.parse(source), [*_NETWORKS, TOKENIZER])
        except HubError as error:
            raise WeightsError(f"encoder {error}") from error
    tokenizer = folder / TOKENIZER
    onnx = next((folder / name for name in _NETWORKS if (folder / name).is_file()), None)
    if onnx is None or not tokenizer.is_file():
        missing = TOKENIZER if onnx else _NETWORKS[0]
        raise WeightsError(
            f"encoder {source}: has no {missing}; export it to ONNX together with its tokenizer"
        )
    try:
        for file in (onnx, tokenizer):  # what a bundle can hold
            with opened(file, LARGEST[ENCODER if file == onnx else TOKENIZER], links=True) as data:
                if file == onnx:
                    check_graph(data)
        encoder = TextEncoder(onnx, tokenizer, prompt)
        encoder.vectors([PROBE_TITLES[0]])
    except (OSError, ValueError) as error:
        raise WeightsError(f"encoder {source}: cannot be used: {why(error)}") from error
    except BundleError as error:
        raise WeightsError(f"encoder {source}: {error}") from error
    return encoder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
