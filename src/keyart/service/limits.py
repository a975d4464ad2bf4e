"""What a request may be: bytes, parts, pixels, seconds."""

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may send.

    body: bytes of a request. posters, fields: parts of a form. field: bytes of a form's field.
    pixels: of a poster, checked on its header. seconds: until a body has arrived. waiting: posters
    per thread that are accepted but not answered yet; beyond that, requests are refused. large: of
    them, posters that take long or much memory. batch: posters per run of the network. memory:
    bytes of all bodies at once. late: seconds with one poster after which the service is not ready.
    stuck: seconds after which a thread is replaced, a little more than a decode may take. work: the
    same for explanations, which may run the network a hundred times.
    """

    body: int = 32 * MEGABYTE
    posters: int = 32
    fields: int = 80  # a title and a year for each poster, and more
    field: int = 2_000
    pixels: int = 25_000_000
    seconds: float = 30.0
    waiting: int = 7
    batch: int = 8
    memory: int = 256 * MEGABYTE
    large: int = 4
    late: float = 5.0
    stuck: float = 15.0
    work: float = 120.0
