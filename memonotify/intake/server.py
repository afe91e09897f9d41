"""The webhook's server. Comes in: the bank's POST; goes out: an event on stable storage and queued, and the answer.

Called by the bank (or the proxy in front). The order of the checks is part of the contract: address, path, method,
token, content type, size, body. aiohttp's low-level server stands here without its router and access log, because one
path needs neither and both cost a third of the rate.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.web_request import BaseRequest

from memonotify.config.values import Server, Workspace
from memonotify.errors import StoreError
from memonotify.intake.addresses import client_address, is_allowed
from memonotify.intake.answers import Fixed, error_body, last_answer
from memonotify.intake.connections import connections, peer_of
from memonotify.intake.events import InvalidEvent, read_event
from memonotify.intake.listening import bound_address, listen
from memonotify.intake.refusals import RefusalLog
from memonotify.intake.waiting import Waiting
from memonotify.metrics import Metrics
from memonotify.model import Clock, Event

MAX_BODY_BYTES: Final = 64 * 1024
RETRY_AFTER_S: Final = 30
STORE_WITHIN_S: Final = 10.0
"""So long an event may take to be stored; then the bank is told to come again."""

_COME_AGAIN: Final = {"Retry-After": str(RETRY_AFTER_S)}
_NOT_STORED: Final = "The event cannot be stored now. Come again."
_PREFIX: Final = "/webhooks/"
_ABSOLUTE: Final = re.compile(r"\Ahttps?://[^/#]*", re.IGNORECASE)
_STATUSES: Final = (204, 400, 401, 403, 404, 405, 408, 413, 415, 417, 500, 503)


class _Refused(Exception):  # noqa: N818 - it becomes an answer, not a failure
    """The request is answered with this status and code."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class _Caller(NamedTuple):
    """Who calls: the address as text, and whether it may."""

    address: str
    is_allowed: bool


