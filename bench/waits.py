"""Waiting for what the peers do, bounded in time, and saying what is going on."""

from __future__ import annotations

import asyncio
import sys
import time

WAIT_S = 120.0


def progress(text: str) -> None:
    """Say on stderr what is measured now."""
    sys.stderr.write(f"  {text}\n")
    sys.stderr.flush()


async def drained(admin: int) -> None:
    """Wait until the daemon has evaluated what it took in."""
    import httpx

    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{admin}") as client:
        taken = evaluated = -1.0
        deadline = time.monotonic() + WAIT_S
        while taken != evaluated and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            text = (await client.get("/metrics")).text
            taken = _sum(text, "memonotify_events_total{", 'result="new"')
            evaluated = _sum(text, "memonotify_events_evaluated_total{", "")


def _sum(text: str, name: str, label: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name) and label in line)


async def received(port: int, kind: str, count: int) -> float:
    """Wait until the receiver has so many; return the moment."""
    import httpx

    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}") as client:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if (await client.get("/counts")).json()[kind] >= count:
                return time.perf_counter()
            await asyncio.sleep(0.02)
    raise RuntimeError(f"the receiver did not get {count} messages in time")


async def reloaded(admin: int, token: str) -> float:
    """Have the daemon load its rules again; return the seconds until it has.

    Raises:
        RuntimeError: it did not take them.
    """
    import httpx

    began = time.perf_counter()
    async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{admin}", timeout=300) as client:
        answer = await client.post("/api/reload", headers={"Authorization": f"Bearer {token}"})
    if answer.status_code != 200:
        raise RuntimeError(f"the reload was answered with {answer.status_code}: {answer.text[:300]}")
    return time.perf_counter() - began
