"""Windows over a real store, on every database: what rules that count see, and what people are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fakes import ManualClock
from policyparts import Bench, bench_maker

from memonotify.engine.inquiry import PutOff
from memonotify.store import Store

Making = Callable[..., Bench]
DAY_S = 86_400.0


@pytest.fixture
def making(store: Store, clock: ManualClock, tmp_path: Path) -> Making:
    return bench_maker(store, clock, tmp_path)


RETURNS = """
rules:
  - name: many-returns
    match: {event_type: collection_returned}
    window:
      returns: {count: true, by: "{{ resource.mandate_id }}", within: 7d}
    when: returns > 3
    notify: [{channel: chat, text: "{{ resource.mandate_id }}: {{ returns }}"}]
"""
TOTAL = """
rules:
  - name: outgoing
    match: {event_type: transaction_confirmed}
    window:
      total: {sum: true, when: 'resource.direction == "debit"', by: "{{ resource.account_id }}", within: 1d}
    when: resource.direction == "debit" and total > 50000
    notify: [{channel: chat, text: "{{ total | money(resource.currency) }}"}]
"""
NEW_IBAN = """
rules:
  - name: never-paid
    match: {event_type: transaction_confirmed}
    window:
      is_new: {first_seen: true, by: "{{ resource.remote_iban }}", within: 365d}
    when: is_new
    notify: [{channel: chat, text: "{{ resource.remote_iban }}"}]
"""
TWICE = """
rules:
  - name: twice
    match: {event_type: transaction_confirmed}
    window:
      alike: {count: true, by: "{{ resource.remote_iban }} {{ resource.amount }} {{ resource.currency }}", within: 3d}
    when: alike == 2
    notify: [{channel: chat, text: "{{ resource.id }}: {{ alike }}"}]
