"""Objects of a bucket: read, listed, written and removed through obstore, with errors in one line.

Credentials are found in each provider's own ways: environment, profiles, the instance. They are in
no address and in no message: of what a store answers, only its code is shown.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from keyart.errors import StoreChangedError, StoreError
from keyart.extras import extras
from keyart.stores.aws import aws_options

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode, UpdateVersion
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

Result = TypeVar("Result")
PIECE = 16 << 20  # bytes that one request reads or writes
_LISTED = 1_000  # names in one answer


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a request may take, and how often it is tried again within `in_all`."""

    connect: timedelta
    answer: timedelta
    retries: int
    in_all: timedelta
    pause: timedelta = timedelta(milliseconds=100)
    longest_pause: timedelta = timedelta(seconds=5)


# Whether a store answers is known within ten seconds; later requests are patient.
QUICK = Pace(timedelta(seconds=3), timedelta(seconds=4), 1, timedelta(seconds=4))
PATIENT = Pace(timedelta(seconds=5), timedelta(minutes=5), 8, timedelta(minutes=2))


@dataclass(frozen=True, slots=True)
class Object:
    """An object as a store lists it.

    version: changes with its content. state: by which a store knows that it has not changed.
    """

    key: str
    size: int
    version: str
    modified: datetime
    state: "UpdateVersion"


def open_bucket(root: str) -> "Bucket":
    """The bucket or host of an address, s3://films. Raises MissingExtraError and StoreError."""
    own = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith(_SETTINGS)))
    return _bucket(root, own)


_SETTINGS = ("AWS_", "AZURE_", "GOOGLE_")


@lru_cache(16)
def _bucket(root: str, own: tuple[tuple[str, str], ...]) -> "Bucket":
    return Bucket(root)


class Bucket:
    """The objects of one bucket, by their names in it, or the files of a web server."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.is_web = root.startswith("http")
        self._reached = False
        self._quick, self._patient = _open(root, QUICK), _open(root, PATIENT)

    def _do(self, key: str, work: Callable[["ObjectStore"], Result]) -> Result:
        with _explained(self._address(key)):
            self._reach(key)
            return work(self._patient)

    def _reach(self, key: str) -> None:
        """Raises an error of obstore if the store does not answer."""
        from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

        if self._reached:
            return
        # If it refuses, it has answered; what it allows, the work itself shows.
        with suppress(FileNotFoundError, PermissionDeniedError, UnauthenticatedError):
            self._quick.head(key or "keyart")
        self._reached = True

    def head(self, key: str) -> Object | None:
        """An object's size and version; None if there is none of this name."""
        try:
            return _object(self._do(key, lambda store: store.head(key)))
        except FileNotFoundError:
            return None

    def get(self, key: str, most: int | None = None) -> tuple[bytes, Object]:
        """An object's content, and its state.

        Raises FileNotFoundError, and ValueError if it has more than `most` bytes.
        """

        def read(store: "ObjectStore") -> tuple[bytes, Object]:
            answer = store.get(key)
            if most is not None and answer.meta["size"] > most:
                raise ValueError(
                    f"has {answer.meta['size']:,} bytes, more than the {most:,} that it may"
                )
            return bytes(answer.bytes()), _object(answer.meta)

        return self._do(key, read)

    def head_bytes(self, key: str, count: int) -> bytes:
        """The first bytes of an object that has at least one. Raises FileNotFoundError."""
        return self._do(key, lambda store: bytes(store.get_range(key, start=0, length=count)))

    def download(self, key: str, to: Path, seen: Object | None = None) -> None:
        """Write an object's content to a file, in pieces that all are of one version.

        seen: the object as it was listed, if it was.

        Raises FileNotFoundError, StoreChangedError, and OSError of the disk.
        """
        found = seen or _object(self._do(key, lambda store: store.head(key)))
        version = found.state.get("e_tag")

        def piece(start: int, end: int) -> bytes:
            wanted: GetOptions = {"range": (start, end)}
            if version:
                wanted["if_match"] = version
            return self._do(key, lambda store: bytes(store.get(key, options=wanted).bytes()))

        with to.open("wb") as file:
            for start in range(0, found.size, PIECE):
                end = min(start + PIECE, found.size)
                content = piece(start, end)
                if len(content) != end - start:
                    raise StoreError(
                        f"{self._address(key)}: the store sent too few bytes; run the command again"
                    )
                file.write(content)

    def list(self, key: str) -> Iterator[Sequence[Object]]:
        """The objects below an address, sorted by name, in batches.

        Raises StoreError, also if the place has no list, as a web server.
        """
        if self.is_web:
            raise StoreError(
                f"{self._address(key)}: web servers do not list their files; give one of them"
            )
        with _explained(self._address(key)):
            self._reach(key)
            for part in self._patient.list(key or None, chunk_size=_LISTED):
                yield [_object(one) for one in part]

    def has_any(self, key: str) -> bool:
        """Whether there is any object below an address."""
        if self.is_web:
            return False
        return any(part for part in self.list(key))

    def check(self, key: str) -> None:
        """Ask for what is below an address, before work that is to be written there.

        Raises StoreError for a bucket that does not exist or answer, and for wrong credentials.
        """
        self._writable(key)
        try:
            self.has_any(key)
        except StoreError as error:
            if _DENIED not in str(error):  # who may write need not have the right to list
                raise

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, whole or not at all; an object of this name is replaced."""
        self._writable(key)
        self._do(key, lambda store: store.put(key, content, chunk_size=PIECE))

    def put_new(self, key: str, content: bytes | Path) -> None:
        """Write an object, whole or not at all. Raises StoreChangedError if there is one."""
        self._put_if(key, content, "create")

    def put_over(self, key: str, content: bytes | Path, seen: Object) -> None:
        """Replace an object that is as it was seen. Raises StoreChangedError if it has changed."""
        self._put_if(key, content, seen.state)

    def _put_if(self, key: str, content: bytes | Path, mode: "PutMode") -> None:
        self._writable(key)
        data = content if isinstance(content, bytes) else content.read_bytes()
        try:
            self._do(key, lambda store: store.put(key, data, mode=mode, use_multipart=False))
        except StoreError as error:
            if str(error).endswith(tuple(_CODES.values())):
                raise
            # The answer to a first try may have been lost, and a second try then meets its object.
            try:
                if self.get(key)[0] == data:
                    return
            except FileNotFoundError:
                pass
            except StoreError:
                raise StoreError(
                    f"{self._address(key)}: the store stopped answering, so it may be written or "
                    "not; look, and then run the command again"
                ) from None
            raise error

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects."""
        if keys:
            self._writable(keys[0])
            self._do(keys[0], lambda store: store.delete(keys))

    def _address(self, key: str) -> str:
        return f"{self.root}/{key}" if key else self.root

    def _writable(self, key: str) -> None:
        if self.is_web:
            raise StoreError(
                f"{self._address(key)}: web addresses can only be read; write to s3://, gs:// or "
                "az://"
            )


