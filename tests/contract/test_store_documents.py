"""Documents: written with the evaluation, kept once for all messages of an event, gone when none may be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from fakes import ManualClock
from sqlalchemy import Connection, text
from storeparts import START, a_delivery, a_failure, claimed, evaluated, settled, stored

from memonotify.holding import Policy, StateChange
from memonotify.janitor import Janitor
from memonotify.metrics import Metrics
from memonotify.model import DeliveryState, Document, NewDelivery, Recorded
from memonotify.store import Store

PATH = "/v2/transfers/r1/proof"
CONTENT = b"%PDF-1.4\n\0\xff\xfe the proof"


def a_document(path: str = PATH, content: bytes = CONTENT) -> Document:
    return Document(path=path, fetched_at=START, content=content)


async def proven(store: Store, *deliveries: NewDelivery, name: str = "e1") -> None:
    evaluation = evaluated(await stored(store, name), *deliveries, documents=(a_document(),))
    assert await store.record(evaluation) is Recorded.WRITTEN


async def kept(store: Store) -> Sequence[int]:
    def read(connection: Connection) -> list[int]:
        return list(connection.scalars(text("SELECT event_seq FROM documents ORDER BY 1")))

    return await store._read(read)


async def test_a_document_comes_back_byte_for_byte_for_its_event_and_path(store: Store) -> None:
    await proven(store, a_delivery())
    assert await store.document("acme", "e1", PATH) == CONTENT
    assert await store.document("acme", "e1", "/v2/transfers/r2/proof") is None
    assert await store.document("other", "e1", PATH) is None
    assert await store.document("acme", "e2", PATH) is None


async def test_a_document_is_on_stable_storage_with_the_messages_that_carry_it(
    store: Store, store_url: str, clock: ManualClock
) -> None:
    await proven(store, a_delivery())
    await store.close()
    async with Store(store_url, clock=clock) as again:
        assert await again.document("acme", "e1", PATH) == CONTENT
        assert (await claimed(again)).id == a_delivery().id


async def test_an_evaluation_that_is_void_leaves_no_document(store: Store) -> None:
    change = StateChange(workspace="acme", rule="big", policy=Policy.FIRE, key="k", old="true", new="false")
    evaluation = evaluated(await stored(store), a_delivery(), changes=[change], documents=(a_document(),))
    assert await store.record(evaluation) is Recorded.CHANGED
    assert (await kept(store)) == []


async def test_many_documents_of_one_event_are_told_apart_by_their_path(store: Store) -> None:
    documents = (a_document(), a_document("/v2/x", b"other"))
    assert await store.record(evaluated(await stored(store), a_delivery(), documents=documents)) is Recorded.WRITTEN
    assert await store.document("acme", "e1", "/v2/x") == b"other"
    assert await store.document("acme", "e1", PATH) == CONTENT


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEAD])
async def test_a_document_stays_while_one_of_the_events_messages_may_still_be_sent(
    store: Store, state: DeliveryState
) -> None:
    await proven(store, a_delivery(entry=0, channel="mail"), a_delivery(entry=1, channel="other"))
    assert await store.settle(settled(await claimed(store, "other"), DeliveryState.SENT))
    if state is not DeliveryState.PENDING:
        delivery = await claimed(store)
        if state is DeliveryState.DEAD:
            assert await store.settle(settled(delivery, state, failures=(a_failure(),)))
    assert await store.release_documents() == 0
    assert await store.document("acme", "e1", PATH) == CONTENT


async def test_a_document_goes_when_all_messages_of_its_event_are_done_with(store: Store) -> None:
    await proven(store, a_delivery("sent"), name="sent")
    assert await store.settle(settled(await claimed(store), DeliveryState.SENT))
    await proven(store, a_delivery("waits"), name="waits")
    assert len(await kept(store)) == 2
    assert await store.release_documents() == 1
    assert await store.document("acme", "sent", PATH) is None
    assert await store.document("acme", "waits", PATH) == CONTENT
    assert await store.discard([a_delivery("waits").id])
    assert await store.release_documents() == 1
    assert (await kept(store)) == []


async def test_documents_are_released_in_batches_until_none_is_left(store: Store, clock: ManualClock) -> None:
    for number in range(5):
        await proven(store, name=f"e{number}")
    assert await store.release_documents(limit=2) == 2
    assert len(await kept(store)) == 3
    janitor = Janitor(store=store, channels=(), retention_s=1.0, clock=clock, metrics=Metrics())
    assert await janitor.release() == 3
    assert (await kept(store)) == []


async def test_a_document_goes_with_its_event(store: Store) -> None:
    await proven(store)
    assert await store.purge(before=START + timedelta(days=91)) == 1
    assert (await kept(store)) == []
