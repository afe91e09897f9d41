"""What is not done with in a workspace, on every backend."""

from __future__ import annotations

from dataclasses import replace

from storeparts import HOUR, START, a_delivery, an_event, evaluated, stored

from memonotify.model import DeliveryState
from memonotify.store import Store

WANTED = "wire_transfer_attachment_required"


async def received(store: Store, name: str, resource_id: str, event_type: str = WANTED, **fields: object) -> None:
    event = replace(an_event(name), resource_id=resource_id, event_type=event_type, **fields)  # type: ignore[arg-type]
    await store.receive(replace(event, body={"id": name, "resource_id": resource_id}))


async def test_a_wire_transfer_waits_until_something_else_comes_of_it(store: Store) -> None:
    await received(store, "e1", "waits")
    await received(store, "e2", "went")
    await received(store, "e3", "went", "wire_transfer_confirmed")
    await received(store, "e4", "theirs", workspace="zeta")
    items = await store.open_items("acme", START - HOUR)
    assert [body["resource_id"] for body in items.wires] == ["waits"]


async def test_a_wire_transfer_asked_for_twice_is_listed_once(store: Store) -> None:
    await received(store, "e1", "waits")
    await received(store, "e2", "waits")
    assert [body["id"] for body in (await store.open_items("acme", START - HOUR)).wires] == ["e2"]


async def test_a_wire_transfer_of_long_ago_is_not_listed(store: Store) -> None:
    await received(store, "e1", "old", received_at=START - 2 * HOUR)
    assert (await store.open_items("acme", START - HOUR)).wires == ()


async def test_messages_and_events_are_counted_for_their_workspace(store: Store) -> None:
    done = await stored(store, "e1")
    await store.record(evaluated(done))
    await stored(store, "e2")
    await stored(store, "e3", workspace="zeta")
    for number, state in enumerate((DeliveryState.DEAD, DeliveryState.DEAD, DeliveryState.HELD, DeliveryState.SENT)):
        await store.add_delivery(a_delivery("x", entry=number, state=state))
    await store.add_delivery(replace(a_delivery("y", state=DeliveryState.DEAD), workspace="zeta"))
    items = await store.open_items("acme", START - HOUR)
    assert (items.dead, items.held, items.waiting) == (2, 1, 1)
