"""A store that hangs: the bank gets its answer all the same, and an event that is stored late is not lost."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from intakeparts import AUTH, EVENT, JSON, FakeStore, answer_to, post, raw_connection, running_intake

from memonotify.errors import StoreUnavailable
from memonotify.intake.server import Intake
from memonotify.metrics import Metrics

SHORT_S = 0.02


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    made.hangs = asyncio.Event()
    return made


async def _until_nothing_is_in_progress(intake: Intake) -> None:
    async with asyncio.timeout(5):
        while intake.in_progress:
            await asyncio.sleep(0)


def _requests(metrics: Metrics, status: int) -> float:
    return metrics.requests.labels(str(status))._value.get()


async def test_a_store_that_hangs_is_503_and_the_bank_comes_again(store: FakeStore) -> None:
    metrics = Metrics()
    async with running_intake(store, metrics=metrics, store_within_s=SHORT_S) as intake:
        status, headers, body = await answer_to(intake.address, post())
        assert status == b"HTTP/1.1 503 Service Unavailable"
        assert int(headers[b"retry-after"]) > 0
        assert headers[b"connection"] == b"close"
        assert json.loads(body)["code"] == "store_unavailable"
        assert _requests(metrics, 503) == 1
        assert store.hangs is not None
        store.hangs.set()


async def test_the_connection_ends_after_that_answer(store: FakeStore) -> None:
    async with running_intake(store, store_within_s=SHORT_S) as intake:
        async with raw_connection(intake.address) as (reader, writer), asyncio.timeout(5):
            writer.write(post())
            assert (await reader.read()).count(b"HTTP/1.1") == 1
        assert store.hangs is not None
        store.hangs.set()


async def test_an_event_that_is_stored_late_is_handed_on_and_then_a_duplicate(store: FakeStore) -> None:
    metrics = Metrics()
    async with running_intake(store, metrics=metrics, store_within_s=SHORT_S) as intake:
        await answer_to(intake.address, post())
        assert store.submitted == []
        assert store.hangs is not None
        store.hangs.set()
        await _until_nothing_is_in_progress(intake)
        assert [event.id for event in store.submitted] == [EVENT["id"]]
        assert (await answer_to(intake.address, post()))[0] == b"HTTP/1.1 204 No Content"
        assert len(store.submitted) == 1
        assert (_requests(metrics, 503), _requests(metrics, 204)) == (1, 1)


@pytest.mark.parametrize("fault", [StoreUnavailable("disk full"), ValueError("a bug")])
async def test_a_store_that_fails_late_is_answered_and_counted_once(store: FakeStore, fault: Exception) -> None:
    metrics = Metrics()
    async with running_intake(store, metrics=metrics, store_within_s=SHORT_S) as intake:
        await answer_to(intake.address, post())
        store.fault = fault
        assert store.hangs is not None
        store.hangs.set()
        await _until_nothing_is_in_progress(intake)
        assert (_requests(metrics, 503), _requests(metrics, 500)) == (1, 0)


async def test_an_answer_in_time_is_the_only_one(store: FakeStore) -> None:
    store.hangs = None
    async with running_intake(store, store_within_s=SHORT_S) as intake:
        async with httpx.AsyncClient(base_url=f"http://{intake.address}") as client:
            for number in range(20):
                event = EVENT | {"id": f"e-{number}"}
                answer = await client.post("/webhooks/acme", json=event, headers=AUTH | JSON)
                assert answer.status_code == 204
    assert len(store.submitted) == 20
