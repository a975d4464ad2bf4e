"""One request: bounded in bytes and time, only to addresses that may be asked.

A host's name is resolved once, its addresses are checked, and the connection goes to the checked
address; so no name can lead to another place after the check. Redirects are followed by hand: each
step is checked like the first address.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self
from urllib.parse import urljoin

import httpx2

from keyart.sources.addresses import Network, Resolve, allowed, resolve
from keyart.sources.pace import Limits
from keyart.sources.places import address_problem
from keyart.sources.tmdb import Key
from keyart.version import __version__

USER_AGENT = f"keyart/{__version__} (film posters for research; obeys Retry-After)"
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 4
_RESOLVED = 300.0  # seconds for which a host's addresses are taken as known
_POOLS = 32  # hosts with open connections
_PIECE = 65_536


class RefusedError(Exception):
    """What was asked for will not be had by asking again soon: the message says why."""


class BrokenError(Exception):
    """A request failed: it may work the next time."""


@dataclass(frozen=True)
class Reply:
    """What a server answered. url: after redirects. asked_at: of time.monotonic()."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    asked_at: float


@dataclass
class _Pool:
    """The connections to one host."""

    addresses: Sequence[str]
    until: float
    transport: httpx2.AsyncHTTPTransport
    busy: int = 0


class Web:
    """Asks servers. requests: how many were sent.

    networks: private ones that may be asked. api: where the key may be sent. turn: waits until a
    host that a redirect leads to may be asked.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        networks: Sequence[Network] = (),
        resolver: Resolve = resolve,
        key: Key | None = None,
        api: str = "",
        turn: Callable[[str], Awaitable[None]],
    ) -> None:
        self._limits, self._networks, self._resolve = limits, networks, resolver
        self._turn = turn
        self._key, self._api = key, httpx2.URL(api) if api else None
        self._pools: OrderedDict[tuple[str, str, int], _Pool] = OrderedDict()
        self._certificates = httpx2.create_ssl_context(trust_env=False)
        self.requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for pool in self._pools.values():
            await pool.transport.aclose()

    async def get(self, url: str, *, etag: str = "") -> Reply:
        """Ask for what is at an address. etag: of what is here already.

        Raises RefusedError and BrokenError.
        """
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._follow(url, etag)
        except TimeoutError as error:
            raise BrokenError(f"took over {self._limits.seconds:g} s") from error
        except (httpx2.TransportError, OSError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise BrokenError(f"connection failed: {reason}") from error
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise RefusedError("not an address") from error

    async def _follow(self, first: str, etag: str) -> Reply:
        start = url = httpx2.URL(first)
        for _ in range(_MOST_REDIRECTS + 1):
            elsewhere = (url.host, _port(url)) != (start.host, _port(start))
            if url is not start:
                await self._turn(url.netloc.decode("ascii").lower())
            reply = await self._ask(url, etag, redirected=elsewhere)
            if reply.status not in _REDIRECTS or "location" not in reply.headers:
                return reply
            to = urljoin(str(url), reply.headers["location"])
            if problem := address_problem(to):
                raise RefusedError(f"redirects to what is {problem}")
            target = httpx2.URL(to)
            if target.scheme != start.scheme:
                raise RefusedError(f"redirects to another scheme ({target.scheme})")
            url = target
        raise RefusedError(f"redirects more than {_MOST_REDIRECTS} times")

    async def _ask(self, url: httpx2.URL, etag: str, *, redirected: bool) -> Reply:
        shown = str(url)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": USER_AGENT,
            "Accept": "image/*, application/json;q=0.9",
            "Accept-Encoding": "identity",
        }
        if etag:
            headers["If-None-Match"] = etag
        secret = self._key if self._key and self._is_api(url) else None
        if secret:
            headers |= secret.headers
            url = url.copy_merge_params(dict(secret.params))
        pool = await self._pool(url, redirected=redirected)
        pool.busy += 1
        try:
            for number, address in enumerate(pool.addresses):
                request = httpx2.Request(
                    "GET",
                    url.copy_with(host=address),
                    headers=headers,
                    extensions={
                        "timeout": httpx2.Timeout(20, connect=10).as_dict(),
                        "sni_hostname": url.host,
                    },
                )
                try:
                    return await self._send(pool, request, shown)
                except httpx2.ConnectError:
                    if number == len(pool.addresses) - 1:
                        raise
        finally:
            pool.busy -= 1
        raise BrokenError("its host has no address")

    async def _send(self, pool: _Pool, request: httpx2.Request, url: str) -> Reply:
        self.requests += 1
        asked_at, most = time.monotonic(), self._limits.bytes
        response = await pool.transport.handle_async_request(request)
        async with AsyncExitStack() as closing:
            closing.push_async_callback(response.aclose)
            announced = response.headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > most:
                raise RefusedError(f"has {int(announced):,} bytes, more than {most:,}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise RefusedError("is compressed, which was not asked for")
            body = bytearray()
            async for piece in response.aiter_raw(_PIECE):
                body += piece
                if len(body) > most:
                    raise RefusedError(f"has more than {most:,} bytes")
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(url, response.status_code, headers, bytes(body), asked_at)

    def _is_api(self, url: httpx2.URL) -> bool:
        api = self._api
        return api is not None and (
            (url.scheme, url.host, _port(url)) == (api.scheme, api.host, _port(api))
            and url.path.startswith(api.path.rstrip("/") + "/")
        )

    async def _pool(self, url: httpx2.URL, *, redirected: bool) -> _Pool:
        # One pool for each name: a connection that was checked for one name serves no other.
        at = (url.scheme, url.host, _port(url))
        pool = self._pools.get(at)
        if pool is None or redirected or pool.until < time.monotonic():
            addresses = await self._addresses(url, redirected=redirected)
            until = time.monotonic() + _RESOLVED
            pool = self._pools.get(at)  # another request may have made it meanwhile
            if pool is None:
                pool = _Pool(addresses, until, self._transport())
            pool.addresses, pool.until = addresses, until
            self._pools[at] = pool
        self._pools.move_to_end(at)
        for name in list(self._pools)[: max(0, len(self._pools) - _POOLS)]:
            if not self._pools[name].busy and name != at:
                await self._pools.pop(name).transport.aclose()
        return pool

    def _transport(self) -> httpx2.AsyncHTTPTransport:
        most = self._limits.connections
        return httpx2.AsyncHTTPTransport(
            verify=self._certificates,
            trust_env=False,
            limits=httpx2.Limits(
                max_connections=most, max_keepalive_connections=most, keepalive_expiry=30
            ),
        )

    async def _addresses(self, url: httpx2.URL, *, redirected: bool) -> list[str]:
        """The addresses of a host that may be asked. Raises RefusedError.

        redirected: nobody named this host, a server did, so it must be a public one.
        """
        try:
            found = await self._resolve(url.host, _port(url))
        except OSError as error:
            raise BrokenError(f"no address of {url.host} is known ({error.strerror})") from error
        networks = () if redirected else self._networks
        good = [address for address in found if allowed(address, networks)]
        if not good:
            what = "redirects to" if redirected else "is at"
            raise RefusedError(f"{what} a private address ({url.host})")
        return good


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
