"""What stands before the stand-in's API: injected faults, the call quota, the token check, the bank's headers.

In: every request. Out: the API's answer, or a refusal in the bank's shape `{code, message}`. Called by aiohttp.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Final

from aiohttp import web

from memonotify.model import Clock
from memonotify.standin.verification import Unauthorized, Verifier

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CONTROL_PREFIX: Final = "/_standin/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An answer in place of the API's."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """What goes wrong next; all of it is set from outside. `delay_s` holds back every answer of the API."""

    def __init__(self) -> None:
        self.next: deque[Fault] = deque()
        self.delay_s = 0.0
        self.is_away = False


class Allowance:
    """The stand-in's call quota: `limit` calls in each window of `window_s` seconds, counted from the first."""

    def __init__(self, limit: int, window_s: float, clock: Clock) -> None:
        self.limit = limit
        self._window_s = window_s
        self._clock = clock
        self._ends_at = float("-inf")
        self.remaining = limit

    def spend(self) -> bool:
        """Count a call; False where the quota is spent."""
        if self._clock.monotonic() >= self._ends_at:
            self._ends_at = self._clock.monotonic() + self._window_s
            self.remaining = self.limit
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        return True

    def headers(self) -> dict[str, str]:
        """Return the three headers; the reset is rounded up, so that who waits for it is not early."""
        left_s = max(self._ends_at - self._clock.monotonic(), 0.0)
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(-int(-left_s // 1)),
        }


def refusal(status: int, code: str, message: str) -> web.Response:
    """Return an error in the bank's shape."""
    return web.json_response({"code": code, "message": message}, status=status)


class Gate:
    """The one middleware. Control endpoints pass it unchecked: they guard themselves."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        allowance: Allowance,
        faults: Faults,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._verifier = verifier
        self._allowance = allowance
        self._faults = faults
        self._clock = clock
        self._pause = pause

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request."""
        if request.path.startswith(CONTROL_PREFIX):
            return await _in_shape(request, handler)
        if self._faults.is_away:
            return _broken_off(request)
        if self._faults.delay_s:
            await self._pause(self._faults.delay_s)
        within = self._allowance.spend()
        answer = await self._answer(request, handler) if within else _over_quota()
        answer.headers.update(self._allowance.headers())
        answer.headers["Date"] = format_datetime(self._clock.now(), usegmt=True)
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._faults.next:
            fault = self._faults.next.popleft()
            return web.Response(
                status=fault.status,
                body=fault.body,
                headers={"Content-Type": fault.content_type, **fault.headers},
            )
        try:
            self._verifier.check(
                method=request.method,
                target=request.raw_path,
                host=request.headers.get("Host", ""),
                authorization=request.headers.get("Authorization"),
                body=await request.read(),
            )
        except Unauthorized as refused:
            return refusal(401, refused.code, refused.message)
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "payload_too_large", "the body is too large")
        return await _in_shape(request, handler)


async def _in_shape(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        answer = refusal(error.status, error.reason.lower().replace(" ", "_"), error.reason)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


def _over_quota() -> web.Response:
    return refusal(429, "too_many_requests", "the quota is spent; RateLimit-Reset says when it comes back")


def _broken_off(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
