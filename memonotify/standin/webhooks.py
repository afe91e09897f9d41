"""Posts events to the registered webhooks, and comes again as the bank does.

In: an event and the webhooks. Out: POST requests with the webhook's token, and a log of every one. Any 2xx is a
success; after anything else it waits as `catalogue.WEBHOOK_RETRY_WAITS_S` says, divided by the speed, then gives up.
Called by the stand-in.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from memonotify.catalogue import WEBHOOK_RETRY_WAITS_S
from memonotify.errors import Reason, reason_of_status
from memonotify.model import Clock
from memonotify.secret import Secret

_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A registration: where to post, and the token the receiver knows the bank by."""

    id: str
    name: str
    url: str
    token: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One POST of an event. `attempt` counts from 1; `next_wait_s` is None where there will be no other."""

    event_id: str
    event_type: str
    webhook_id: str
    attempt: int
    posted_at: datetime
    status: int | None
    reason: Reason | None
    next_wait_s: float | None

    @property
    def ok(self) -> bool:
        """Whether the receiver took it."""
        return self.reason is None


class Poster:
    """Works off posts in tasks of their own, so that one receiver's retries hold up no other; `log` gets each post.

    Resources: tasks and connections, until `close`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        speed: float,
        timeout_s: float,
        pause: Callable[[float], Awaitable[None]],
        log: deque[Post],
    ) -> None:
        self._clock = clock
        self._speed = speed
        self._timeout_s = timeout_s
        self._pause = pause
        self._log = log
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "memonotify-stand-in"},
            limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE),
        )
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, event: dict[str, Any], webhook: Webhook, is_registered: Callable[[str], bool]) -> None:
        """Begin to post an event; retries end where the webhook is not registered any more."""
        task = asyncio.create_task(self._deliver(event, webhook, is_registered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Wait until every event was taken or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """End what is under way and let go of the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def _deliver(self, event: dict[str, Any], webhook: Webhook, is_registered: Callable[[str], bool]) -> None:
        body = json.dumps(event, ensure_ascii=False).encode()
        waits = [wait_s / self._speed for wait_s in WEBHOOK_RETRY_WAITS_S]
        for attempt, wait_s in enumerate([*waits, None], 1):
            async with self._slots:
                posted_at = self._clock.now()
                status, reason = await self._send(body, webhook)
            self._log.append(
                Post(
                    event_id=str(event.get("id")),
                    event_type=str(event.get("event_type")),
                    webhook_id=webhook.id,
                    attempt=attempt,
                    posted_at=posted_at,
                    status=status,
                    reason=reason,
                    next_wait_s=None if reason is None else wait_s,
                )
            )
            if reason is None or wait_s is None:
                return
            await self._pause(wait_s)
            if not is_registered(webhook.id):
                return

    async def _send(self, body: bytes, webhook: Webhook) -> tuple[int | None, Reason | None]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {webhook.token.reveal()}"}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._http.stream("POST", webhook.url, content=body, headers=headers) as answer,
            ):
                # What the receiver says beside the status means nothing to the bank, so it is not read.
                return answer.status_code, None if answer.is_success else reason_of_status(answer.status_code)
        except (TimeoutError, httpx.TimeoutException):
            return None, Reason.TIMEOUT
        except (httpx.HTTPError, httpx.InvalidURL):
            return None, Reason.UNREACHABLE
