"""What should have come by a time, over a real store, on every database: who is told that it has not, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import ManualClock
from policyparts import Bench, bench_maker

from memonotify.holding import Policy
from memonotify.model import Outcome
from memonotify.policies.expect import Course, remembered
from memonotify.store import Store

Making = Callable[..., Bench]

HOUR, DAY = 3600.0, 86_400.0
START = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 26, 9, 0, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 27, 11, 0, tzinfo=UTC)
"""The 28th is a Saturday: the deadline is on Friday at noon in Paris."""
DECEMBER = datetime(2026, 12, 28, 11, 0, tzinfo=UTC)

PAYROLL = """
rules:
  - name: payroll
    match: {event_type: transfer_confirmed}
    when: resource.reference == "PAYROLL"
    expect: {by: "0 12 28 * *", since: 5d, business_days: target2}
    severity: critical
    notify:
      - channel: chat
        text: "missing by {{ expected.by | datetime }}, last {{ expected.last.date | date if expected.last else '-' }}"
    resolved:
      - {channel: chat, text: "{{ event.id }} came, expected by {{ expected.by | date }}: {{ resource.reference }}"}
"""
DAILY = """
rules:
  - name: settlement
    match: {event_type: transfer_confirmed}
    expect: {by: "0 18 * * mon-fri", timezone: UTC, business_days: target2, grace: 15m}
    notify: [{channel: chat, text: "none by {{ expected.by }}"}]
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def making(store: Store, clock: ManualClock, tmp_path: Path) -> Making:
    return bench_maker(store, clock, tmp_path)


async def pay(bench: Bench, name: str, *, date: datetime | None = None) -> None:
    await bench.event("transfer_confirmed", name=name, date=date, reference="PAYROLL")


async def courses(bench: Bench, rule: str = "payroll") -> dict[str, Course]:
    known = await bench.store.policy_states("acme", rule, Policy.EXPECT, limit=100)
    found = {key[:10]: remembered(text) for key, text in known}
    return {key: one.course for key, one in found.items() if one is not None}


async def test_what_comes_in_time_is_told_to_nobody(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(days=1))
    await pay(bench, "evt-pay")
    await bench.until(NOVEMBER + timedelta(days=1))
    # October was missed: nothing came.
    assert len(bench.told) == 1
    assert await courses(bench) == {"2026-10-28": Course.MISSED, "2026-11-27": Course.CAME}


