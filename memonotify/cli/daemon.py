"""How a command reaches the operations: through the running daemon's control socket, or on the store itself.

Both answer the same JSON data. A command never writes to a store that a daemon has open, and makes none.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memonotify.errors import ControlError, StoreInUse

if TYPE_CHECKING:
    from memonotify.admin.operations import Operations
    from memonotify.config.values import Config

ANSWER_S: Final = 30.0
"""How long the daemon may take for an answer."""

STARTING_S: Final = 5.0
"""How long a daemon that has the store open may take to open its socket."""

_CONNECT_S: Final = 3.0
_POLL_S: Final = 0.05

Direct = Callable[["Operations"], Awaitable[Any]]


class _NotThere(Exception):  # noqa: N818 - it becomes a sentence, or another try
    """Nobody listens on the control socket."""


class Reach:
    """The operations of one configuration's memonotify."""

    def __init__(self, config: Config, *, answer_s: float = ANSWER_S, starting_s: float = STARTING_S) -> None:
        self._config = config
        self._answer_s = answer_s
        self._starting_s = starting_s

    def get(self, path: str, query: Mapping[str, Any], direct: Direct) -> Any:
        """Ask the daemon for `path`; where none runs, ask the store by `direct`."""
        asked = {name: str(value) for name, value in query.items() if value is not None}
        return self._reach("GET", path, {"params": asked}, direct, read_only=True)

    def post(self, path: str, body: Mapping[str, Any], direct: Direct, *, read_only: bool = False) -> Any:
        """Have the daemon change something; where none runs, change it in the store by `direct`.

        `read_only`: it only asks, in more words than a query holds.
        """
        return self._reach("POST", path, {"json": dict(body)}, direct, read_only=read_only)

    def tell(self, path: str, *, also: Collection[int] = ()) -> Any:
        """Have the daemon do what only it can, and return what it answers; a status of `also` is an answer as well.

        Raises:
            ControlError: no daemon runs here.
        """
        from memonotify.store import control_socket, is_locked, is_shared

        socket = control_socket(self._config.store, self._config.path)
        deadline = time.monotonic() + self._starting_s
        while True:
            try:
                return self._ask(socket, "POST", path, {}, also)
            except _NotThere:
                is_starting = not is_shared(self._config.store) and is_locked(self._config.store)
                if not is_starting or time.monotonic() > deadline:
                    raise ControlError(f"no daemon listens on {socket}; memonotify serve starts one") from None
                time.sleep(_POLL_S)

    def _reach(self, method: str, path: str, request: dict[str, Any], direct: Direct, *, read_only: bool) -> Any:
        from memonotify.store import control_socket, is_locked, is_shared

        socket = control_socket(self._config.store, self._config.path)
        if is_shared(self._config.store):
            return self._on_shared(socket, method, path, request, direct, read_only=read_only)
        deadline = time.monotonic() + self._starting_s
        while True:
            try:
                if is_locked(self._config.store):
                    return self._ask(socket, method, path, request)
                return asyncio.run(self._on_store(direct, read_only=read_only))
            except (StoreInUse, _NotThere):
                # A daemon that is starting, or another command at work: both are over soon.
                if time.monotonic() > deadline:
                    raise ControlError(f"a daemon has the store open but does not listen on {socket}") from None
                time.sleep(_POLL_S)

    def _on_shared(
        self, socket: Path, method: str, path: str, request: dict[str, Any], direct: Direct, *, read_only: bool
    ) -> Any:
        """Ask this machine's daemon where there is one, which also knows of itself; else the store, as any node may."""
        if socket.exists():
            try:
                return self._ask(socket, method, path, request)
            except _NotThere:
                pass
        return asyncio.run(self._on_store(direct, read_only=read_only))

    async def _on_store(self, direct: Direct, *, read_only: bool) -> Any:
        from memonotify import logs
        from memonotify.admin.operations import Operations
        from memonotify.clock import SystemClock
        from memonotify.store.store import Store

        # What the store would log, the command says itself.
        logs.configure("critical")
        clock = SystemClock()
        store = Store(self._config.store, clock=clock)
        channels = {name: channel.type for name, channel in self._config.channels.items()}
        if not store.exists():
            from memonotify.cli.nostore import NoStore

            click.echo(f"There is no store yet: memonotify serve makes {store.name}.", err=True)
            return await direct(Operations(NoStore(), channels=channels, clock=clock, daemon=None))
        await store.open(read_only=read_only)
        try:
            return await direct(Operations(store, channels=channels, clock=clock, daemon=None))
        finally:
            await store.close()

    def _ask(self, socket: Path, method: str, path: str, request: dict[str, Any], also: Collection[int] = ()) -> Any:
        import httpx

        from memonotify.unixsocket import reachable

        timeout = httpx.Timeout(self._answer_s, connect=_CONNECT_S)
        try:
            with (
                reachable(socket) as name,
                httpx.Client(
                    transport=httpx.HTTPTransport(uds=name),
                    timeout=timeout,
                    trust_env=False,
                    base_url="http://memonotify",
                ) as client,
            ):
                response = client.request(method, path, **request)
                data = response.json()
        except (httpx.ConnectError, OSError):
            if socket.exists() and not os.access(socket, os.W_OK):
                raise ControlError(f"this user may not use {socket}; run this as the daemon's user") from None
            raise _NotThere from None
        except httpx.TimeoutException:
            raise ControlError(
                f"the daemon did not answer on {socket} within {self._answer_s:g} seconds; it may hang"
            ) from None
        except (httpx.HTTPError, ValueError):
            raise ControlError(f"what listens on {socket} does not answer like memonotify") from None
        if response.is_success or response.status_code in also:
            return data
        message = data.get("message") if isinstance(data, dict) else None
        raise ControlError(str(message or "the daemon refused and did not say why").rstrip("."))
