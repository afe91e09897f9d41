"""A local stand-in for Memo Bank: its API, its webhooks and the sandbox endpoints, with believable French data.

In: calls of a daemon under test or on show, and events to raise. Out: answers and webhook posts as the bank documents
them, and on request every way in which they can go wrong. Called by the commands `bank`, `trigger` and `demo`, and by
tests.
"""

from __future__ import annotations

import asyncio
import random as random_source
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from memonotify.errors import ListenError, StandInError
from memonotify.model import Clock
from memonotify.samples.books import Books, Resource
from memonotify.samples.data import France
from memonotify.samples.resources import Builder, Hints, fill
from memonotify.secret import Secret
from memonotify.standin.api import Api
from memonotify.standin.control import Control
from memonotify.standin.credentials import Credentials, make_credentials
from memonotify.standin.gate import Allowance, Fault, Faults, Gate, Handler
from memonotify.standin.orders import Order
from memonotify.standin.serverlog import SERVER_LOG
from memonotify.standin.trigger import Trigger
from memonotify.standin.verification import Verifier
from memonotify.standin.webhooks import Post, Poster, Webhook

_KEPT: Final = 10_000
_MAX_BODY: Final = 1024 * 1024


class StandInBank:
    """One workspace at a bank that exists on this machine only.

    `quota` calls are answered in each `quota_window_s`; `speed` divides the waits between webhook retries; `pause` does
    every wait. Books and events are the same for the same `random`, clock and calls; credentials, unless handed in, are
    new each time.

    Resources: a listener, tasks and connections between `start` and `stop`; usable as an async context manager.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: random_source.Random,
        listen_host: str = "127.0.0.1",
        port: int = 0,
        quota: int = 600,
        quota_window_s: float = 60.0,
        speed: float = 1.0,
        post_timeout_s: float = 10.0,
        credentials: Credentials | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if speed <= 0 or quota < 1 or quota_window_s <= 0:
            raise StandInError("the stand-in's speed, quota and quota window are greater than 0")
        self.credentials = credentials or make_credentials()
        self.books = Books()
        self.webhooks: dict[str, Webhook] = {}
        self._listen = (listen_host, port)
        self._clock = clock
        self._france = France(random)
        self._builder = Builder(self.books, self._france, clock)
        self._trigger = Trigger(self.books, self._builder, self._france, clock)
        self._faults = Faults()
        self._gate = Gate(
            verifier=Verifier(self.credentials, clock),
            allowance=Allowance(quota, quota_window_s, clock),
            faults=self._faults,
            clock=clock,
            pause=pause,
        )
        self._posts: deque[Post] = deque(maxlen=_KEPT)
        self._posting: Callable[[], Poster] = lambda: Poster(
            clock=clock, speed=speed, timeout_s=post_timeout_s, pause=pause, log=self._posts
        )
        self._poster: Poster | None = None
        self._runner: web.AppRunner | None = None
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        fill(self._builder, self._france, clock)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            ListenError: the address cannot be had.
        """
        self._poster = self._posting()
        app = web.Application(middlewares=[self._middleware()], client_max_size=_MAX_BODY)
        app.add_routes([*Api(self).routes(), *Control(self).routes()])
        self._runner = web.AppRunner(app, access_log=None, logger=SERVER_LOG, shutdown_timeout=1.0)
        await self._runner.setup()
        host, port = self._listen
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.stop()
            why = error.strerror or "it is not an address of this machine"
            raise ListenError(f"cannot listen on {host}:{port}: {why}") from error

    async def stop(self) -> None:
        """Stop listening, posting and retrying. Harmless where it never started."""
        runner, self._runner = self._runner, None
        poster, self._poster = self._poster, None
        if poster is not None:
            await poster.close()
        if runner is not None:
            await runner.cleanup()

    def _middleware(self) -> Middleware:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._gate.handle(request, handler)

        return gate

    @property
    def url(self) -> str:
        """The API's base URL, once started."""
        if self._runner is None or not self._runner.addresses:
            raise StandInError("the stand-in is not running")
        host, port = self._runner.addresses[0][:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def events(self) -> tuple[dict[str, Any], ...]:
        """Every event raised, oldest first, as far as kept."""
        return tuple(self._events)

    @property
    def deliveries(self) -> tuple[Post, ...]:
        """Every webhook post made, oldest first, as far as kept."""
        return tuple(self._posts)

    def add_webhook(self, url: str, token: str | None = None, *, name: str = "") -> Webhook:
        """Register a receiver of events; without a token it gets a new one."""
        webhook = Webhook(
            id=self._france.uuid(), name=name or "webhook", url=url, token=Secret(token or secrets.token_urlsafe(18))
        )
        self.webhooks[webhook.id] = webhook
        return webhook

    async def raise_event(
        self, event_type: str, overrides: Mapping[str, Any] | None = None, *, repeat: int = 1
    ) -> dict[str, Any]:
        """Raise an event and begin to post it to every webhook; returns the event as posted.

        `overrides` maps paths such as `resource.amount`, `resource.source.message`, `event.x` or `account.balance` to
        values. `repeat` posts the same event so many times, as the bank may do.

        Raises:
            StandInError: the type or an override is ill-formed.
        """
        event = self._trigger.raise_event(event_type, overrides or {})
        self._spread(event, repeat)
        return event

    def incoming(self, source_type: str, order: Order, account: Resource) -> None:
        """Book what a sandbox endpoint ordered and raise the event of it."""
        told: dict[str, Any] = {
            "resource.source.type": source_type,
            "resource.amount": order.amount,
            "resource.account_id": account["id"],
            "resource.local_iban": order.local_iban,
        }
        optional = {
            "resource.counterparty_name": order.counterparty_name,
            "resource.source.counterparty_iban": order.counterparty_iban,
            "resource.source.message": order.message,
            "resource.source.end_to_end_id": order.end_to_end_id,
        }
        told |= {path: value for path, value in optional.items() if value}
        self._spread(self._trigger.raise_event("transaction_confirmed", told), 1)

    def make(self, resource_type: str, outcome: str, hints: Hints | None = None) -> Resource:
        """Enter a resource into the books without raising an event: what a missed webhook looks like."""
        return self._builder.make(resource_type, outcome, hints)

    async def idle(self) -> None:
        """Wait until every event was taken or given up by every webhook."""
        if self._poster is not None:
            await self._poster.idle()

    def fail_next(self, status: int, times: int = 1) -> None:
        """Answer the next calls with this status, in the bank's shape."""
        body = b'{"code": "injected", "message": "a fault that was asked for"}'
        self.answer_next(status, body, times=times)

    def answer_next(
        self,
        status: int,
        body: bytes,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next calls with exactly this."""
        fault = Fault(status=status, body=body, content_type=content_type, headers=headers or {})
        self._faults.next.extend([fault] * times)

    def delay(self, seconds: float) -> None:
        """Hold back every answer of the API so long; 0 ends it."""
        self._faults.delay_s = seconds

    def go_away(self) -> None:
        """Break off every call without an answer, until `come_back`."""
        self._faults.is_away = True

    def come_back(self) -> None:
        """Answer again."""
        self._faults.is_away = False

    def _spread(self, event: dict[str, Any], repeat: int) -> None:
        if self._poster is None:
            raise StandInError("the stand-in is not running")
        self._events.append(event)
        for webhook in self.webhooks.values():
            for _ in range(repeat):
                self._poster.post(event, webhook, self.webhooks.__contains__)