class _Door:
    """One workspace's tokens, all compared each time, in constant time."""

    __slots__ = ("_tokens", "name")

    def __init__(self, workspace: Workspace) -> None:
        self.name = workspace.name
        self._tokens = tuple(token.reveal().encode() for token in workspace.tokens)

    def opens(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        fits = False
        for expected in self._tokens:
            fits |= hmac.compare_digest(given, expected)
        return fits and scheme.lower() == "bearer"


@lru_cache(maxsize=256)
def _is_json(content_type: str) -> bool:
    kind, *parameters = [part.strip().lower() for part in content_type.split(";")]
    charset = next((part[8:].strip('"') for part in parameters if part.startswith("charset=")), "utf-8")
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    return is_json and charset in ("utf-8", "utf8")


class Intake:
    """The webhook's listener.

    Args:
        server: where to listen and whom to believe.
        workspaces: whose webhooks these are.
        receive: puts an event on stable storage and sees to its evaluation; False where it was there already.
        backlog: how many events wait for evaluation.
        clock: the time of arrival.
        metrics: counts answers and events.
        store_within_s: how long `receive` may take before the caller is told to come again.
    """

    def __init__(
        self,
        server: Server,
        workspaces: Sequence[Workspace],
        *,
        receive: Callable[[Event], Awaitable[bool]],
        backlog: Callable[[], int],
        clock: Clock,
        metrics: Metrics,
        store_within_s: float = STORE_WITHIN_S,
    ) -> None:
        self._server = server
        self._doors = {_PREFIX + workspace.name: _Door(workspace) for workspace in workspaces}
        self._receive = receive
        self._backlog = backlog
        self._clock = clock
        self._metrics = metrics
        self._refusals = RefusalLog(clock, answered=self._count)
        self._store_within_s = store_within_s
        self._waiting = Waiting(store_within_s, self._give_up)
        self._identify = lru_cache(maxsize=4096)(self._identify_uncached)
        self._answered = {status: metrics.requests.labels(str(status)) for status in _STATUSES}
        self._new = {workspace.name: metrics.events.labels(workspace.name, "new") for workspace in workspaces}
        self._known = {workspace.name: metrics.events.labels(workspace.name, "duplicate") for workspace in workspaces}
        self._last_event = {workspace.name: metrics.last_event.labels(workspace.name) for workspace in workspaces}
        self._protocol: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self.in_progress = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address is taken or cannot be had.
        """
        self._protocol = web.Server(self._handle)
        factory = connections(
            self._protocol,
            self._refusals,
            keepalive_timeout=self._server.keep_alive_s,
            auto_decompress=False,
            lingering_time=1.0,
        )
        self._listener = await listen(self._server.listen, factory, self._server.tls)

    @property
    def address(self) -> str:
        """Where it listens, with the real port: `host:port` or `unix:path`."""
        return bound_address(self._server.listen, self._listener)

    async def stop(self, drain_s: float) -> None:
        """Stop listening, answer what has begun within `drain_s` seconds, and close the connections."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._protocol is not None:
            self._protocol.pre_shutdown()
            await self._protocol.shutdown(drain_s)
            self._protocol = None
        self._waiting.stop()
        if self._server.listen.unix is not None:
            self._server.listen.unix.unlink(missing_ok=True)

    def _count(self, status: int) -> None:
        self._answered[status].inc()

    def _give_up(self, connection: web.RequestHandler) -> None:
        """Answer in place of a handler that waits for the store too long; it goes on waiting, but says no more."""
        transport = connection.transport
        if transport is None or transport.is_closing():
            return
        transport.write(_GIVEN_UP)
        transport.close()
        self._refusals.add("store_unavailable", status=503, peer=peer_of(connection) or "unknown")
        self._count(503)
        self._metrics.accept_seconds.observe(self._store_within_s)

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        started = self._clock.monotonic()
        self.in_progress += 1
        caller = _UNKNOWN
        response: web.StreamResponse
        try:
            caller = self._caller(request)
            await self._accept(request, caller)
            response = _KEPT if request.keep_alive else _CLOSED
        except _Refused as refused:
            self._refusals.add(refused.code, status=refused.status, client=caller.address or "unknown")
            response = _refusal(refused, closes=refused.status in (408, 413) or "Expect" in request.headers)
        finally:
            self.in_progress -= 1
        self._answered[response.status].inc()
        self._metrics.accept_seconds.observe(self._clock.monotonic() - started)
        return response

    def _caller(self, request: BaseRequest) -> _Caller:
        transport = request.transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        headers = request.headers
        return self._identify(
            peer[0] if isinstance(peer, tuple) else None,
            tuple(headers.getall("Forwarded", ())),
            tuple(headers.getall("X-Forwarded-For", ())),
        )

    def _identify_uncached(
        self, peer: str | None, forwarded: tuple[str, ...], x_forwarded_for: tuple[str, ...]
    ) -> _Caller:
        address = client_address(peer, forwarded, x_forwarded_for, self._server.trusted_proxies)
        return _Caller(str(address or ""), is_allowed(address, self._server.allowed_ips))

    async def _accept(self, request: BaseRequest, caller: _Caller) -> None:
        if not caller.is_allowed:
            raise _Refused(403, "address_not_allowed", "This address may not post here.")
        path = request.raw_path.partition("?")[0]
        door = self._doors.get(path) or self._doors.get(_ABSOLUTE.sub("", path))
        if door is None:
            raise _Refused(404, "not_found", "There is no such path here.")
        if request.method != "POST":
            raise _Refused(405, "method_not_allowed", "Only POST is answered here.", {"Allow": "POST"})
        if not door.opens(request.headers.get("Authorization", "")):
            raise _Refused(401, "unauthorized", "The request carries no valid token.", {"WWW-Authenticate": "Bearer"})
        if not _is_json(request.headers.get("Content-Type", "")) or "Content-Encoding" in request.headers:
            raise _Refused(415, "unsupported_media_type", "The body must be JSON, not compressed.")
        raw = await self._read(request)
        try:
            body, text = read_event(raw)
        except InvalidEvent as invalid:
            raise _Refused(400, "invalid_event", f"The event was refused: {invalid}.") from None
        await self._store(request, door.name, body, text, caller.address)

    async def _read(self, request: BaseRequest) -> bytes:
        length = request.content_length
        if length is not None and length > MAX_BODY_BYTES:
            raise _Refused(413, "too_large", f"The body is over {MAX_BODY_BYTES} bytes.")
        if "Expect" in request.headers:
            _heed_expectation(request)
        content = request.content
        if content.is_eof():
            raw = content.read_nowait(-1)
        else:
            raw = await self._read_slowly(request)
        if len(raw) > MAX_BODY_BYTES:
            raise _Refused(413, "too_large", f"The body is over {MAX_BODY_BYTES} bytes.")
        return raw

    async def _read_slowly(self, request: BaseRequest) -> bytes:
        raw = bytearray()
        try:
            async with asyncio.timeout(self._server.body_timeout_s):
                while len(raw) <= MAX_BODY_BYTES and (chunk := await request.content.readany()):
                    raw += chunk
        except TimeoutError:
            raise _Refused(408, "timeout", "The body did not arrive in time.") from None
        return bytes(raw)

    async def _store(self, request: BaseRequest, workspace: str, body: dict[str, Any], text: str, client: str) -> None:
        limit = self._server.max_backlog
        if limit is not None and self._backlog() >= limit:
            raise _Refused(503, "backlog_full", "Too many events wait already. Come again.", _COME_AGAIN)
        event = Event(
            workspace=workspace,
            id=body["id"],
            date=body["date"],
            event_type=body["event_type"],
            resource_type=body["resource_type"],
            resource_id=body["resource_id"],
            body=body,
            received_at=self._clock.now(),
            client=client,
            text=text,
        )
        connection = request.protocol
        self._waiting.add(connection)
        try:
            try:
                is_new = await self._receive(event)
            finally:
                in_time = self._waiting.remove(connection)
        except StoreError:
            if not in_time:
                raise _answered_already() from None
            raise _Refused(503, "store_unavailable", _NOT_STORED, _COME_AGAIN) from None
        self._last_event[workspace].set(event.received_at.timestamp())
        if is_new:
            self._new[workspace].inc()
        else:
            self._known[workspace].inc()
        if not in_time:
            raise _answered_already()


def _answered_already() -> ConnectionError:
    return ConnectionAbortedError("it took too long: it was answered and the connection closed")


def _heed_expectation(request: BaseRequest) -> None:
    """Tell a caller that asks before it sends its body to go on; what else it expects is refused."""
    if request.version < HttpVersion11:
        return
    lines = request.headers.getall("Expect")
    if {part.strip().lower() for line in lines for part in line.split(",")} - {"", "100-continue"}:
        raise _Refused(417, "expectation_failed", "Of expectations only 100-continue is met here.")
    if request.content.is_eof():
        return
    if request.transport is None:
        raise ConnectionResetError("the caller is gone")
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _refusal(refused: _Refused, *, closes: bool) -> web.Response:
    response = web.Response(
        status=refused.status,
        body=error_body(refused.code, refused.message),
        content_type="application/json",
        headers=refused.headers,
    )
    if closes:
        # The body may still come, or, where the caller asked first, never: what follows would be read as the body.
        response.force_close()
    return response


_UNKNOWN: Final = _Caller("", is_allowed=False)
_GIVEN_UP: Final = last_answer(503, "store_unavailable", _NOT_STORED, _COME_AGAIN)
_KEPT: Final = Fixed(204, b"HTTP/1.1 204 No Content\r\n\r\n", keep_alive=True)
_CLOSED: Final = Fixed(204, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", keep_alive=False)