"""


async def test_more_than_three_returned_debits_of_a_mandate_within_a_week_are_told(making: Making) -> None:
    bench = making(RETURNS)
    for _ in range(3):
        await bench.event(mandate_id="m1")
        await bench.event(mandate_id="m2")
        await bench.turn(DAY_S)
    assert bench.told == []
    await bench.event(mandate_id="m1")
    await bench.turn(5 * DAY_S)
    assert bench.told == ["m1: 4"]
    # The first ones are more than a week ago by now.
    await bench.event(mandate_id="m1")
    await bench.turn()
    assert bench.told == ["m1: 4"]


async def test_a_window_reaches_back_to_but_not_onto_its_beginning(making: Making) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    await bench.event(mandate_id="m")
    await bench.turn(7 * DAY_S - 1)
    await bench.event(mandate_id="m")
    await bench.turn(1)
    await bench.event(mandate_id="m")
    await bench.turn()
    assert bench.told == ["m: 1", "m: 2", "m: 2"]


async def test_an_outgoing_total_over_a_day_is_summed_exactly(making: Making) -> None:
    bench = making(TOTAL)
    debit = {"account_id": "a", "direction": "debit", "currency": "EUR"}
    await bench.event("transaction_confirmed", amount=4_999_999, **debit)
    await bench.event("transaction_confirmed", amount=900_000_00, **{**debit, "direction": "credit"})
    await bench.event("transaction_confirmed", amount=1, **debit)
    await bench.turn()
    assert bench.told == []
    await bench.event("transaction_confirmed", amount=1, **debit)
    await bench.turn()
    assert bench.told == ["€50,000.01"]


async def test_currencies_are_summed_apart_each_in_its_unit(making: Making) -> None:
    bench = making(TOTAL)
    debit = {"account_id": "a", "direction": "debit"}
    await bench.event("transaction_confirmed", amount=5_000_000, currency="EUR", **debit)
    await bench.event("transaction_confirmed", amount=40_000, currency="JPY", **debit)
    await bench.turn()
    assert bench.told == []
    await bench.event("transaction_confirmed", amount=10_001, currency="JPY", **debit)
    await bench.turn()
    assert bench.told == ["JP¥50,001"]


async def test_a_payment_to_an_iban_never_paid_before_is_told_once(making: Making) -> None:
    bench = making(NEW_IBAN)
    for iban in ("FR1", "FR2", "FR1", "FR2", "FR3"):
        await bench.event("transaction_confirmed", remote_iban=iban)
        await bench.turn(30 * DAY_S)
    assert bench.told == ["FR1", "FR2", "FR3"]


async def test_the_same_amount_to_the_same_iban_twice_within_three_days_is_told(making: Making) -> None:
    bench = making(TWICE)
    await bench.event("transaction_confirmed", of="a", remote_iban="FR1", amount=500)
    await bench.event("transaction_confirmed", of="b", remote_iban="FR1", amount=501)
    await bench.event("transaction_confirmed", of="c", remote_iban="FR2", amount=500)
    await bench.turn(2 * DAY_S)
    await bench.event("transaction_confirmed", of="d", remote_iban="FR1", amount=500)
    await bench.turn(2 * DAY_S)
    await bench.event("transaction_confirmed", of="e", remote_iban="FR2", amount=500)
    await bench.turn()
    assert bench.told == ["d: 2"]


async def test_several_events_of_one_resource_count_once_with_the_newest_amount(making: Making) -> None:
    rules = TOTAL.replace("transaction_confirmed", "transaction_*").replace("total > 50000", "total > 0")
    bench = making(rules)
    debit = {"account_id": "a", "direction": "debit", "currency": "EUR"}
    await bench.event("transaction_authorized", of="t1", amount=1000, **debit)
    await bench.event("transaction_confirmed", of="t1", amount=1200, **debit)
    await bench.event("transaction_confirmed", of="t2", amount=100, **debit)
    await bench.turn()
    assert sorted(bench.told) == ["€10.00", "€12.00", "€13.00"]


async def test_an_event_that_is_evaluated_again_counts_once(making: Making) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    event = await bench.event(of="r", mandate_id="m")
    await bench.evaluate(event)
    await bench.event(of="s", mandate_id="m")
    await bench.turn()
    assert sorted(bench.told) == ["m: 1", "m: 2"]


async def test_a_late_event_counts_where_it_belongs(making: Making, clock: ManualClock) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    began = clock.now()
    await bench.event(mandate_id="m", date=began)
    await bench.turn(6 * DAY_S)
    await bench.event(mandate_id="m")
    # It happened on the second day: the event of the sixth is not in its past, but it is in that of the one to come.
    await bench.event(mandate_id="m", date=began + timedelta(days=2))
    await bench.turn(2 * DAY_S)
    await bench.event(mandate_id="m")
    await bench.turn()
    assert bench.told == ["m: 1", "m: 2", "m: 2", "m: 3"]


async def test_a_date_in_the_future_counts_from_when_the_event_came(making: Making, clock: ManualClock) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    await bench.event(mandate_id="m", date=clock.now() + timedelta(days=300))
    await bench.event(mandate_id="m")
    await bench.turn()
    assert sorted(bench.told) == ["m: 1", "m: 2"]


async def test_a_restart_forgets_nothing(making: Making) -> None:
    bench = making(RETURNS)
    for _ in range(4):
        await bench.event(mandate_id="m")
        bench.start()
    await bench.turn()
    assert bench.told == ["m: 4"]


async def test_a_rule_that_is_added_sees_what_the_store_has_of_before(making: Making) -> None:
    bench = making(RETURNS.replace("returns > 3", "resource.amount > 1e9"))
    for _ in range(3):
        await bench.event(mandate_id="m")
    added = RETURNS.replace("7d", "8d").replace("many-returns", "other")
    bench.reload(added)
    await bench.event(mandate_id="m")
    await bench.turn()
    assert bench.told == ["m: 4"]


async def test_an_edited_window_is_filled_anew(making: Making) -> None:
    bench = making(RETURNS.replace('resource.mandate_id }}", within', 'resource.debtor }}", within'))
    for _ in range(3):
        await bench.event(mandate_id="m", debtor="d")
    bench.reload(RETURNS)
    await bench.event(mandate_id="m", debtor="d")
    await bench.turn()
    assert bench.told == ["m: 4"]


async def test_what_came_while_no_rule_counted_is_caught_up_on(making: Making) -> None:
    bench = making(RETURNS)
    await bench.event(mandate_id="m")
    reading = RETURNS.replace("      returns: {count", "      others: {first_seen").replace("returns > 3", "not others")
    bench.reload(reading.replace("{{ returns }}", ""))
    for _ in range(2):
        await bench.event(mandate_id="m")
    bench.reload(RETURNS)
    await bench.event(mandate_id="m")
    await bench.turn()
    assert "m: 4" in bench.told


async def test_rules_with_the_same_window_share_it(making: Making, store: Store) -> None:
    first = RETURNS.replace("returns > 3", "returns == 2")
    bench = making(
        first
        + first.split("rules:")[1]
        .replace("many-returns", "second")
        .replace("returns:", "others:")
        .replace("returns ==", "others ==")
        .replace("{{ returns }}", "{{ others }}")
    )
    await bench.event(mandate_id="m")
    await bench.event(mandate_id="m")
    await bench.turn()
    assert bench.told == ["m: 2", "m: 2"]
    assert len(await store.window_fills()) == 1


async def test_until_a_window_is_filled_its_events_wait(making: Making) -> None:
    bench = making(RETURNS)
    event = await bench.arrive(mandate_id="m")
    work = bench.evaluator.begin(event, bench.ruleset.rules)
    with pytest.raises(PutOff) as waits:
        await bench.evaluator.evaluate(work)
    bench.evaluator.end(work)
    assert waits.value.is_behind
    await bench.evaluate(event)
    assert (await bench.store.event("acme", event.id)).evaluated_at is not None


async def test_a_window_counts_events_that_its_rule_does_not_look_at(making: Making) -> None:
    rules = NEW_IBAN.replace(
        "match: {event_type: transaction_confirmed}", "match: {event_type: transaction_authorized}"
    )
    rules = rules.replace("first_seen: true,", "first_seen: true, match: {event_type: transaction_confirmed},")
    bench = making(rules)
    await bench.event("transaction_authorized", remote_iban="FR1")
    await bench.event("transaction_authorized", remote_iban="FR1")
    await bench.event("transaction_confirmed", remote_iban="FR1")
    await bench.event("transaction_authorized", remote_iban="FR1")
    await bench.turn()
    assert bench.told == ["FR1", "FR1"]


async def test_why_shows_the_value_that_was_too_small(making: Making) -> None:
    bench = making(RETURNS)
    await bench.event(mandate_id="m")
    await bench.event(mandate_id="m", name="second")
    event = await bench.store.event("acme", "second")
    assert event is not None
    (decision,) = await bench.store.decisions(event)
    assert decision.falsehood is not None
    assert str(decision.falsehood) == "returns > 3 is false: returns is 2"


async def test_an_event_whose_key_fails_is_a_failed_decision_and_counts_for_nothing(making: Making) -> None:
    bench = making(RETURNS)
    event = await bench.event()
    (decision,) = await bench.store.decisions(event)
    assert decision.detail.startswith("window.returns: by: `resource.mandate_id` is missing")


async def test_old_entries_are_purged_and_the_rest_stays(making: Making, store: Store, clock: ManualClock) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    for _ in range(3):
        await bench.event(mandate_id="m")
    await bench.turn(DAY_S)
    await bench.event(mandate_id="m")
    assert await store.purge_windows(before=clock.now(), limit=2) == 2
    assert await store.purge_windows(before=clock.now(), limit=2) == 1
    assert await store.purge_windows(before=clock.now(), limit=2) == 0
    await bench.event(mandate_id="m")
    await bench.turn()
    assert bench.told[-1] == "m: 2"


async def test_events_that_are_evaluated_side_by_side_see_each_other_in_order(making: Making) -> None:
    bench = making(RETURNS.replace("returns > 3", "returns >= 0"))
    await bench.event(mandate_id="warm")
    waiting = [await bench.arrive(mandate_id=key) for key in "mnmmnm"]
    await asyncio.gather(*(bench.evaluate(event) for event in waiting))
    await bench.turn()
    told = {sent.delivery.event_id: sent.text for sent in bench.sent}
    assert [told[event.id] for event in waiting] == ["m: 1", "n: 1", "m: 2", "m: 3", "n: 2", "m: 4"]


async def test_a_rule_with_two_windows_sees_all_before_it_in_order(making: Making) -> None:
    rules = RETURNS.replace("returns > 3", "returns >= 0").replace(
        "within: 7d}", 'within: 7d}\n      all: {count: true, by: "all", within: 1d}'
    )
    bench = making(rules.replace("{{ returns }}", "{{ returns }} of {{ all }}"))
    waiting = [await bench.arrive(mandate_id=key) for key in "mnmn"]
    await bench.filler.look()
    await asyncio.gather(*(bench.evaluate(event) for event in waiting))
    await bench.turn()
    told = {sent.delivery.event_id: sent.text for sent in bench.sent}
    assert [told[event.id] for event in waiting] == ["m: 1 of 1", "n: 1 of 2", "m: 2 of 3", "n: 2 of 4"]
