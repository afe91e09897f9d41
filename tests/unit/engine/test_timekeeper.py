"""When the timekeeper looks, and what keeps it from it: on a store that is made up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from fakes import ManualClock
from storeparts import START

from memonotify.engine.timekeeper import LOOK_S, STORE_WAIT_S, HoldStore, Timekeeper
from memonotify.errors import StoreUnavailable
from memonotify.holding import Hold, Policy
from memonotify.metrics import Metrics
from memonotify.model import Branch, Delivery, DeliveryState
from memonotify.rules.values import Ruleset
from memonotify.store.held import Held
from memonotify.templating.filters import Filters


class FakeStore:
    """Has holds that are due until they are moved; `fault` is raised by every move."""

    def __init__(self, *due: Held) -> None:
        self.leads = True
        self.due = list(due)
        self.later: Any = None
        self.moved: list[str] = []
        self.fault: dict[str, Exception] = {}

    async def next_moment(self) -> Any:
        return self.later

    async def due_holds(self, limit: int) -> list[Held]:
        return self.due[:limit]

    async def due_gatherings(self, _limit: int) -> list[Any]:
        return []

    async def active_silences(self, _at: Any) -> list[Any]:
        return []

    async def bury_orphans(self, _channels: Any) -> int:
        return 0

    async def move(self, waiting: Held, _state: DeliveryState, **_facts: Any) -> bool:
        name = waiting.delivery.id
        if name in self.fault:
            raise self.fault[name]
        self.due.remove(waiting)
        self.moved.append(name)
        return True


def a_held(name: str) -> Held:
    delivery = Delivery(
        id=name,
        identity=name,
        workspace="acme",
        event_id=name,
        rule="gone",
        channel="mail",
        branch=Branch.NOTIFY,
        entry=0,
        payload={},
        state=DeliveryState.HELD,
        attempts=0,
        created_at=START,
        due_at=START,
    )
    return Held(delivery=delivery, hold=Hold(policy=Policy.QUIET, until=START), event=None)


def a_timekeeper(store: FakeStore, clock: ManualClock) -> tuple[Timekeeper, list[str]]:
    woken: list[str] = []
    made = Timekeeper(
        store=cast("HoldStore", store),
        ruleset=lambda: Ruleset(rules=()),
        hours={},
        channels=("mail",),
        resource_types={},
        filters=Filters("en_GB", "Europe/Paris"),
        on_deliveries=woken.extend,
        on_failures=lambda: woken.append("failures"),
        clock=clock,
        metrics=Metrics(),
    )
    return made, woken


async def test_what_is_due_goes_and_wakes_its_channel() -> None:
    store = FakeStore(a_held("a"), a_held("b"))
    timekeeper, woken = a_timekeeper(store, ManualClock(START))
    assert await timekeeper.look() == LOOK_S
    assert store.moved == ["a", "b"]
    assert woken == ["mail", "mail"]


@pytest.mark.parametrize(("in_s", "look_s"), [(-5, 0.0), (0, 0.0), (7, 7.0), (3600, LOOK_S)])
async def test_it_looks_again_at_the_next_moment_and_at_least_each_minute(in_s: float, look_s: float) -> None:
    store = FakeStore()
    store.later = START + timedelta(seconds=in_s)
    timekeeper, _ = a_timekeeper(store, ManualClock(START))
    assert await timekeeper.look() == look_s


async def test_a_node_that_does_not_lead_moves_nothing() -> None:
    store = FakeStore(a_held("a"))
    store.leads = False
    timekeeper, _ = a_timekeeper(store, ManualClock(START))
    assert await timekeeper.look() == LOOK_S
    assert store.moved == []


async def test_one_that_a_fault_of_ours_stops_keeps_no_other_from_going() -> None:
    store = FakeStore(a_held("bad"), a_held("good"))
    store.fault["bad"] = ValueError("ours")
    timekeeper, _ = a_timekeeper(store, ManualClock(START))
    assert await timekeeper.look() == STORE_WAIT_S
    assert store.moved == ["good"]


async def test_a_message_of_which_a_fault_of_ours_keeps_the_fate_from_being_known_is_sent() -> None:
    store = FakeStore(a_held("a"))

    async def fail(_at: Any) -> list[Any]:
        raise ValueError("ours")

    store.active_silences = fail  # type: ignore[method-assign]
    timekeeper, _ = a_timekeeper(store, ManualClock(START))
    await timekeeper.look()
    assert store.moved == ["a"]


async def test_a_store_that_is_away_ends_the_look_and_what_is_left_goes_the_next_time() -> None:
    store = FakeStore(a_held("a"), a_held("b"))
    store.fault["a"] = StoreUnavailable("away")
    timekeeper, _ = a_timekeeper(store, ManualClock(START))
    with pytest.raises(StoreUnavailable):
        await timekeeper.look()
    # What was under way beside it is done.
    assert store.moved == ["b"]
    store.fault.clear()
    await timekeeper.look()
    assert store.moved == ["b", "a"]
