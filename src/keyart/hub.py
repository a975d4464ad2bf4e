"""Repositories on a hub: files of one commit, in the hub's own cache.

All of it is huggingface_hub's: the cache, tokens, HF_ENDPOINT and HF_HUB_OFFLINE. Here its errors
become lines that say what to do. keyart[hub] brings it.
"""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keyart.errors import HubError, one_line
from keyart.extras import extras
from keyart.version import __version__

SCHEME = "hf:"
_NAME = re.compile(r"(?:hf:(?://)?)?(?P<repo>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./+-]+))?")
_LOGIN = "log in with hf auth login, or set HF_TOKEN"

_log = logging.getLogger("keyart.hub")


@dataclass(frozen=True)
class Repo:
    """A repository on a hub. name: OWNER/NAME. revision: a branch, a tag or a commit, or empty."""

    name: str
    revision: str = ""

    @classmethod
    def parse(cls, text: str) -> "Repo":
        """From [hf:]OWNER/NAME[@REVISION]. Raises HubError."""
        match = _NAME.fullmatch(text)
        if not match or ".." in text:
            raise HubError(f"{text}: not a model on a hub; write hf:OWNER/NAME or with @REVISION")
        return cls(match["repo"], match["revision"] or "")

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}{'@' if self.revision else ''}{self.revision}"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a whole commit, which never changes."""
        return re.fullmatch("[0-9a-f]{40}", self.revision) is not None

    def at(self, commit: str) -> "Repo":
        """This repository at a commit."""
        return Repo(self.name, commit)


def is_repo(text: str) -> bool:
    """Whether a text can name a repository on a hub, with or without hf: before it."""
    return _NAME.fullmatch(text) is not None and ".." not in text


def download(repo: Repo, patterns: Sequence[str]) -> tuple[Path, Repo]:
    """The files of a repository that match any of the patterns: their folder, and their commit.

    They are asked for once and kept in the hub's cache; without a connection what is there counts.
    The files in the folder may be symbolic links. Raises HubError, and MissingExtraError without
    keyart[hub].
    """
    with asking(repo):
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            repo.name,
            revision=repo.revision or None,
            allow_patterns=list(patterns),
            library_name="keyart",
            library_version=__version__,
        )
    path = Path(folder)
    return path, repo.at(path.name)


@contextmanager
def asking(repo: Repo) -> Iterator[None]:
    """Errors of the hub about a repository become a HubError; those of the disk stay."""
    with extras():
        import huggingface_hub
    try:
        with _quiet_bars():
            yield
    except HubError:
        raise
    except Exception as error:  # of the hub, of its HTTP library, of the system
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            raise
        message = _reason(error, repo)
        if token := _token(huggingface_hub):
            message = message.replace(token, "[token]")  # a server may send back what it got
        raise HubError(f"{repo}: {message}") from None


def _reason(error: Exception, repo: Repo) -> str:
    """What is wrong and what to do, from an error or what caused it."""
    from huggingface_hub import constants, errors

    chain = list(_chain(error))
    hub = constants.ENDPOINT

    def first(*kinds: type[BaseException]) -> Any:
        return next((one for one in chain if isinstance(one, kinds)), None)

    if first(errors.GatedRepoError):
        return f"its owner decides who may load it; ask at {hub}/{repo.name}, then {_LOGIN}"
    if first(errors.RepositoryNotFoundError):
        return f"no such model at {hub}, or a private one; check the name; for yours, {_LOGIN}"
    if first(errors.RevisionNotFoundError):
        return f"has no revision {repo.revision}; give a branch, a tag or a commit of it"
    if first(errors.OfflineModeIsEnabled):
        return (
            "not in the cache of this machine, and HF_HUB_OFFLINE lets nobody ask the hub; load it "
            "once without HF_HUB_OFFLINE"
        )
    if first(errors.HFValidationError):
        return f"not a name of a hub ({one_line(first(errors.HFValidationError))}); check it"
    answered = first(errors.HfHubHTTPError)
    status = getattr(getattr(answered, "response", None), "status_code", 0)
    if status in (401, 403):
        return f"{hub} refuses this ({status}); {_LOGIN}, with a token that may do it"
    if status:
        said = answered.server_message
        remedy = "change that" if 400 <= status < 429 and said else "try again later"
        return f"{hub} answers {status}{f' ({one_line(said)})' if said else ''}; {remedy}"
    of_the_network = any(
        isinstance(one, OSError) or type(one).__module__.startswith("httpx") for one in chain
    )
    if of_the_network:
        reason = one_line(chain[-1])
        return f"{hub} cannot be reached ({reason}); check the connection, or HF_ENDPOINT"
    return (
        f"huggingface_hub failed ({type(error).__name__}: {one_line(error)}); try another version"
    )


def _chain(error: BaseException | None) -> Iterator[Any]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _token(hub: Any) -> str | None:
    try:
        found: str | None = hub.get_token()
    except Exception:  # asking for one may itself fail
        return None
    return found


@contextmanager
def _quiet_bars() -> Iterator[None]:
    """The hub's progress bars only where keyart's own would be: on a terminal, and not if quiet."""
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    shown = _log.isEnabledFor(logging.INFO) and sys.stderr.isatty()
    if shown or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()
