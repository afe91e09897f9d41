"""`why` for messages that a policy holds, gathers or keeps back: told from a real store, as a person reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import ManualClock
from policyparts import Bench, bench_maker

from memonotify.admin.explaining import explain_event, explain_rule
from memonotify.admin.known import Known
from memonotify.cli.trees import plain_lines
from memonotify.cli.unspokentree import rule_tree
from memonotify.cli.whytree import Telling, event_tree
from memonotify.model import DeliveryState, Event, Fate, Matchers, Silence
from memonotify.store import Store

Making = Callable[..., Bench]

RULE = """
rules:
  - name: returns
    match: {{event_type: collection_returned}}
    {policy}
    notify: [{{channel: chat, text: "Came back: {{{{ event.resource_id }}}}"}}]
"""
NIGHTS = 'nights: {from: "20:00", to: "08:00"}'
LATE = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)


@pytest.fixture
def making(store: Store, clock: ManualClock, tmp_path: Path) -> Making:
    return bench_maker(store, clock, tmp_path)


async def told(bench: Bench, event: Event) -> list[str]:
    """Return the lines on the rule, without their indentation; ids of messages are written as they count."""
    story = await explain_event(
        bench.store, Known(rules=bench.ruleset), bench.clock, event.id, workspace=None, rule="returns", fetch=False
    )
    telling = Telling(timezone="Europe/Paris", recipients={}, about="returns")
    lines = [line.strip() for line in plain_lines(event_tree(story, telling))]
    start = next(at for at, line in enumerate(lines) if line.startswith("returns"))
    found = []
    for line in lines[start:]:
        words = ["dlv_…" if word.startswith("dlv_") else word for word in line.split(" ")]
        found.append(" ".join(words))
    return [line for line in found if not line.startswith("it stands in")]


async def rule_lines(bench: Bench) -> list[str]:
    since = bench.clock.now() - timedelta(days=30)
    counts = await explain_rule(bench.store, Known(rules=bench.ruleset), "returns", since=since, workspace=None)
    return [line.strip() for line in plain_lines(rule_tree(counts, timezone="Europe/Paris"))]


async def test_a_message_in_a_group_says_until_when_and_with_how_many_and_then_which_message_told_it(
    making: Making,
) -> None:
    bench = making(
        RULE.format(policy='group: {by: "{{ resource.account_id }}", wait: 1m}\n    limit: {count: 3, per: 1h}')
    )
    first = await bench.event(of="a", account_id="acc-1")
    second = await bench.event(of="b", account_id="acc-1")
    assert await told(bench, first) == [
        "returns spoke",
        "→ chat: Came back: a — waits until 10:01:00 for others to be told with it (group acc-1)",
        "with 1 other so far, gathering since 10:00:00",
        "then: limit 3 per 1h",
    ]
    assert (await rule_lines(bench))[3:5] == ["2 messages wait now", "2 by group, the first until 2026-03-02 10:01:00"]
    await bench.turn(60)
    lines = await told(bench, first)
    assert lines[1:3] == [
        "→ chat: Came back: a — told in another message 10:01:00",
        "in dlv_… → chat: returns: 2 events, €2.00 — sent 10:01:00",
    ]
    assert lines[3] == f"tells of 2 events: {first.id}, {second.id}"
    assert lines[4].startswith("try 1: 10:01:00, taken")
    assert f"tells of 2 events: {first.id}, {second.id}" in await told(bench, second)
    assert "2 messages were told in 1 other" in await rule_lines(bench)


async def test_what_was_told_in_a_message_that_waits_itself_says_so(making: Making) -> None:
    bench = making(RULE.format(policy="group: {wait: 1m}\n    limit: {count: 1, per: 1h}"))
    await bench.event()
    await bench.turn(60)
    one, _ = await bench.event(), await bench.event()
    await bench.turn(60)
    assert (await told(bench, one))[2].endswith("— waits until 11:01:00: enough were sent for now (limit)")


async def test_a_message_of_the_night_names_the_hours_and_what_is_still_ahead(making: Making) -> None:
    bench = making(RULE.format(policy="quiet: {hours: nights}\n    limit: {count: 1, per: 1h}"), hours=NIGHTS)
    bench.clock.advance((LATE - bench.clock.now()).total_seconds())
    event = await bench.event(of="a")
    assert await told(bench, event) == [
        "returns spoke",
        "→ chat: Came back: a — waits until 2026-03-03 08:00:00, the end of the quiet hours nights",
        "then: limit 1 per 1h",
    ]
    await bench.turn(12 * 3600)
    assert (await told(bench, event))[1].endswith("— sent 2026-03-03 11:00:00")


async def test_what_was_told_already_says_for_which_moment_and_is_counted_as_one_reason(making: Making) -> None:
    bench = making(RULE.format(policy='once: {per: "{{ event.resource_id }}", within: 1d}'))
    await bench.event(of="a")
    events = []
    for _ in range(2):
        await bench.turn(3600)
        events.append(await bench.event(of="a"))
    assert await told(bench, events[0]) == [
        "returns would have spoken, suppressed by once: it was told already, for an event of 10:00:00"
    ]
    lines = await rule_lines(bench)
    assert "kept back for 2 events: 2 by once" in lines
    assert "2 × suppressed: once: it was told already" in lines


async def test_an_escalation_says_when_it_goes_unless_what_comes_and_then_which_event_ended_it(making: Making) -> None:
    bench = making("""
        rules:
          - name: returns
            match: {event_type: collection_returned}
            limit: {count: 9, per: 1h}
            notify: [{channel: chat, text: "Came back"}]
            escalate:
              after: 24h
              unless: {event_type: collection_confirmed}
              notify: [{channel: mail, subject: "Still open", text: "x"}]
        """)
    event = await bench.event(of="a")
    await bench.turn()
    assert (await told(bench, event))[-2:] == [
        (
            "→ mail (escalation): Still open — goes at 2026-03-03 10:00:00, unless collection_confirmed of the same "
            "resource_id (a) comes (escalate)"
        ),
        "then: limit 9 per 1h",
    ]
    ending = await bench.event("collection_confirmed", of="a")
    await bench.turn(24 * 3600)
    assert (await told(bench, event))[-1] == (
        f"→ mail (escalation): Still open — not sent, escalate: collection_confirmed came ({ending.id})"
    )


@pytest.mark.parametrize("fate", [Fate.HOLD, Fate.DROP])
async def test_a_silence_is_named_with_its_reason_and_its_author(making: Making, fate: Fate) -> None:
    bench = making(RULE.format(policy=""))
    now = bench.clock.now()
    await bench.store.add_silence(
        Silence(
            id="sil_1",
            matchers=Matchers(rule=("returns",)),
            starts_at=now,
            ends_at=now + timedelta(hours=2),
            then=fate,
            reason="the ERP is down",
            author="ana",
            created_at=now,
        )
    )
    lines = await told(bench, await bench.event(of="a"))
    if fate is Fate.HOLD:
        assert lines[1] == (
            "→ chat: Came back: a — waits until 12:00:00, held by silence sil_1: the ERP is down, by ana"
        )
    else:
        assert lines[0] == "returns would have spoken, suppressed by silence sil_1: the ERP is down"
        assert lines[2] == "silenced by sil_1, by ana: memonotify silence list --all"


async def test_a_better_event_says_which_message_told_the_first_one(making: Making) -> None:
    bench = making("""
        rules:
          - name: returns
            match: {event_type: ["collection_*"]}
            once: {per: "{{ event.resource_id }}", prefer: collection_returned, wait: 2m}
            notify: [{channel: chat, text: "{{ event.event_type }}"}]
        """)
    first = await bench.event("collection_confirmed", of="a")
    assert (await told(bench, first))[1] == (
        "→ chat: collection_confirmed — waits until 10:02:00: a better event for a may come (once)"
    )
    await bench.event("collection_returned", of="a")
    await bench.turn()
    lines = await told(bench, first)
    assert lines[1].endswith("— told in another message 10:00:00")
    assert lines[2] == "in dlv_… → chat: collection_returned — sent 10:00:00"
    states = {delivery.state for delivery in await bench.store.deliveries()}
    assert states == {DeliveryState.TOLD, DeliveryState.SENT}
