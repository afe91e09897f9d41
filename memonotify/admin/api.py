"""The admin listener and the control socket: probes, metrics and the JSON API.

Comes in: HTTP from an operator, a probe or a command of ours; goes out: JSON from `Operations`. The API wants the admin
token; the control socket wants none, because its file's permissions already decide who may reach it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from memonotify.admin.operations import Filters, Operations
from memonotify.admin.replaying import order_of
from memonotify.admin.silences import ids_of
from memonotify.admin.silences import order_of as silence_order_of
from memonotify.errors import MemonotifyError, NotFound
from memonotify.metrics import Metrics
from memonotify.secret import Secret

MAX_LIMIT: Final = 10_000
Ready = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Bad(Exception):  # noqa: N818 - it becomes a 400
    pass


def _answer(data: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(data, ensure_ascii=False).encode(), status=status, content_type="application/json"
    )


def _refuse(status: int, code: str, message: str) -> web.Response:
    return _answer({"code": code, "message": message}, status)


def _only(request: web.Request, *names: str) -> None:
    unknown = set(request.query) - set(names)
    if unknown:
        raise _Bad(f"{min(unknown)} is not a filter")


def _since(request: web.Request) -> datetime | None:
    try:
        since = datetime.fromisoformat(request.query["since"]) if "since" in request.query else None
    except ValueError:
        raise _Bad("since is not an ISO 8601 moment") from None
    if since is not None and since.tzinfo is None:
        raise _Bad("since has no zone")
    return since


def _flag(request: web.Request, name: str) -> bool:
    flag = request.query.get(name, "false")
    if flag not in ("true", "false"):
        raise _Bad(f"{name} is true or false")
    return flag == "true"


def _filters(request: web.Request) -> Filters:
    query = request.query
    _only(request, "state", "rule", "channel", "workspace", "event_id", "silence", "since", "limit")
    limit = query.get("limit", "50")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_LIMIT:
        raise _Bad(f"limit is not a number from 1 to {MAX_LIMIT}")
    return Filters(
        state=query.get("state"),
        rule=query.get("rule"),
        channel=query.get("channel"),
        workspace=query.get("workspace"),
        event_id=query.get("event_id"),
        silence=query.get("silence"),
        since=_since(request),
        limit=int(limit),
    )


async def _body(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError:
        raise _Bad("the body is not JSON") from None


async def _selection(request: web.Request, *, all_of: str = "dead") -> dict[str, Any]:
    body = await _body(request)
    if not isinstance(body, dict) or set(body) - {"ids", all_of, "rule", "channel"}:
        raise _Bad(f"the body holds ids, or {all_of} with rule and channel, and nothing else")
    ids = body.get("ids", [])
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise _Bad("ids is a list of strings")
    everything = body.get(all_of, False)
    if bool(ids) == bool(everything):
        raise _Bad(f"name ids, or say {all_of}: true")
    return {"ids": ids, all_of: bool(everything), "rule": body.get("rule"), "channel": body.get("channel")}


class Api:
    """The JSON API, as routes to add to a server."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def routes(self) -> list[web.RouteDef]:
        """Return the routes; each answers JSON, an error as `{"code", "message"}`."""
        return [
            web.get("/api/status", self._status),
            web.get("/api/events", self._events),
            web.get("/api/events/{id}/why", self._why_event),
            web.get("/api/rules/{name}/why", self._why_rule),
            web.get("/api/deliveries", self._deliveries),
            web.get("/api/deliveries/{id}", self._delivery),
            web.get("/api/channels", self._channels),
            web.get("/api/nodes", self._nodes),
            web.get("/api/coverage", self._coverage),
            web.post("/api/deliveries/retry", self._retry),
            web.post("/api/deliveries/discard", self._discard),
            web.post("/api/deliveries/release", self._release),
            web.post("/api/replay", self._replay),
            web.post("/api/reload", self._reload),
            web.get("/api/silences", self._silences),
            web.post("/api/silences", self._add_silence),
            web.post("/api/silences/expire", self._expire_silences),
            web.delete("/api/silences/{id}", self._expire_silence),
        ]

    async def _status(self, _request: web.Request) -> web.Response:
        return _answer(await self._operations.status())

    async def _events(self, request: web.Request) -> web.Response:
        return _answer(await self._operations.events(_filters(request)))

    async def _why_event(self, request: web.Request) -> web.Response:
        _only(request, "workspace", "rule", "fetch")
        query = request.query
        story = await self._operations.why_event(
            request.match_info["id"],
            workspace=query.get("workspace"),
            rule=query.get("rule"),
            fetch=_flag(request, "fetch"),
        )
        return _answer(story)

    async def _why_rule(self, request: web.Request) -> web.Response:
        _only(request, "workspace", "since")
        since = _since(request)
        if since is None:
            raise _Bad("since is missing")
        name, workspace = request.match_info["name"], request.query.get("workspace")
        return _answer(await self._operations.why_rule(name, since=since, workspace=workspace))

    async def _deliveries(self, request: web.Request) -> web.Response:
        return _answer(await self._operations.deliveries(_filters(request)))

    async def _delivery(self, request: web.Request) -> web.Response:
        found = await self._operations.delivery(request.match_info["id"])
        return _answer(found) if found else _refuse(404, "not_found", "There is no such delivery.")

    async def _channels(self, _request: web.Request) -> web.Response:
        return _answer(await self._operations.channels())

    async def _nodes(self, _request: web.Request) -> web.Response:
        return _answer(await self._operations.nodes())

    async def _coverage(self, request: web.Request) -> web.Response:
        return _answer(await self._operations.seen(_filters(request).since))

    async def _reload(self, _request: web.Request) -> web.Response:
        reloaded = await self._operations.reload()
        if reloaded.summary:
            return _answer({"code": "files_wrong", "message": f"{reloaded.summary}.", **reloaded.json()}, 422)
        return _answer(reloaded.json())

    async def _retry(self, request: web.Request) -> web.Response:
        return _answer({"ids": await self._operations.retry(**await _selection(request))})

    async def _discard(self, request: web.Request) -> web.Response:
        return _answer({"ids": await self._operations.discard(**await _selection(request))})

    async def _release(self, request: web.Request) -> web.Response:
        return _answer({"ids": await self._operations.release(**await _selection(request, all_of="held"))})

    async def _replay(self, request: web.Request) -> web.Response:
        return _answer(await self._operations.replay(order_of(await _body(request))))

    async def _silences(self, request: web.Request) -> web.Response:
        _only(request, "ended")
        return _answer(await self._operations.silences(ended=_flag(request, "ended")))

    async def _add_silence(self, request: web.Request) -> web.Response:
        return _answer(await self._operations.add_silence(silence_order_of(await _body(request))))

    async def _expire_silences(self, request: web.Request) -> web.Response:
        return _answer({"silences": await self._operations.expire_silences(ids_of(await _body(request)))})

    async def _expire_silence(self, request: web.Request) -> web.Response:
        expired = await self._operations.expire_silences([request.match_info["id"]])
        return _answer(expired[0]) if expired else _refuse(404, "not_found", "There is no such silence in force.")


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (_Bad, ValueError) as bad:
        return _refuse(400, "bad_request", f"{bad}.")
    except NotFound as error:
        return _refuse(404, "not_found", f"{error}.")
    except web.HTTPException as error:
        return _refuse(error.status, error.reason.lower().replace(" ", "_"), f"{error.reason}.")
    except MemonotifyError as error:
        return _refuse(503, "unavailable", f"{error}.")


def _guard(token: Secret | None) -> Any:
    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path.startswith("/api/"):
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            if token is None:
                return _refuse(403, "closed", "The API is closed: the configuration has no admin.token.")
            if scheme.lower() != "bearer" or not token.matches(given.strip()):
                return _refuse(401, "unauthorized", "The request carries no valid admin token.")
        return await handler(request)

    return guard


def admin_app(operations: Operations, *, token: Secret | None, metrics: Metrics, ready: Ready) -> web.Application:
    """Return the admin listener's application: probes and metrics are open, the API wants the token."""
    app = web.Application(middlewares=[_errors, _guard(token)], client_max_size=256 * 1024)

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_request: web.Request) -> web.Response:
        is_ready, details = await ready()
        return _answer(details, 200 if is_ready else 503)

    async def exposition(_request: web.Request) -> web.Response:
        return web.Response(
            body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)])
    app.add_routes(Api(operations).routes())
    return app


def control_app(operations: Operations) -> web.Application:
    """Return the control socket's application: the same API, guarded by the socket file's permissions."""
    app = web.Application(middlewares=[_errors], client_max_size=256 * 1024)
    app.add_routes(Api(operations).routes())
    return app
