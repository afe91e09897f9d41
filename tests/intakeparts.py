"""A running intake with the store's seam in a test's hands, and raw connections to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

from fakes import ManualClock

from memonotify.config.values import Listen, Server, Workspace
from memonotify.intake.server import Intake
from memonotify.metrics import Metrics
from memonotify.model import Event
from memonotify.secret import Secret

EVENT = {
    "id": "e-1",
    "date": "2024-11-12T11:14:03+00:00",
    "event_type": "transaction_confirmed",
    "resource_type": "transaction",
    "resource_id": "r-1",
}
AUTH = {"Authorization": "Bearer new-token"}
JSON = {"Content-Type": "application/json"}
SERVER = Server(listen=Listen(host="127.0.0.1"), allowed_ips=(ip_network("127.0.0.1/32"),))


class FakeStore:
    """Stands at the store's seam; `fault` is raised by the next receive, and while `hangs` is set it waits for it."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], Event] = {}
        self.submitted: list[Event] = []
        self.fault: Exception | None = None
        self.hangs: asyncio.Event | None = None
        self.backlog = 0

    async def receive(self, event: Event) -> bool:
        if self.hangs is not None:
            await self.hangs.wait()
        if self.fault is not None:
            raise self.fault
        key = (event.workspace, event.id)
        if key in self.events:
            return False
        self.events[key] = event
        self.submitted.append(event)
        return True


@asynccontextmanager
async def running_intake(store: FakeStore, server: Server = SERVER, **options: Any) -> AsyncIterator[Intake]:
    """Run an intake of two workspaces, acme and beta, on this store; `options` are the Intake's own."""
    intake = Intake(
        server,
        [
            Workspace(name="acme", tokens=(Secret("old-token"), Secret("new-token"))),
            Workspace(name="beta", tokens=(Secret("beta-token"),)),
        ],
        receive=store.receive,
        backlog=lambda: store.backlog,
        **{"clock": ManualClock(), "metrics": Metrics()} | options,
    )
    await intake.start()
    try:
        yield intake
    finally:
        await intake.stop(1)


def post(target: str = "/webhooks/acme", *headers: str, body: str | None = None, version: str = "1.1") -> bytes:
    """Return the bytes of a POST of EVENT to acme; of its body only the length is announced where `body` is empty."""
    content = json.dumps(EVENT)
    lines = (
        f"POST {target} HTTP/{version}",
        "Host: x",
        "Authorization: Bearer new-token",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n" + (content if body is None else body)).encode()


@asynccontextmanager
async def raw_connection(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to `host:port`, without an HTTP client that would mend what a test sends."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer_to(address: str, sent: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Send these bytes; return the first answer's status line, headers (names in lower case) and body."""
    async with raw_connection(address) as (reader, writer), asyncio.timeout(5):
        writer.write(sent)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n").split(b"\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        return status, headers, await reader.readexactly(int(headers.get(b"content-length", 0)))
