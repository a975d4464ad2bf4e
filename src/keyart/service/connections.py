"""PatientProtocol: HTTP/1.1 that waits for clients, but not forever, and not for too many."""

import asyncio
import time
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0  # until a request's headers have arrived
_READ_SECONDS = 30.0  # until a client continues to read its answer
MOST = 900  # connections; with the files of the service under the usual limit of 1,024


class PatientProtocol(H11Protocol):
    """A connection with time limits. uvicorn has one only between two requests.

    If there are too many connections, the one that has waited for its client for the longest is
    closed, so that idle clients cannot keep others out.
    """

    waits_since: float | None = None
    """When this connection began to wait for its client; None if the client waits."""

    _headers: asyncio.TimerHandle | None = None
    _reads: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first request, unless the server has stopped meanwhile.

        uvicorn stops the connections that are made. One that is accepted before the stop and made
        after it would be served until the time limit of the stop, and then broken off.
        """
        super().connection_made(transport)
        server = getattr(transport, "_server", None)  # asyncio has no public name for it
        if server is not None and not server.is_serving():
            self.shutdown()
            return
        self._watch()
        if len(self.connections) > MOST:
            longest = max(cast("set[PatientProtocol]", self.connections), key=_patience)
            self.connections.discard(longest)
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Keep the deadline while headers are incomplete; a byte now and then does not move it."""
        if not self.between_requests:
            self.waits_since = None  # its body is still coming
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the client again."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that turns out to be malformed; drop what the service still answers.

        uvicorn sends both, which is an error of the protocol and a traceback in the log.
        """
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # its text, as an answer to HEAD has none
            self.transport.close()

    def pause_writing(self) -> None:
        """Wait for a client that does not read its answer."""
        super().pause_writing()
        self._reads = self.loop.call_later(_READ_SECONDS, self.transport.abort)
        self._watch()

    def resume_writing(self) -> None:
        """Stop waiting: the client reads on."""
        super().resume_writing()
        if self._reads is not None:
            self._reads.cancel()
            self._reads = None
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._headers, self._reads):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    @property
    def between_requests(self) -> bool:
        """Whether there is no request, or its headers are incomplete."""
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _watch(self) -> None:
        idle = self.between_requests
        if not (idle or self.cycle.more_body or self.flow.write_paused):
            self.waits_since = None
        elif self.waits_since is None:
            self.waits_since = time.monotonic()
        if not idle:
            if self._headers is not None:
                self._headers.cancel()
                self._headers = None
        elif self._headers is None:
            self._headers = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._headers = None
        if self.between_requests and not self.transport.is_closing():
            self.transport.close()


def _patience(connection: PatientProtocol) -> tuple[bool, float]:
    """Sorts connections by how long the service has waited; those that it works for come first."""
    since = connection.waits_since
    return since is not None, -(since or 0)
