"""Which addresses of the network may be asked: public ones, and those that the user allows."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from keyart.errors import FetchError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""From a host's name and port to its addresses; raises OSError."""

# Addresses of IPv4 in IPv6, by which a private one could be reached: NAT64 (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also one of IPv4 in an IPv6 address."""
    if isinstance(address, ipaddress.IPv6Address):
        if (inner := address.ipv4_mapped) is not None:
            return is_public(inner)
        inner = address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_public(inner):
            return False
    return address.is_global and not address.is_multicast


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks as 10.0.0.0/8 or single addresses. Raises FetchError."""
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise FetchError(f"{error}; write a network as 10.0.0.0/8") from error


def allowed(text: str, networks: Sequence[Network]) -> bool:
    """Whether an address may be asked: it is public, or in one of these networks."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return is_public(address) or any(address in network for network in networks)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, the best first."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))