def _open(root: str, pace: Pace) -> "ObjectStore":
    with extras():
        from obstore.exceptions import BaseError
        from obstore.store import from_url

    client: ClientConfig = {"connect_timeout": pace.connect, "timeout": pace.answer}
    retry: RetryConfig = {
        "max_retries": pace.retries,
        "retry_timeout": pace.in_all,
        "backoff": {"init_backoff": pace.pause, "max_backoff": pace.longest_pause, "base": 2},
    }
    options: dict[str, Any] = aws_options() if root.startswith("s3:") else {}
    endpoint = options.get("endpoint", "")
    # A store that is named by an http address has no https; others are never asked without it.
    client["allow_http"] = root.startswith("http:") or endpoint.startswith("http:")
    try:
        return from_url(root, client_options=client, retry_config=retry, **options)
    except (BaseError, ValueError) as error:
        raise StoreError(f"{root}: {_reason(str(error))}") from None


def _object(found: Any) -> Object:
    # Web servers need not send an ETag.
    version = found["e_tag"] or f"{found['size']}-{found['last_modified'].timestamp():.0f}"
    state: UpdateVersion = {}
    if found["e_tag"]:
        state["e_tag"] = found["e_tag"]
    if found["version"]:
        state["version"] = found["version"]
    return Object(found["path"], found["size"], version, found["last_modified"], state)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Errors of obstore become a StoreError in one line; a missing object, FileNotFoundError."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    started = time.monotonic()
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise StoreError(f"{address}: {_reason(str(error))}") from None
        raise FileNotFoundError(2, "no such object in the store", address) from None
    except (AlreadyExistsError, PreconditionError):
        raise StoreChangedError(f"{address}: another writer has written it") from None
    except BaseError as error:
        waited = time.monotonic() - started
        raise StoreError(f"{address}: {_reason(str(error), waited)}") from None


_DENIED = "permission denied; ask for the right to read, list or write there"
_CODES = {
    "NoSuchBucket": "no such bucket; check the name",
    "ContainerNotFound": "no such container; check the name",
    "InvalidAccessKeyId": "the store does not know this access key; check the credentials",
    "SignatureDoesNotMatch": "the secret key does not match the access key; check the credentials",
    "ExpiredToken": "the credentials have expired; get new ones",
    "InvalidToken": "the session token is not valid; get new credentials",
    "AccessDenied": _DENIED,
    "AuthenticationFailed": "the credentials are wrong; check them",
    "PermanentRedirect": "the bucket is in another region; set AWS_REGION",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set AWS_REGION",
}
_INSTANCE = ("169.254.169.254", "169.254.170.2", "metadata.google.internal", "/token")


def _reason(text: str, waited: float = 0) -> str:
    """What is wrong and what to do, by an error of obstore. None of its words is repeated."""
    code = re.search(r"<Code>([A-Za-z]+)</Code>", text)
    if code and code[1] in _CODES:
        return _CODES[code[1]]
    asked = re.search(r"Error performing [A-Z]+ (https?://[^/?#\s@]+)(\S*)", text)
    if asked and any(name in asked[1] + asked[2].partition("?")[0] for name in _INSTANCE):
        return (
            "no credentials found; set them in the environment (AWS_ACCESS_KEY_ID, "
            "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT_KEY), or in a profile"
        )
    if "Account must be specified" in text:
        return "no storage account; set AZURE_STORAGE_ACCOUNT_NAME"
    status = re.search(r"status code: ([0-9]{3})", text)
    if status and status[1] in ("401", "403"):
        return _DENIED
    if "redirect" in text.casefold():
        return _CODES["PermanentRedirect"]
    if status:
        shown = f" {code[1]}" if code else ""
        return f"the store answered {status[1]}{shown}; try again later"
    where = f" at {asked[1]}" if asked else ""
    if asked:
        after = f" within {waited:.0f} s" if waited >= 1 else ""
        return f"the store{where} does not answer{after}; check the endpoint and the network"
    return "the store's client cannot use this address or these settings; check them"
