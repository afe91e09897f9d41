"""The policies over a real store, on every database: what people are told, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import Faults, ManualClock
from policyparts import Bench, bench_maker, later
from storeparts import a_silence

from memonotify.errors import StoreUnavailable
from memonotify.janitor import Janitor
from memonotify.metrics import Metrics
from memonotify.model import DeliveryState, Fate, Matchers
from memonotify.store import Store

Making = Callable[..., Bench]


@pytest.fixture
def making(store: Store, clock: ManualClock, tmp_path: Path) -> Making:
    return bench_maker(store, clock, tmp_path)


GROUP = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    group: {by: "{{ resource.account_id }}", wait: 1m, max: 4}
    notify:
      - channel: chat
        text: "{{ events | length }}: {{ events | map(attribute='resource.id') | join(' ') }} {{ totals[0] | money }}"
"""


async def test_a_group_is_told_in_one_message_when_the_wait_of_its_first_is_over(making: Making) -> None:
    bench = making(GROUP)
    await bench.event(of="a", account_id="1", amount=1050)
    await bench.turn(30)
    await bench.event(of="b", account_id="1", amount=2000)
    await bench.event(of="c", account_id="2", amount=7)
    await bench.turn(29)
    assert bench.told == []
    await bench.turn(1)
    assert bench.told == ["2: a b €30.50"]
    await bench.turn(30)
    assert bench.told == ["2: a b €30.50", "1: c €0.07"]
    assert await bench.states() == {"told": 2, "sent": 2}


async def test_a_full_group_goes_at_once_and_the_next_begins_another(making: Making) -> None:
    bench = making(GROUP)
    for name in "abcde":
        await bench.event(of=name, account_id="1")
    await bench.turn()
    assert bench.told == ["4: a b c d €4.00"]
    await bench.turn(60)
    assert bench.told[1:] == ["1: e €1.00"]


async def test_a_restart_in_the_middle_of_a_group_changes_nothing(making: Making) -> None:
    bench = making(GROUP)
    await bench.event(of="a", account_id="1")
    bench.start()
    await bench.event(of="b", account_id="1")
    bench.start()
    await bench.turn(60)
    assert bench.told == ["2: a b €2.00"]


async def test_members_say_in_which_message_they_were_told(making: Making) -> None:
    bench = making(GROUP)
    for name in "ab":
        await bench.event(of=name, account_id="1")
    await bench.turn(60)
    (sent,) = bench.sent
    members = await bench.store.deliveries(state=DeliveryState.TOLD)
    assert {member.told_in for member in members} == {sent.delivery.id}
    assert sent.delivery.event_id == "evt-2"


async def test_a_group_whose_rule_is_gone_is_told_in_the_default_form(making: Making) -> None:
    bench = making(GROUP)
    for name in "ab":
        await bench.event(of=name, account_id="1", reference=f"ref-{name}")
    bench.reload(GROUP.replace("name: returns", "name: other"))
    await bench.turn(60)
    (text,) = bench.told
    assert text.startswith("returns: 2 events, €2.00")
    assert "ref-a" in text
    assert "ref-b" in text


async def test_a_group_whose_rule_gathers_no_more_is_told_in_the_default_form(making: Making) -> None:
    bench = making(GROUP)
    for name in "ab":
        await bench.event(of=name, account_id="1", reference=f"ref-{name}")
    bench.reload(PLAIN.replace("name: plain", "name: returns"))
    await bench.turn(60)
    (text,) = bench.told
    assert "ref-a" in text
    assert "ref-b" in text


ONCE = """
rules:
  - name: paid
    match: {event_type: ["transfer_confirmed", "transaction_confirmed"]}
    once: {per: "{{ resource.reference }}", within: 1d}
    notify:
      - {channel: chat, text: "{{ event.event_type }} {{ resource.reference }}"}
"""
PREFER = ONCE.replace("within: 1d", "within: 1d, prefer: transaction_confirmed, wait: 2m")


