"""The callers: keep-alive connections that post events as fast as they are answered, or at a steady rate.

A raw protocol stands here in place of an HTTP client, so that the caller costs a fraction of what it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import cast

TOKEN = "bench-token"
_BODY = (
    b'{"id": "%032d", "date": "2026-03-02T09:30:00+00:00", "event_type": "%s", '
    b'"resource_type": "transaction", "resource_id": "7ad37a52-8f48-4c70-bc38-269a1133ea2f"}'
)
_numbers = itertools.count(time.time_ns() % 10**15 * 1000)


def request(event_type: bytes) -> bytes:
    """Return one POST of a new event, as the bank sends it."""
    body = _BODY % (next(_numbers), event_type)
    return (
        b"POST /webhooks/acme HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (TOKEN.encode(), len(body), body)
    )


@dataclass
class Outcome:
    """What one run of callers saw. Latencies in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency that this share of answers stayed under, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 if ordered else float("nan")


class Caller(asyncio.Protocol):
    """One connection: the next request goes out when the last is answered."""

    def __init__(self, outcome: Outcome, event_type: bytes, budget: list[int] | None) -> None:
        self._outcome = outcome
        self._event_type = event_type
        self._budget = budget
        self._transport: asyncio.Transport | None = None
        self._sent_at = 0.0
        self._answered: asyncio.Future[None] | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.running = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a connection cut under load is a fault of the run."""
        if not self.done.done():
            self.done.set_exception(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Count one answer and send the next request."""
        self._outcome.latencies.append(time.perf_counter() - self._sent_at)
        if data[9:12] != b"204":
            self._outcome.refused += 1
        if self._answered is not None:
            self._answered.set_result(None)
        elif self.running:
            self._send()
        else:
            self.finish()

    def _send(self) -> None:
        if self._budget is not None:
            if self._budget[0] <= 0:
                self.finish()
                return
            self._budget[0] -= 1
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(request(self._event_type))

    def begin(self) -> None:
        """Send as fast as answers come."""
        self.running = True
        self._send()

    async def one(self) -> None:
        """Send one request and wait for its answer."""
        self._answered = asyncio.get_running_loop().create_future()
        self._send()
        await self._answered
        self._answered = None

    def finish(self) -> None:
        """Close."""
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


async def _connect(
    port: int, outcome: Outcome, event_type: bytes, count: int, budget: list[int] | None
) -> list[Caller]:
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Caller(outcome, event_type, budget), "127.0.0.1", port)
        for _ in range(count)
    ]
    return [caller for _, caller in pairs]


async def flood(port: int, *, seconds: float, connections: int = 64, event_type: bytes = b"account_created") -> Outcome:
    """Post as fast as answers come for so long."""
    outcome = Outcome()
    callers = await _connect(port, outcome, event_type, connections, None)
    began = time.perf_counter()
    for caller in callers:
        caller.begin()
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.running = False
    await asyncio.gather(*(caller.done for caller in callers))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def post(
    port: int, *, events: int, connections: int = 16, event_type: bytes = b"transaction_confirmed"
) -> Outcome:
    """Post so many events as fast as answers come."""
    outcome = Outcome()
    callers = await _connect(port, outcome, event_type, connections, [events])
    began = time.perf_counter()
    for caller in callers:
        caller.begin()
    await asyncio.gather(*(caller.done for caller in callers))
    outcome.seconds = time.perf_counter() - began
    return outcome


async def steady(
    port: int, *, per_second: float, seconds: float, event_type: bytes = b"account_created", connections: int = 8
) -> Outcome:
    """Post at a steady rate; what is late counts from when it was due, so a stall is not hidden."""
    outcome = Outcome()
    free = asyncio.Queue[Caller]()
    callers = await _connect(port, outcome, event_type, connections, None)
    for caller in callers:
        free.put_nowait(caller)
    latencies: list[float] = []
    tasks: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        caller = await free.get()
        await caller.one()
        latencies.append(time.perf_counter() - due)
        free.put_nowait(caller)

    began = time.perf_counter()
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.add(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    outcome.seconds = time.perf_counter() - began
    outcome.latencies = latencies
    for caller in callers:
        caller.finish()
    return outcome
