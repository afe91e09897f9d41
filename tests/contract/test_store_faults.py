"""Faults: the disk fills up, a commit fails, an operation is at fault, the process is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Faults, ManualClock
from storeparts import START, a_delivery, an_event, claimed, evaluated, settled, stored, written
from structlog.testing import capture_logs

from memonotify.errors import StoreError, StoreUnavailable
from memonotify.holding import Policy, StateChange
from memonotify.metrics import Metrics
from memonotify.model import DeliveryState, Evaluation, Event, Recorded
from memonotify.store import Store
from memonotify.store.trouble import SETTLED_S


async def test_a_full_disk_is_said_to_everybody_who_waited_and_nothing_is_kept(
    store: Store, faults: Faults, metrics: Metrics, full_disk: tuple[Exception, str]
) -> None:
    error, said = full_disk
    faults.queued.append(error)
    answers = await asyncio.gather(*(store.receive(an_event(f"e{n}")) for n in range(8)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert {str(answer) for answer in answers} == {f"the store cannot be used now: {said}"}
    assert len({id(answer) for answer in answers}) == 8
    assert await store.events() == []
    assert metrics.registry.get_sample_value("memonotify_store_errors_total") == 1


async def test_a_full_disk_is_logged_once_while_it_lasts_and_once_when_it_is_over(
    store: Store, faults: Faults, clock: ManualClock, full_disk: tuple[Exception, str]
) -> None:
    error, said = full_disk
    with capture_logs() as logs:
        for second in range(30):
            # Small writes may work between others that do not.
            if second % 3:
                faults.queued.append(error)
            await asyncio.gather(*(store.receive(an_event(f"e{second}-{n}")) for n in range(5)), return_exceptions=True)
            clock.advance(1)
        detail = f"the store cannot be used now: {said}"
        assert logs == [{"event": "store_unavailable", "log_level": "error", "detail": detail}]
        await store.check_writable()
        clock.advance(SETTLED_S)
        await store.check_writable()
        assert logs[1:] == [{"event": "store_available", "log_level": "info", "after_s": 34.0}]
        faults.queued.append(error)
        with pytest.raises(StoreUnavailable):
            await store.check_writable()
    assert [log["event"] for log in logs] == ["store_unavailable", "store_available", "store_unavailable"]


async def test_an_operation_at_fault_is_no_trouble_of_the_store(store: Store) -> None:
    bad = a_delivery("", id="bad")
    object.__setattr__(bad, "entry", object())
    with capture_logs() as logs, pytest.raises(StoreError):
        await store.add_delivery(bad)
    assert logs == []


async def test_the_store_recovers_by_itself(store: Store, faults: Faults, full_disk: tuple[Exception, str]) -> None:
    faults.queued.extend([full_disk[0]] * 2)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await store.check_writable()
    await store.check_writable()
    assert await store.receive(an_event()) == 1


async def test_each_kind_of_operation_leaves_nothing_half_done(
    store: Store, faults: Faults, full_disk: tuple[Exception, str]
) -> None:
    event = await written(store, a_delivery())
    other = await stored(store, "e2")
    delivery = await claimed(store)
    change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old=None, new="true")
    operations: list[Callable[[], object]] = [
        lambda: store.record(evaluated(other, a_delivery("e2"), changes=[change])),
        lambda: store.settle(settled(delivery, DeliveryState.SENT, parts=(a_delivery(entry=5),))),
        lambda: store.release(delivery),
        lambda: store.postpone(other, START),
        lambda: store.add_delivery(a_delivery("", id="test")),
        lambda: store.mark_evaluated([other], START),
        lambda: store.void_claims(),
        lambda: store.claim("mail", limit=1, lease_s=30),
        lambda: store.told([]),
        lambda: store.purge(before=START),
    ]
    for operation in operations:
        faults.queued.append(full_disk[0])
        with pytest.raises(StoreUnavailable):
            await operation()  # type: ignore[misc]
    (unchanged,) = await store.deliveries()
    assert (unchanged.state, unchanged.lease, unchanged.attempts) == (DeliveryState.SENDING, delivery.lease, 1)
    assert [waiting.id for waiting in await store.unevaluated()] == ["e2"]
    assert await store.policy_state("acme", "big", Policy.FIRE, "k") is None
    assert await store.settle(settled(delivery, DeliveryState.SENT))
    assert event.seq != other.seq


async def test_an_operation_at_fault_does_not_fail_its_neighbours(store: Store) -> None:
    good = await stored(store, "e1")
    bad_part = a_delivery(entry=1)
    object.__setattr__(bad_part, "entry", object())
    answers = await asyncio.gather(
        store.receive(an_event("e2")),
        store.add_delivery(bad_part),
        store.record(evaluated(good, a_delivery())),
        return_exceptions=True,
    )
    assert isinstance(answers[0], int)
    assert isinstance(answers[1], StoreError)
    assert not isinstance(answers[1], StoreUnavailable)
    assert answers[2] is Recorded.WRITTEN
    assert len(await store.deliveries()) == 1


async def test_what_an_operation_at_fault_says_holds_none_of_its_data(store: Store) -> None:
    bad = a_delivery("", id="bad", detail="FR7617338000010109143651430")
    object.__setattr__(bad, "entry", object())
    with pytest.raises(StoreError) as caught:
        await store.add_delivery(bad)
    assert "FR76" not in repr(caught.value)
    assert "INSERT" not in str(caught.value)


async def test_a_caller_that_went_away_harms_nobody(store: Store) -> None:
    gone = asyncio.ensure_future(store.receive(an_event("gone")))
    await asyncio.sleep(0)
    stays = asyncio.ensure_future(store.receive(an_event("stays")))
    gone.cancel()
    assert await stays is not None
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert "stays" in {event.id for event in await store.events()}


async def test_the_loop_runs_on_while_a_commit_is_stuck_and_the_watchdog_notices(
    store: Store, faults: Faults, clock: ManualClock
) -> None:
    stuck, free = threading.Event(), threading.Event()

    def hang() -> None:
        stuck.set()
        free.wait(30)

    faults.on_commit = hang
    waiting = [asyncio.ensure_future(store.receive(an_event(f"e{n}"))) for n in range(3)]
    await asyncio.to_thread(stuck.wait, 30)
    assert store.writer_alive(5)
    assert await store.events() == []
    clock.advance(6)
    assert not store.writer_alive(5)
    faults.on_commit = None
    free.set()
    await asyncio.gather(*waiting)
    await store.check_writable()
    assert store.writer_alive(5)


async def test_the_writer_is_not_alive_before_opening_and_after_closing(store_url: str, clock: ManualClock) -> None:
    store = Store(store_url, clock=clock)
    assert not store.writer_alive(5)
    async with store:
        assert store.writer_alive(5)
    assert not store.writer_alive(5)


async def test_what_waits_while_a_commit_runs_goes_with_the_next(
    store: Store, faults: Faults, metrics: Metrics
) -> None:
    def commits() -> float:
        return metrics.registry.get_sample_value("memonotify_store_commits_total") or 0

    stuck, free = threading.Event(), threading.Event()

    def hang() -> None:
        stuck.set()
        free.wait(30)

    faults.on_commit = hang
    first = asyncio.ensure_future(store.receive(an_event("first")))
    await asyncio.to_thread(stuck.wait, 30)
    rest = [asyncio.ensure_future(store.receive(an_event(f"e{n}"))) for n in range(40)]
    await asyncio.sleep(0)
    faults.on_commit = None
    free.set()
    await asyncio.gather(first, *rest)
    assert commits() == 2


_RECEIVER = """
import asyncio, itertools, sys
sys.path.insert(0, sys.argv[2])
from storeparts import an_event, a_delivery, evaluated
from memonotify.clock import SystemClock
from memonotify.store import Store