async def test_once_speaks_for_the_first_of_a_key_and_again_when_the_time_is_over(making: Making) -> None:
    bench = making(ONCE)
    await bench.event("transfer_confirmed", reference="A")
    await bench.event("transaction_confirmed", reference="A")
    await bench.event("transaction_confirmed", reference="B")
    await bench.turn(86_399)
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(1)
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn()
    assert sorted(bench.told) == ["transaction_confirmed B", "transfer_confirmed A", "transfer_confirmed A"]


async def test_a_preferred_event_that_comes_in_time_is_told_in_place_of_the_first(making: Making) -> None:
    bench = making(PREFER)
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(60)
    assert bench.told == []
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn(600)
    assert bench.told == ["transaction_confirmed A"]
    assert await bench.states() == {"told": 1, "sent": 1}


async def test_without_a_preferred_event_the_first_is_told_after_the_wait(making: Making) -> None:
    bench = making(PREFER)
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(120)
    assert bench.told == ["transfer_confirmed A"]
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn(600)
    assert bench.told == ["transfer_confirmed A"]


LIMIT = """
rules:
  - name: noisy
    match: {event_type: collection_returned}
    limit: {count: 2, per: 1h}
    notify:
      - {channel: chat, text: "{{ resource.id }}"}
"""


async def test_what_is_over_the_limit_is_told_in_one_message_when_there_is_room(making: Making) -> None:
    bench = making(LIMIT)
    for name in "abcd":
        await bench.event(of=name)
        await bench.turn(60)
    assert bench.told == ["a", "b"]
    await bench.turn(3600 - 240)
    (summary,) = bench.told[2:]
    assert "2 more messages" in summary
    assert "evt-3" in summary
    assert "evt-4" in summary
    await bench.event(of="e")
    await bench.turn()
    assert bench.told[3:] == ["e"]


NIGHTS = 'nights: {days: [mon, tue, wed, thu, fri, sat, sun], from: "19:00", to: "08:00"}\n'
QUIET = """
rules:
  - name: night
    match: {event_type: collection_returned}
    quiet: {hours: nights, then: THEN}
    notify:
      - {channel: chat, text: "{{ resource.id }}"}
"""


