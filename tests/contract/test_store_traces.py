"""Traces: what was concluded for an event, of all its rules in one row."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from storeparts import HOUR, START, a_delivery, stored

from memonotify.model import Decision, Evaluation, Falsehood, Outcome, Recorded
from memonotify.store import Store
from memonotify.store.tables import decisions, traces

FALSE = Falsehood(condition="resource.amount > 5", values=(("resource.amount", "3"), ("é\ud800\0", '"…"')))


def _decisions(count: int) -> tuple[Decision, ...]:
    silent = (
        Decision(rule=f"rule-{number}", outcome=Outcome.NOT_MATCHED, detail=str(FALSE), falsehood=FALSE)
        for number in range(count)
    )
    return (*silent, Decision(rule="speaks", outcome=Outcome.MATCHED, key="k", deliveries=(a_delivery(rule="speaks"),)))


async def _counted(store: Store, name: str) -> int:
    table = {"decisions": decisions, "traces": traces}[name]
    return await store._read(lambda connection: connection.scalar(select(func.count()).select_from(table)) or 0)


async def test_an_event_of_five_hundred_rules_is_one_trace_and_comes_back_whole(store: Store) -> None:
    event = await stored(store)
    made = _decisions(500)
    assert await store.record(Evaluation(event=event, evaluated_at=START, decisions=made)) is Recorded.WRITTEN
    told = await store.decisions(event)
    assert [(one.rule, one.outcome, one.key) for one in told] == [(one.rule, one.outcome, one.key) for one in made]
    assert told[0].falsehood == FALSE
    assert await _counted(store, "decisions") == 1, "only what is not a mere silence has a row of its own"
    size = await store._read(lambda connection: len(connection.scalar(select(traces.c.body)) or b""))
    assert size < 10_000


async def test_an_event_is_found_by_the_rule_that_spoke_and_not_by_one_that_stayed_silent(store: Store) -> None:
    event = await stored(store)
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=_decisions(2)))
    assert [one.id for one in await store.events(rule="speaks")] == ["e1"]
    assert await store.events(rule="rule-0") == []


async def test_a_trace_goes_with_its_event(store: Store) -> None:
    event = await stored(store)
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=_decisions(2)[:2]))
    assert await store.purge(before=START + timedelta(days=91)) == 1
    assert await _counted(store, "traces") == 0


@pytest.mark.parametrize("count", [3, 1100])
async def test_what_a_rule_concluded_since_a_moment_is_told_newest_first(store: Store, count: int) -> None:
    for number in range(count):
        event = await stored(store, f"e{number}", at=START + HOUR * (number // 2))
        outcome = Outcome.NOT_MATCHED if number % 3 else Outcome.FAILED
        decision = Decision(rule="big", outcome=outcome, detail=f"n{number}")
        other = Decision(rule="other", outcome=Outcome.NOT_MATCHED)
        await store.record(Evaluation(event=event, evaluated_at=START, decisions=(other, decision)))
    told = await store.decisions_of_rule("big", START + HOUR)
    assert [decision.detail for _, _, decision in told] == [f"n{number}" for number in range(count - 1, 1, -1)]
    assert {name for name, _, _ in told} == {f"e{number}" for number in range(2, count)}