async def caller(store, first):
    for n in itertools.count(first, 16):
        event = an_event(f"e{n}")
        if await store.receive(event) is None:
            raise SystemExit("a new event was taken for an old one")
        sys.stdout.write(f"e{n}\\n")
        sys.stdout.flush()

async def main():
    async with Store(sys.argv[1], clock=SystemClock()) as store:
        await asyncio.gather(*(caller(store, int(sys.argv[3]) + n) for n in range(16)))

asyncio.run(main())
"""


def _answers_until_killed(store_url: str, first: int) -> list[str]:
    """Let a child receive events, kill it amid its work, and return the ids it had an answer for."""
    child = subprocess.Popen(
        [sys.executable, "-c", _RECEIVER, store_url, str(Path(__file__).parent.parent), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as lines:
        answered = [lines.readline() for _ in range(150)]
        os.kill(child.pid, signal.SIGKILL)
        answered += lines.readlines()
    assert child.wait(30) == -signal.SIGKILL
    # A line it did not finish was never an answer.
    return [line.strip() for line in answered if line.endswith("\n")]


async def test_what_was_answered_survives_sigkill(store_url: str, clock: ManualClock) -> None:
    answered = []
    for life in range(3):
        answered += await asyncio.to_thread(_answers_until_killed, store_url, life * 1_000_000)
    async with Store(store_url, clock=clock) as store:
        kept = {event.id for event in await store.events(limit=1_000_000)}
        assert set(answered) <= kept
        assert len(answered) == len(set(answered)) >= 450
        assert await store.receive(an_event(answered[0])) is None


async def test_a_claim_lost_in_a_crash_is_void_at_the_next_start(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock) as store:
        await written(store, a_delivery())
        await claimed(store)
    async with Store(store_url, clock=clock) as store:
        assert await store.void_claims() == 1
        assert (await claimed(store)).attempts == 2


async def test_many_marks_and_events_share_their_commits(store: Store, metrics: Metrics) -> None:
    events: list[Event] = [await stored(store, f"e{n}") for n in range(20)]
    before = metrics.registry.get_sample_value("memonotify_store_commits_total") or 0
    await asyncio.gather(
        *(store.record(Evaluation(event=event, evaluated_at=START)) for event in events),
        *(store.receive(an_event(f"new{n}")) for n in range(20)),
    )
    assert metrics.registry.get_sample_value("memonotify_store_commits_total") == before + 1