async def at_night(bench: Bench) -> None:
    await bench.until(datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    for name in "abc":
        await bench.event(of=name)
        await bench.turn(60)


async def test_quiet_hours_hold_each_message_until_they_end(making: Making) -> None:
    bench = making(QUIET.replace("THEN", "hold"), hours=NIGHTS)
    await at_night(bench)
    await bench.turn(10 * 3600)
    assert bench.told == []
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    assert sorted(bench.told) == ["a", "b", "c"]


async def test_a_digest_tells_the_night_in_one_message(making: Making) -> None:
    bench = making(QUIET.replace("THEN", "digest"), hours=NIGHTS)
    await at_night(bench)
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    (text,) = bench.told
    assert text.startswith("night: 3 events")


async def test_what_quiet_hours_drop_is_suppressed_and_listed(making: Making) -> None:
    bench = making(QUIET.replace("THEN", "drop"), hours=NIGHTS)
    await at_night(bench)
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    assert bench.told == []
    (first, *_) = suppressed = await bench.store.deliveries(state=DeliveryState.SUPPRESSED)
    assert len(suppressed) == 3
    assert first.detail.startswith("quiet: nights")


async def test_the_messages_of_a_night_are_grouped_behind_it(making: Making) -> None:
    rules = GROUP.replace("group:", "quiet: {hours: nights}\n    group:").replace("max: 4", "max: 100")
    bench = making(rules, hours=NIGHTS)
    await bench.until(datetime(2026, 3, 2, 17, 59, 30, tzinfo=UTC))
    await bench.event(of="before", account_id="1")
    await bench.turn(45)
    await bench.event(of="a", account_id="1")
    await bench.turn(15)
    await bench.event(of="b", account_id="1")
    await bench.until(datetime(2026, 3, 3, 6, 59, 59, tzinfo=UTC))
    # What began before the quiet time does not speak in it either, and is not told with what came in it.
    assert bench.told == []
    await bench.turn(1)
    assert bench.told == ["1: before €1.00"]
    await bench.turn(60)
    assert bench.told[1:] == ["2: a b €2.00"]


ESCALATE = """
rules:
  - name: wire
    match: {event_type: wire_transfer_attachment_required}
    notify:
      - {channel: chat, text: "needs a document: {{ resource.id }}"}
    escalate:
      - after: 1h
        unless: {event_type: [wire_transfer_confirmed, wire_transfer_canceled]}
        notify:
          - {channel: chat, text: "still waits: {{ resource.id }}"}
      - after: 1d
        unless: {event_type: "wire_transfer_*"}
        notify:
          - {channel: mail, subject: "it will be lost: {{ resource.id }}"}
"""


async def test_an_escalation_speaks_step_by_step_while_nothing_ends_it(making: Making) -> None:
    bench = making(ESCALATE)
    await bench.event("wire_transfer_attachment_required", of="w1")
    await bench.turn(3600)
    assert bench.told == ["needs a document: w1", "still waits: w1"]
    await bench.event("transfer_confirmed", of="w1")
    await bench.turn(86_400)
    assert bench.told[2:] == ["it will be lost: w1"]


async def test_an_event_that_ends_an_escalation_silences_it_whenever_it_came_in(making: Making) -> None:
    bench = making(ESCALATE)
    # Taken in before the start, and dated after it: the bank's calls overtook each other.
    await bench.event("wire_transfer_confirmed", of="w1", date=bench.clock.now() + timedelta(seconds=1))
    await bench.event("wire_transfer_attachment_required", of="w1")
    await bench.event("wire_transfer_confirmed", of="w2", date=bench.clock.now() - timedelta(days=1))
    await bench.event("wire_transfer_attachment_required", of="w2")
    await bench.turn(3600)
    assert sorted(bench.told) == ["needs a document: w1", "needs a document: w2", "still waits: w2"]
    (ended,) = await bench.store.deliveries(state=DeliveryState.SUPPRESSED)
    assert ended.detail == "escalate: wire_transfer_confirmed came (evt-1)"


RESOLVED = """
rules:
  - name: low
    match: {event_type: transaction_confirmed}
    when: resource.balance < 100
    fire: on_change
    key: "{{ resource.account_id }}"
    notify: [{channel: chat, text: low}]
    resolved: [{channel: chat, text: fine}]
    escalate: {after: 1h, notify: [{channel: chat, text: still low}]}
"""


async def test_an_escalation_of_a_rule_that_resolves_ends_with_it(making: Making) -> None:
    bench = making(RESOLVED)
    await bench.event("transaction_confirmed", account_id="1", balance=50)
    await bench.event("transaction_confirmed", account_id="2", balance=50)
    await bench.turn(60)
    await bench.event("transaction_confirmed", account_id="1", balance=500)
    await bench.turn(3600)
    assert bench.told == ["low", "low", "fine", "still low"]


async def test_what_fell_below_is_over_only_where_the_hysteresis_holds(making: Making) -> None:
    rules = RESOLVED.replace("fire: on_change", "hysteresis: resource.balance > 120\n    fire: on_change")
    bench = making(rules.replace("    escalate: {after: 1h, notify: [{channel: chat, text: still low}]}\n", ""))
    for balance in (101, 99, 101, 99, 120, 121, 110, 99):
        await bench.event("transaction_confirmed", account_id="1", balance=balance)
        bench.start()
    await bench.turn()
    assert sorted(bench.told) == ["fine", "low", "low"]


async def test_what_is_suppressed_uses_up_no_key(making: Making) -> None:
    rules = ONCE.replace("notify:", "quiet: {hours: nights, then: drop}\n    notify:")
    bench = making(rules, hours=NIGHTS)
    await bench.until(datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    await bench.event("transfer_confirmed", reference="A")
    await bench.until(datetime(2026, 3, 3, 9, 0, tzinfo=UTC))
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn()
    assert bench.told == ["transaction_confirmed A"]


async def test_a_group_passes_the_limit_as_one_message_and_the_rest_names_all_its_events(making: Making) -> None:
    rules = GROUP.replace("notify:", "limit: {count: 1, per: 1h}\n    notify:")
    bench = making(rules)
    for account in "123":
        for name in "ab":
            await bench.event(of=f"{name}{account}", account_id=account)
        await bench.turn(60)
    assert bench.told == ["2: a1 b1 €2.00"]
    await bench.turn(3600)
    (summary,) = bench.told[1:]
    assert "2 more messages" in summary
    assert all(f"evt-{number}" in summary for number in (3, 4, 5, 6))


PLAIN = """
rules:
  - name: plain
    match: {event_type: collection_returned}
    notify:
      - {channel: chat, text: "{{ resource.id }}"}
"""


async def silence(bench: Bench, hours: float, *, name: str = "sil_a", **fields: Any) -> None:
    """Silence everything from now on, or what `matchers` say."""
    await bench.store.add_silence(
        a_silence(name, hours=hours, at=bench.clock.now(), **{"matchers": Matchers(), **fields})
    )


async def test_a_message_that_a_silence_let_go_meets_the_next_one(making: Making) -> None:
    bench = making(PLAIN)
    await silence(bench, 1)
    await bench.event(of="a")
    await bench.turn(1800)
    await silence(bench, 1, name="sil_b")
    await bench.turn(1800)
    assert bench.told == []
    (waiting,) = await bench.store.deliveries(state=DeliveryState.HELD)
    assert waiting.silence == "sil_b"
    await bench.turn(1800)
    assert bench.told == ["a"]


async def test_what_was_decided_under_a_silence_that_has_ended_meanwhile_does_not_wait_for_its_old_end(
    making: Making,
) -> None:
    bench = making(PLAIN)
    await silence(bench, 5)
    event = await bench.arrive(of="a")
    work = bench.evaluator.begin(event, bench.ruleset.candidates(event.event_type, event.resource_type, "acme"))
    evaluation = await bench.evaluator.evaluate(work)
    await bench.store.expire_silence("sil_a", bench.clock.now())
    await bench.store.record(evaluation)
    await bench.turn()
    assert bench.told == ["a"]


async def test_a_silence_that_is_ended_early_lets_its_messages_go_at_once(making: Making) -> None:
    bench = making(PLAIN)
    await silence(bench, 5)
    await bench.event(of="a")
    await bench.turn(60)
    await bench.store.expire_silence("sil_a", bench.clock.now())
    await bench.turn()
    assert bench.told == ["a"]
    assert await bench.states() == {"sent": 1}


async def test_what_a_silence_drops_is_suppressed_and_says_by_which(making: Making) -> None:
    bench = making(PLAIN)
    await silence(bench, 5, then=Fate.DROP)
    await bench.event(of="a")
    await bench.turn(6 * 3600)
    assert bench.told == []
    (dropped,) = await bench.store.deliveries(state=DeliveryState.SUPPRESSED)
    assert dropped.silence == "sil_a"


async def test_an_escalation_meets_a_silence_when_its_moment_comes(making: Making) -> None:
    bench = making(ESCALATE)
    await bench.event("wire_transfer_attachment_required", of="w1")
    await bench.turn(1800)
    await silence(bench, 2)
    await bench.turn(1800)
    assert bench.told == ["needs a document: w1"]
    await bench.turn(5400)
    assert bench.told == ["needs a document: w1", "still waits: w1"]


async def test_a_message_whose_rule_is_gone_still_meets_the_silences(making: Making) -> None:
    bench = making(PREFER)
    await bench.event("transfer_confirmed", of="a", reference="A")
    bench.reload(PLAIN)
    await silence(bench, 1, matchers=Matchers(channel=("chat",)))
    await bench.turn(1800)
    assert bench.told == []
    await bench.turn(1800)
    assert bench.told == ["transfer_confirmed A"]


async def test_what_waited_for_a_better_event_and_is_dropped_in_the_end_uses_up_no_key(making: Making) -> None:
    rules = PREFER.replace("notify:", "quiet: {hours: nights, then: drop}\n    notify:")
    bench = making(rules, hours=NIGHTS)
    await bench.until(datetime(2026, 3, 2, 17, 59, tzinfo=UTC))
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(120)
    await bench.until(datetime(2026, 3, 3, 9, 0, tzinfo=UTC))
    assert await bench.states() == {"suppressed": 1}
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn()
    assert bench.told == ["transaction_confirmed A"]


async def test_a_key_is_used_up_where_one_of_two_messages_that_waited_was_sent(making: Making) -> None:
    rules = PREFER.replace("notify:", "notify:\n      - {channel: mail, subject: 'mail {{ resource.reference }}'}")
    bench = making(rules)
    await silence(bench, 1, then=Fate.DROP, matchers=Matchers(channel=("mail",)))
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(120)
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn(600)
    assert bench.told == ["transfer_confirmed A"]


async def test_what_is_told_in_place_of_another_is_a_message_that_goes(making: Making) -> None:
    rules = PREFER.replace("notify:", "notify:\n      - {channel: mail, subject: 'mail {{ resource.reference }}'}")
    bench = making(rules)
    await silence(bench, 1, then=Fate.DROP, matchers=Matchers(channel=("mail",)))
    await bench.event("transfer_confirmed", reference="A")
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn(600)
    (sent,) = bench.sent
    told = await bench.store.deliveries(state=DeliveryState.TOLD)
    assert {delivery.told_in for delivery in told} == {sent.delivery.id}


async def test_a_better_event_ends_no_escalation_of_an_earlier_time(making: Making) -> None:
    rules = PREFER + (
        "    escalate:\n      - after: 3d\n        unless: {event_type: transfer_canceled}\n"
        "        notify: [{channel: chat, text: 'nobody came: {{ event.id }}'}]\n"
    )
    bench = making(rules)
    await bench.event("transfer_confirmed", reference="A")
    await bench.turn(2 * 86_400)
    await bench.event("transfer_confirmed", reference="A")
    await bench.event("transaction_confirmed", reference="A")
    await bench.turn(2 * 86_400)
    assert bench.told == ["transfer_confirmed A", "transaction_confirmed A", "nobody came: evt-1"]
    await bench.turn(86_400)
    assert bench.told[3:] == ["nobody came: evt-3"]


async def test_an_escalation_that_was_resolved_stays_ended_where_it_begins_anew(making: Making) -> None:
    bench = making(RESOLVED)
    await bench.event("transaction_confirmed", account_id="1", balance=50)
    await bench.turn(600)
    await bench.event("transaction_confirmed", account_id="1", balance=500)
    await bench.turn(600)
    await bench.event("transaction_confirmed", account_id="1", balance=50)
    await bench.turn(2400)
    assert bench.told == ["low", "fine", "low"]
    (ended,) = await bench.store.deliveries(state=DeliveryState.SUPPRESSED)
    assert ended.detail == "escalate: it is resolved"
    await bench.turn(1200)
    assert bench.told == ["low", "fine", "low", "still low"]


async def test_a_resolution_that_nobody_hears_of_ends_no_escalation(making: Making) -> None:
    bench = making(RESOLVED)
    await bench.event("transaction_confirmed", account_id="1", balance=50)
    await silence(bench, 0.5, then=Fate.DROP)
    await bench.event("transaction_confirmed", account_id="1", balance=500)
    await bench.turn(3600)
    assert bench.told == ["low", "still low"]


BAD_WORDS = GROUP.replace("{{ events | length }}", "{{ 1 // (events | length - 2) }}{{ events | length }}")


async def test_a_group_whose_words_fail_is_told_in_the_default_form_and_counted(making: Making) -> None:
    bench = making(BAD_WORDS)
    for name in "ab":
        await bench.event(of=name, account_id="1")
    await bench.turn(60)
    (text,) = bench.told
    assert text.startswith("returns: 2 events, €2.00")
    assert "ZeroDivisionError" in text or "division" in text
    assert bench.metrics.render_errors.labels("returns")._value.get() == 1


async def test_a_group_says_of_which_events_the_bank_gave_nothing(making: Making) -> None:
    bench = making(GROUP.replace("{{ resource.account_id }}", "x"))
    await bench.event(of="a")
    gone = await bench.arrive(of="b")
    bench.bank.answers.clear()
    await bench.evaluate(replace(gone, attempts=9))
    await bench.turn(60)
    (text,) = bench.told
    assert "evt-2" in text
    assert "the bank has no such resource any more" in text


async def test_a_night_of_more_than_a_thousand_events_is_told_in_full(making: Making) -> None:
    rules = QUIET.replace("THEN", "digest").replace(
        "{{ resource.id }}", "{{ events | length }} of {{ totals[0].count }}: {{ totals[0] | money }}"
    )
    bench = making(rules, hours=NIGHTS)
    await bench.until(datetime(2026, 3, 2, 20, 0, tzinfo=UTC))
    await bench.many(1002)
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    assert sorted(bench.told) == ["1000 of 1000: €1,000.00", "2 of 2: €2.00"]


async def test_what_is_discarded_while_its_group_is_being_told_is_not_listed(making: Making) -> None:
    bench = making(GROUP)
    for name in "abc":
        await bench.event(of=name, account_id="1")
    bench.clock.advance(60)
    await bench.lead()
    (gathering,) = await bench.store.due_gatherings(10)
    await bench.store.close_gatherings([gathering])
    count, members = await bench.store.members(gathering, 10)
    new, _ = await bench.timekeeper._together(gathering, count, members)
    await bench.store.discard([members[0].delivery.id])
    assert not await bench.store.tell(gathering, new, count=count)
    await bench.turn()
    assert bench.told == ["2: b c €2.00"]
    assert await bench.states() == {"discarded": 1, "told": 2, "sent": 1}


async def test_the_gauge_of_held_messages_counts_those_alone_and_those_in_gatherings(making: Making) -> None:
    bench = making(GROUP + ESCALATE.partition("rules:\n")[2])
    metrics = Metrics()
    janitor = Janitor(store=bench.store, channels=["chat"], retention_s=1.0, clock=bench.clock, metrics=metrics)
    for name in "ab":
        await bench.event(of=name, account_id="1")
    await bench.event("wire_transfer_attachment_required", of="w1")
    await janitor.refresh()
    assert metrics.registry.get_sample_value("memonotify_deliveries_held") == 4
    await bench.turn(60)
    await janitor.refresh()
    assert metrics.registry.get_sample_value("memonotify_deliveries_held") == 2


@pytest.mark.parametrize("at_commit", [1, 2])
async def test_a_group_is_told_whole_where_the_store_fails_while_it_is_being_told(
    making: Making, faults: Faults, full_disk: tuple[Exception, str], at_commit: int
) -> None:
    bench = making(GROUP)
    for name in "ab":
        await bench.event(of=name, account_id="1")
    bench.clock.advance(60)
    await bench.lead()
    commits = 0

    def fail() -> None:
        # The first commit lets nobody join any more, the second one tells.
        nonlocal commits
        commits += 1
        if commits == at_commit:
            raise full_disk[0]

    faults.on_commit = fail
    with pytest.raises(StoreUnavailable):
        await bench.timekeeper.look()
    faults.on_commit = None
    bench.start()
    await bench.event(of="c", account_id="1")
    await bench.turn()
    await bench.turn(60)
    assert sorted(bench.told) in (["1: c €1.00", "2: a b €2.00"], ["3: a b c €3.00"])
    assert (await bench.states())["sent"] == len(bench.told)


async def test_a_rule_that_is_off_by_then_still_says_what_it_has_decided(making: Making) -> None:
    bench = making(GROUP)
    for name in "ab":
        await bench.event(of=name, account_id="1")
    bench.reload(GROUP.replace("match:", "mode: off\n    match:"))
    await bench.turn(60)
    assert bench.told == ["2: a b €2.00"]


async def test_an_escalation_outlives_retention_and_goes_by_its_event(making: Making) -> None:
    bench = making(ESCALATE.replace("after: 1h", "after: 10h").replace("after: 1d", "after: 100d"))
    await bench.event("wire_transfer_attachment_required", of="w1")
    await bench.turn(36_000)
    await bench.store.purge(before=later(bench.clock, days=1))
    await bench.event("wire_transfer_confirmed", of="w1")
    await bench.turn(100 * 86_400)
    assert bench.told == ["needs a document: w1", "still waits: w1"]


async def test_a_discarded_message_is_not_told_and_its_empty_group_ends(making: Making) -> None:
    bench = making(GROUP)
    await bench.event(of="a", account_id="1")
    (held,) = await bench.store.deliveries(state=DeliveryState.HELD)
    await bench.store.discard([held.id])
    await bench.turn(60)
    assert bench.told == []
    assert await bench.store.next_moment() is None
    assert await bench.states() == {"discarded": 1}


async def test_each_entry_and_each_key_has_a_limit_of_its_own(making: Making) -> None:
    rules = LIMIT.replace("per: 1h", 'per: 1h, by: "{{ resource.account_id }}"').replace(
        "notify:", "notify:\n      - {channel: mail, subject: 'mail {{ resource.id }}'}"
    )
    bench = making(rules)
    for number, name in enumerate("abcd"):
        await bench.event(of=name, account_id=str(number == 3))
        await bench.turn(1)
    assert sorted(bench.told) == ["a", "b", "d", "mail a", "mail b", "mail d"]
    await bench.turn(3600)
    assert sum("1 more message" in text for text in bench.told) == 2


async def test_a_silence_that_came_in_the_night_is_met_in_the_morning(making: Making) -> None:
    bench = making(QUIET.replace("THEN", "hold"), hours=NIGHTS)
    await at_night(bench)
    await silence(bench, 24, then=Fate.DROP)
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    assert bench.told == []
    assert await bench.states() == {"suppressed": 3}


async def test_what_comes_in_and_what_goes_out_is_not_added_up(making: Making) -> None:
    bench = making(
        GROUP.replace("{{ totals[0] | money }}", "{% for t in totals %}{{ t.direction }} {{ t | money }} {% endfor %}")
    )
    await bench.event(of="a", account_id="1", amount=100, direction="credit")
    await bench.event(of="b", account_id="1", amount=40, direction="debit")
    await bench.event(of="c", account_id="1", amount=2, direction="debit")
    await bench.turn(60)
    assert bench.told == ["3: a b c credit €1.00 debit €0.42 "]


async def test_what_is_over_a_limit_is_not_told_in_the_night(making: Making) -> None:
    rules = QUIET.replace(
        "quiet: {hours: nights, then: THEN}", "quiet: {hours: nights}\n    limit: {count: 1, per: 2h}"
    )
    bench = making(rules, hours=NIGHTS)
    await bench.until(datetime(2026, 3, 2, 17, 0, tzinfo=UTC))
    for name in "abc":
        await bench.event(of=name)
    await bench.turn(5 * 3600)
    assert bench.told == ["a"]
    await bench.until(datetime(2026, 3, 3, 7, 0, tzinfo=UTC))
    (rest,) = bench.told[1:]
    assert "2 more messages" in rest


@pytest.mark.parametrize("written", ["2026-03-02t09:00:00z", "2026-03-02T09:00:00,25+00:00"])
async def test_a_date_in_any_form_that_the_webhook_takes_keeps_no_escalation_from_going(
    making: Making, written: str
) -> None:
    bench = making(ESCALATE)
    await bench.event("wire_transfer_attachment_required", of="w1", date=written)
    await bench.turn(3600)
    assert bench.told == ["needs a document: w1", "still waits: w1"]
