"""The stand-in's own endpoints, which no bank has: raise an event, list what was raised. For this machine only.

In: `POST /_standin/trigger` with `{event_type, set, repeat}`, `GET /_standin/events`. Out: JSON. Called by the command
that triggers events.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from memonotify.errors import StandInError
from memonotify.standin.gate import CONTROL_PREFIX, refusal
from memonotify.standin.verification import without_port
from memonotify.standin.webhooks import Post


class Raiser(Protocol):
    """What the control endpoints need of the stand-in behind them."""

    @property
    def events(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def deliveries(self) -> Sequence[Post]: ...

    async def raise_event(
        self, event_type: str, overrides: Mapping[str, Any] | None = None, *, repeat: int = 1
    ) -> dict[str, Any]: ...


class Control:
    """The control routes of one stand-in."""

    def __init__(self, bank: Raiser) -> None:
        self._bank = bank

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.post(f"{CONTROL_PREFIX}trigger", self._trigger),
            web.get(f"{CONTROL_PREFIX}events", self._events),
        ]

    async def _trigger(self, request: web.Request) -> web.Response:
        if (refused := _refused(request)) is not None:
            return refused
        # A page in a browser cannot send this type to another origin without asking first, and is never allowed.
        if request.content_type != "application/json":
            return refusal(415, "unsupported_media_type", "the body is application/json")
        try:
            event_type, overrides, repeat = _wanted(json.loads(await request.read()))
            event = await self._bank.raise_event(event_type, overrides, repeat=repeat)
        except (ValueError, RecursionError):
            return refusal(400, "invalid_body", "the body is not JSON")
        except StandInError as wrong:
            return refusal(400, "invalid_trigger", str(wrong))
        return web.json_response(event)

    async def _events(self, request: web.Request) -> web.Response:
        if (refused := _refused(request)) is not None:
            return refused
        posts: dict[str, list[dict[str, Any]]] = {}
        for post in self._bank.deliveries:
            posts.setdefault(post.event_id, []).append(_shown(post))
        listed = [{"event": event, "posts": posts.get(str(event["id"]), [])} for event in self._bank.events]
        return web.json_response({"results": listed[::-1]})


def _wanted(body: Any) -> tuple[str, dict[str, Any], int]:
    if not isinstance(body, dict) or not isinstance(body.get("event_type"), str):
        raise StandInError("a trigger is an object with event_type and, if need be, set and repeat")
    overrides, repeat = body.get("set", {}), body.get("repeat", 1)
    if not isinstance(overrides, dict):
        raise StandInError("set is an object of paths and values, such as {'resource.amount': 12500}")
    if type(repeat) is not int or not 1 <= repeat <= 1000:
        raise StandInError("repeat is a number from 1 to 1000")
    return body["event_type"], overrides, repeat


def _refused(request: web.Request) -> web.Response | None:
    # The name asked for counts as well: a page that points its own name at this machine must not get through.
    if _is_loopback(request.remote or "") and _is_loopback(without_port(request.headers.get("Host", ""))):
        return None
    return refusal(403, "forbidden", "the stand-in is controlled from its own machine only")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(post: Post) -> dict[str, Any]:
    return {
        "webhook_id": post.webhook_id,
        "attempt": post.attempt,
        "posted_at": post.posted_at.isoformat(),
        "status": post.status,
        "reason": post.reason,
        "next_wait_s": post.next_wait_s,
    }
