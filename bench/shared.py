"""One node and two on PostgreSQL against one on SQLite, and what a claim costs beside a long history.

Needs a server where a database may be made: MEMONOTIFY_TEST_POSTGRES, by default the one on this machine. Without one
the section says so and measures nothing.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench import load, stage, waits
from bench.rows import Row, row_of

_SETTLED = 1_000_000
_CLAIMS = 60


@asynccontextmanager
async def a_database() -> AsyncIterator[str | None]:
    """Give the URL of a fresh database, None where no server is to be had."""
    address = os.environ.get("MEMONOTIFY_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
    name = f"memonotify_bench_{uuid4().hex}"
    try:
        import psycopg

        await asyncio.to_thread(_order, address, f"CREATE DATABASE {name}")
    except (ImportError, psycopg.Error) as error:
        waits.progress(f"postgres: skipped, {type(error).__name__} at {address}")
        yield None
        return
    try:
        yield f"{address}/{name}"
    finally:
        await asyncio.to_thread(_order, address, f"DROP DATABASE {name} WITH (FORCE)")


def _order(address: str, order: str) -> None:
    import psycopg

    with psycopg.connect(f"{address}/postgres", autocommit=True, connect_timeout=3) as connection:
        connection.execute(order.encode())


async def postgres(folder: Path, *, quick: bool) -> list[Row]:
    """Accept and end to end, on SQLite and on PostgreSQL with one node and two; then claims."""
    async with a_database() as url:
        if url is None:
            return []
        rows = await _accept(folder, url, 1.0 if quick else 3.0)
    async with a_database() as url:
        assert url is not None
        rows += await _end_to_end(folder, url, 300 if quick else 1500)
    async with a_database() as url:
        assert url is not None
        rows += await _claims(url, _SETTLED // 10 if quick else _SETTLED)
    return rows


@asynccontextmanager
async def _nodes(
    folder: Path, stores: list[str], outside: dict[str, Any] | None, rules: str
) -> AsyncIterator[list[stage.Peer]]:
    async with AsyncExitStack() as stack:
        peers = []
        for number, store in enumerate(stores):
            own = folder / f"{uuid4().hex}-{number}"
            config, environ = stage.write_config(
                own, outside=outside, channel="http", concurrency=8, rules=rules, store=store
            )
            peers.append(await stack.enter_async_context(stage.peer("daemon", config, environ=environ)))
        yield peers


async def _accept(folder: Path, url: str, seconds: float) -> list[Row]:
    runs: dict[str, list[load.Outcome]] = {"SQLite": [], "PostgreSQL": []}
    rows = []
    async with _nodes(folder, ["sqlite:///store.db", url], None, stage.QUIET_RULES) as peers:
        for _ in range(3):
            for name, peer in zip(runs, peers, strict=True):
                waits.progress(f"accept on {name}")
                runs[name].append(await load.flood(peer.ready["port"], seconds=seconds))
                await waits.drained(peer.ready["admin"])
    base = statistics.median(run.rate for run in runs["SQLite"])
    for name, peer in zip(runs, peers, strict=True):
        ratio = statistics.median(run.rate for run in runs[name]) / base
        rows.append(row_of(f"accept, one node on {name}", runs[name], peer.end, {"rate/SQLite": ratio}))
    async with _nodes(folder, [url, url], None, stage.QUIET_RULES) as peers:
        waits.progress("accept on PostgreSQL, two nodes")
        both = await asyncio.gather(
            *(load.flood(peer.ready["port"], seconds=seconds, connections=32) for peer in peers)
        )
    rate = sum(run.rate for run in both)
    latencies = load.Outcome(seconds=both[0].seconds, latencies=[one for run in both for one in run.latencies])
    rows.append(
        Row(
            what="accept, two nodes on PostgreSQL",
            rate=rate,
            p50_ms=latencies.percentile(0.5),
            p99_ms=latencies.percentile(0.99),
            ratios={"rate/SQLite": rate / base},
        )
    )
    return rows


async def _end_to_end(folder: Path, url: str, events: int) -> list[Row]:
    rates: dict[str, float] = {}
    for name, stores in (
        ("one node on SQLite", ["sqlite:///store.db"]),
        ("one node on PostgreSQL", [url]),
        ("two nodes on PostgreSQL", [url, url]),
    ):
        waits.progress(f"end to end, {name}")
        async with stage.peer("outside") as outside, _nodes(folder, stores, outside.ready, stage.HTTP_RULES) as peers:
            began = time.perf_counter()
            await asyncio.gather(*(load.post(peer.ready["port"], events=events // len(peers)) for peer in peers))
            rates[name] = events / (await waits.received(outside.ready["port"], "http", events) - began)
    base = rates["one node on SQLite"]
    return [
        Row(what=f"end to end, {name}", rate=rate, ratios={"rate/SQLite": rate / base}) for name, rate in rates.items()
    ]


async def _claims(url: str, settled: int) -> list[Row]:
    """Claim one of a hundred waiting deliveries, in a table without any settled one and with very many."""
    from memonotify.clock import SystemClock
    from memonotify.store.store import Store

    spent: dict[str, float] = {}
    async with Store(url, clock=SystemClock()) as store:
        for name, count in (("no", 0), (f"{settled:,}", settled)):
            waits.progress(f"claims beside {name} settled deliveries")
            await asyncio.to_thread(_fill, url, count)
            samples = []
            for _ in range(_CLAIMS):
                began = time.perf_counter()
                (claimed,) = await store.claim("bench", limit=1, lease_s=30)
                samples.append(time.perf_counter() - began)
                await store.release(claimed)
            spent[name] = statistics.median(samples)
    alone, beside = spent.values()
    return [
        Row(what="claim beside no settled delivery", p50_ms=alone * 1000),
        Row(
            what=f"claim beside {settled:,} settled deliveries",
            p50_ms=beside * 1000,
            ratios={"p50/none": beside / alone},
            aim="p50 ≤ 1.5",
        ),
    ]


def _fill(url: str, settled: int) -> None:
    import psycopg

    row = (
        "INSERT INTO deliveries (id, identity, workspace, event_id, rule, channel, branch, entry, payload, state, "
        "attempts, created_at, due_at, settled_at) SELECT '{0}' || n, '{0}' || n, 'acme', 'e' || n, 'r', 'bench', "
        "'notify', 0, '{{}}', '{0}', 0, n, n, {1} FROM generate_series(1, {2}) AS n ON CONFLICT DO NOTHING"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(row.format("pending", "NULL", 100).encode())
        connection.execute(row.format("sent", "n", settled).encode())
        connection.execute(b"VACUUM ANALYZE deliveries")