async def test_what_has_not_come_by_its_deadline_is_told_then_and_once(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await pay(bench, "evt-oct", date=OCTOBER)
    await bench.until(NOVEMBER - timedelta(seconds=1))
    assert bench.told == []
    await bench.until(NOVEMBER)
    assert bench.told == ["missing by 27 Nov 2026, 12:00:00, last 26 Oct 2026"]
    assert bench.sent[0].at == NOVEMBER
    assert bench.sent[0].delivery.payload["severity"] == "critical"
    await bench.turn(DAY, steps=3)
    assert len(bench.told) == 1


async def test_one_that_comes_late_is_told_as_resolved_and_does_not_count_for_the_next(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER)
    bench.sent.clear()
    await bench.turn(DAY)
    await pay(bench, "evt-late")
    await bench.turn()
    assert bench.told == ["evt-late came, expected by 27 Nov 2026: PAYROLL"]
    await pay(bench, "evt-more")
    await bench.until(DECEMBER)
    assert bench.told[1:] == ["missing by 28 Dec 2026, 12:00:00, last 28 Nov 2026"]


async def test_an_event_whose_condition_is_false_is_none_that_was_expected(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(hours=1))
    bench.sent.clear()
    event = await bench.event("transfer_confirmed", reference="RENT")
    await bench.until(NOVEMBER)
    assert len(bench.told) == 1
    (decision,) = await bench.store.decisions(event)
    assert decision.outcome is Outcome.NOT_MATCHED


async def test_an_event_in_time_leaves_a_trace_that_says_so(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.until(NOVEMBER - timedelta(hours=1))
    event = await bench.event("transfer_confirmed", reference="PAYROLL")
    (decision,) = await bench.store.decisions(event)
    assert (decision.outcome, decision.detail) == (Outcome.EXPECTED, "expected, and came in time")
    early = await bench.event("transfer_confirmed", reference="PAYROLL", date=NOVEMBER - timedelta(days=9))
    (decision,) = await bench.store.decisions(early)
    assert decision.detail == "expected, but counts for no deadline: it came too early for the next one"


async def test_an_event_of_the_period_that_comes_in_after_the_alarm_resolves_it(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER + timedelta(hours=2))
    bench.sent.clear()
    await pay(bench, "evt-repeated", date=NOVEMBER - timedelta(hours=3))
    await bench.turn()
    assert bench.told == ["evt-repeated came, expected by 27 Nov 2026: PAYROLL"]
    assert (await courses(bench))["2026-11-27"] is Course.LATE


async def test_a_deadline_on_a_closed_day_is_on_the_open_day_before_or_after_or_left_out(making: Making) -> None:
    for shift, by in (("next", "2026-11-30"), ("skip", "2026-12-28")):
        bench = making(PAYROLL.replace("target2}", f"target2, shift: {shift}}}").replace("payroll", f"pay-{shift}"))
        bench.clock.advance((datetime(2026, 11, 1, tzinfo=UTC) - bench.clock.now()).total_seconds())
        await bench.turn()
        (schedule,) = await bench.store.schedules()
        assert schedule.due_at.isoformat()[:10] == by


async def test_an_event_that_waits_for_the_bank_puts_the_alarm_off_until_it_is_evaluated(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(minutes=5))
    bench.sent.clear()
    event = await bench.arrive("transfer_confirmed", reference="PAYROLL")
    await bench.until(NOVEMBER)
    assert bench.told == []
    await bench.evaluate(event)
    await bench.turn(HOUR, steps=10)
    assert bench.told == []
    assert (await courses(bench))["2026-11-27"] is Course.CAME


async def test_after_an_hour_the_alarm_says_how_many_events_still_wait(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(minutes=5))
    bench.sent.clear()
    await bench.arrive("transfer_confirmed", reference="PAYROLL")
    await bench.until(NOVEMBER)
    await bench.turn(HOUR - 1, steps=20)
    assert bench.told == []
    await bench.turn(1)
    (text,) = bench.told
    assert "one event is still not evaluated, and may be what was expected" in text


async def test_a_deadline_over_which_nothing_ran_is_judged_at_the_return_however_late(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(hours=1))
    bench.sent.clear()
    bench.clock.advance(9 * DAY)
    bench.start()
    await bench.turn()
    assert bench.told == []
    await bench.turn(HOUR, steps=20)
    (text,) = bench.told
    assert text.startswith("missing by 27 Nov 2026, 12:00:00")
    assert "nothing ran here when the deadline was over" in text


async def test_what_the_bank_repeats_after_the_return_is_seen_before_the_deadline_is_judged(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(hours=1))
    bench.sent.clear()
    bench.clock.advance(3 * HOUR)
    bench.start()
    await bench.turn()
    await bench.turn(1700)
    await pay(bench, "evt-repeated", date=NOVEMBER - timedelta(minutes=30))
    await bench.turn(2 * HOUR, steps=20)
    assert bench.told == []
    assert (await courses(bench))["2026-11-27"] is Course.CAME


async def test_several_deadlines_over_which_nothing_ran_are_each_judged_the_last_few_of_many(making: Making) -> None:
    bench = making(DAILY)
    await bench.turn()
    bench.clock.advance(7.5 * DAY)
    bench.start()
    await bench.turn(HOUR, steps=3)
    assert sorted(text[10:18] for text in bench.told) == ["26-10-02", "26-10-05", "26-10-06", "26-10-07", "26-10-08"]
    bench.sent.clear()
    bench.clock.advance(60 * DAY)
    bench.start()
    await bench.turn(HOUR, steps=3)
    last = ["26-11-27", "26-11-30", "26-12-01", "26-12-02", "26-12-03", "26-12-04", "26-12-07"]
    assert sorted(text[10:18] for text in bench.told) == last


async def test_a_rule_that_has_not_seen_the_whole_period_says_nothing_at_its_first_deadline(making: Making) -> None:
    bench = making(PAYROLL)
    bench.clock.advance((NOVEMBER - timedelta(days=2) - bench.clock.now()).total_seconds())
    await bench.turn()
    await bench.until(NOVEMBER + timedelta(hours=1))
    assert bench.told == []
    assert await courses(bench) == {"2026-11-27": Course.SKIPPED}
    await bench.until(DECEMBER)
    assert len(bench.told) == 1


async def test_grace_lets_an_event_count_and_judges_when_it_is_over(making: Making) -> None:
    bench = making(DAILY)
    await bench.turn()
    await bench.until(datetime(2026, 10, 2, 18, 10, tzinfo=UTC))
    await bench.event("transfer_confirmed")
    await bench.until(datetime(2026, 10, 5, 18, 14, tzinfo=UTC))
    assert bench.told == []
    await bench.until(datetime(2026, 10, 5, 18, 15, tzinfo=UTC))
    assert [text[:24] for text in bench.told] == ["none by 2026-10-05T18:00"]


async def test_two_nodes_judge_a_deadline_once(making: Making, store: Store) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    bench.clock.advance((NOVEMBER - bench.clock.now()).total_seconds())
    other = Bench(store=store, clock=bench.clock, config=bench.config, ruleset=bench.ruleset, bank=bench.bank)
    bench.start()
    bench.clock.advance(2 * HOUR)
    for _ in range(3):
        await asyncio.gather(bench.scheduler.look(), other.scheduler.look())
        await asyncio.gather(bench.scheduler.idle(), other.scheduler.idle())
        bench.clock.advance(HOUR)
    await bench.turn()
    # October and November.
    assert len(bench.told) == 2


async def test_an_event_and_its_deadline_at_the_same_time_end_in_one_of_both_orders(making: Making) -> None:
    bench = making(PAYROLL)
    await bench.turn()
    await bench.until(NOVEMBER - timedelta(seconds=1))
    bench.sent.clear()
    event = await bench.arrive("transfer_confirmed", reference="PAYROLL", name="evt-pay")
    rules = bench.ruleset.candidates(event.event_type, event.resource_type, event.workspace)
    evaluation = await bench.evaluator.evaluate(bench.evaluator.begin(event, rules))
    # The deadline is judged between deciding the event and writing that down.
    await bench.until(NOVEMBER + timedelta(hours=2))
    assert (await bench.store.record(evaluation)).name == "CHANGED"
    await bench.evaluate(event)
    await bench.turn()
    assert [text[:7] for text in bench.told] == ["missing", "evt-pay"]


async def test_an_escalation_follows_a_miss_until_what_was_expected_has_come(making: Making) -> None:
    rules = PAYROLL + (
        "    escalate:\n"
        "      - {after: 2h, notify: [{channel: mail, subject: 'still none', text: x}]}\n"
        "      - {after: 1d, notify: [{channel: mail, subject: 'never', text: x}]}\n"
    )
    bench = making(rules)
    await bench.turn()
    await pay(bench, "evt-oct", date=OCTOBER)
    await bench.until(NOVEMBER)
    await bench.turn(2 * HOUR)
    assert bench.told[1:] == ["still none"]
    await pay(bench, "evt-late")
    await bench.turn(2 * DAY, steps=4)
    assert bench.told[1:] == ["still none", "evt-late came, expected by 27 Nov 2026: PAYROLL"]


async def test_a_miss_waits_for_the_end_of_quiet_hours(making: Making) -> None:
    hours = """
    night: {timezone: UTC, from: "10:00", to: "14:00"}
    """
    bench = making(PAYROLL + "    quiet: {hours: night}\n", hours=hours)
    await bench.turn()
    await pay(bench, "evt-oct", date=OCTOBER)
    await bench.until(NOVEMBER + timedelta(hours=1))
    assert bench.told == []
    await bench.until(NOVEMBER + timedelta(hours=3))
    assert len(bench.told) == 1


async def test_a_rule_in_the_shadow_sends_nothing_and_still_knows_what_came(making: Making) -> None:
    bench = making(PAYROLL.replace("severity: critical", "mode: shadow"))
    await bench.turn()
    await bench.until(NOVEMBER)
    assert bench.told == []
    assert (await bench.states())["suppressed"] == 2
    await pay(bench, "evt-late", date=NOVEMBER + timedelta(hours=1))
    assert (await courses(bench))["2026-11-27"] is Course.LATE


async def test_a_limit_counts_the_messages_of_misses(making: Making) -> None:
    bench = making(DAILY + "    limit: {count: 1, per: 3d}\n")
    await bench.turn()
    for day in (2, 5, 6, 7, 8):
        await bench.until(datetime(2026, 10, day, 18, 15, tzinfo=UTC))
    assert bench.told[0][:23] == "none by 2026-10-02T18:0"
    assert len(bench.told) < 5


async def test_without_since_one_soon_after_a_miss_is_the_late_one_and_one_near_the_next_counts_for_that(
    making: Making,
) -> None:
    bench = making(DAILY)
    await bench.turn()
    await bench.until(datetime(2026, 10, 5, 18, 15, tzinfo=UTC))
    bench.sent.clear()
    await bench.event("transfer_confirmed", date=datetime(2026, 10, 5, 20, 0, tzinfo=UTC))
    await bench.until(datetime(2026, 10, 6, 18, 15, tzinfo=UTC))
    assert len(bench.told) == 1
    await bench.until(datetime(2026, 10, 7, 9, tzinfo=UTC))
    await bench.event("transfer_confirmed")
    await bench.until(datetime(2026, 10, 7, 18, 15, tzinfo=UTC))
    assert len(bench.told) == 1
    assert (await courses(bench, "settlement"))["2026-10-07"] is Course.CAME
