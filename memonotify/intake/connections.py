"""One connection of a server of aiohttp, which keeps to itself what a caller sent.

Where aiohttp cannot read a request, its error quotes it, token and all; it logs that error without any bound and sends
it back as text. Here the answer is one fixed sentence in JSON, and what is told is the class of the error. Comes in:
bytes of a caller; goes out: requests to the server's handler, and to `Troubles` what was no request. The webhook's
listener, the admin listener and the control socket use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import BaseRequest

from memonotify.intake.answers import Fixed, last_answer
from memonotify.logs import place_of

_MALFORMED: Final = Fixed(
    400, last_answer(400, "bad_request", "This is not a well-formed HTTP request."), keep_alive=False
)
_FAILED: Final = Fixed(500, last_answer(500, "internal_error", "Something failed here. Come again."), keep_alive=False)


class Troubles(Protocol):
    """Who is told what went wrong on a connection; nothing that is told holds a word of a request.

    `error` is the name of an exception's class, `peer` the address at the other end.
    """

    def malformed(self, error: str, peer: str) -> None:
        """A request could not be read."""

    def failed(self, error: str, place: str) -> None:
        """There was a fault of ours."""

    def left(self, error: str) -> None:
        """The caller went away before its request was whole."""

    def answered(self, status: int) -> None:
        """The connection itself answered a request with this."""


class Connection(web.RequestHandler):
    """See the module. `options` are those of aiohttp's RequestHandler."""

    __slots__ = ("_troubles",)

    def __init__(self, server: web.Server, troubles: Troubles, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **{"access_log": None} | options)
        self._troubles = troubles

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's own words, which quote the request
    ) -> web.StreamResponse:
        """Answer a request that could not be read, or whose handler raised."""
        if isinstance(exc, HttpProcessingError) and status == 400:
            self._troubles.malformed(type(exc).__name__, peer_of(self))
            self._troubles.answered(400)
            return _MALFORMED
        is_open = self.transport is not None and not self.transport.is_closing()
        if isinstance(exc, OSError) and not is_open:
            self._troubles.left(type(exc).__name__)
        else:
            self._fault(exc)
        if not is_open or request.writer.output_size > 0:
            raise ConnectionError("nobody is left to answer, or an answer has begun already")
        self._troubles.answered(500)
        return _FAILED

    def log_exception(self, *_args: Any, **fields: Any) -> None:
        """Tell of a fault that aiohttp met between requests."""
        self._fault(fields.get("exc_info"))

    def _fault(self, error: object) -> None:
        # aiohttp hands a TimeoutError over without itself.
        known = error if isinstance(error, BaseException) else TimeoutError()
        self._troubles.failed(type(known).__name__, place_of(known))


def peer_of(connection: web.RequestHandler) -> str:
    """Return the address at the other end; "" where it has none, as on a unix socket."""
    peer = connection.peername
    return peer[0] if isinstance(peer, tuple) else ""


def connections(server: web.Server, troubles: Troubles, **options: Any) -> Callable[[], Connection]:
    """Return what makes a connection for each caller of this server."""
    return lambda: Connection(server, troubles, **options)
