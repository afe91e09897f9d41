"""A backtest of rules with policies tells what the daemon did with the same rules, message for message."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from fakes import ManualClock
from policyparts import Bench, bench_maker, ruleset_of
from storeparts import START

from memonotify.engine.backtest import Backtest, Report, pages
from memonotify.holding import Policy
from memonotify.past import Selection
from memonotify.policies.hours import hours_of
from memonotify.store import Store

Making = Callable[..., Bench]

RULE = """
rules:
  - name: returns
    match: {{event_type: ["collection_*"]}}
    {policies}
    notify: [{{channel: chat, text: "{{{{ event.resource_id }}}} {{{{ resource.amount }}}}"}}]
"""
NIGHTS = 'nights: {from: "20:00", to: "08:00"}'
POLICIES = [
    pytest.param("", id="none"),
    pytest.param('once: {per: "{{ event.resource_id }}", within: 2h}', id="once"),
    pytest.param('once: {per: "{{ event.resource_id }}", prefer: collection_returned, wait: 2m}', id="prefer"),
    pytest.param("quiet: {hours: nights}", id="quiet"),
    pytest.param("quiet: {hours: nights, then: drop}", id="drop"),
    pytest.param("quiet: {hours: nights, then: digest}", id="digest"),
    pytest.param('group: {by: "{{ event.resource_id }}", wait: 20m, max: 3}', id="group"),
    pytest.param('limit: {count: 2, per: 1h, by: "{{ event.resource_id }}"}', id="limit"),
    pytest.param(
        'once: {per: "{{ resource.amount }}", prefer: collection_returned, wait: 2m, within: 30m}\n'
        "    quiet: {hours: nights}\n"
        '    group: {by: "{{ event.resource_id }}", wait: 10m}\n'
        "    limit: {count: 2, per: 3h}",
        id="all",
    ),
]


@pytest.fixture
async def making(tmp_path: Path) -> AsyncIterator[Making]:
    clock = ManualClock(START)
    async with Store(f"sqlite:///{tmp_path / 'policies.db'}", clock=clock) as store:
        yield bench_maker(store, clock, tmp_path)


async def played(bench: Bench, count: int = 40) -> None:
    """Let two days of events come in, and nothing wait at the end."""
    random = Random(7)
    for _ in range(count):
        kind = random.choice(["collection_returned", "collection_confirmed"])
        await bench.event(kind, of=random.choice("abc"), amount=random.randrange(5))
        await pass_by(bench, random.choice([10, 90, 600, 7200]))
    await pass_by(bench, 30 * 3600)


async def pass_by(bench: Bench, seconds: float) -> None:
    """Let time pass, and what waits move at its moment, as a daemon does that is not late."""
    end = bench.clock.now() + timedelta(seconds=seconds)
    while (moment := await bench.store.next_moment()) is not None and moment <= end:
        await bench.until(max(moment, bench.clock.now()))
    await bench.until(end)


async def looked_back(bench: Bench, rules: str | None = None) -> Report:
    ruleset = bench.ruleset if rules is None else ruleset_of(bench.config, rules)
    backtest = Backtest(
        ruleset,
        concerns=lambda _name: True,
        resource_types={},
        with_api=frozenset({"acme"}),
        examples=3,
        hours=hours_of(bench.config),
    )
    selection = Selection()
    extent = await bench.store.extent(selection)
    async for page in pages(bench.store, selection, extent, with_decisions=True):
        for past in page:
            backtest.look_at(past)
    backtest.finish(bench.clock.now())
    (report,) = backtest.reports
    return report


@pytest.mark.parametrize("policies", POLICIES)
async def test_the_same_rules_would_have_sent_what_they_sent(making: Making, policies: str) -> None:
    bench = making(RULE.format(policies=policies), hours=NIGHTS)
    await played(bench)
    assert set(await bench.states()) <= {"sent", "told", "suppressed"}
    report = await looked_back(bench)
    assert report.sends == len(bench.sent)
    assert (report.waiting, report.undecided.total(), report.kinds["new"], report.kinds["gone"]) == (0, 0, 0, 0)
    assert (report.kinds["changed"], report.kinds["same"] > 0) == (0, True)
    together = [told for told in await _sizes(bench) if told > 1]
    assert (report.together, report.gathered) == (len(together), sum(together))


async def _sizes(bench: Bench) -> list[int]:
    """Return of how many events each message that was sent told, those of a group's message among them included."""
    members: dict[str, list[str]] = {}
    for row in await bench.store.deliveries(limit=100_000):
        if row.told_in and not row.detail.startswith("a better event came"):
            members.setdefault(row.told_in, []).append(row.id)

    def size(name: str) -> int:
        return sum(map(size, members[name])) if name in members else 1

    return [size(sent.delivery.id) for sent in bench.sent]


async def test_what_a_group_would_have_spared_is_counted_and_nothing_is_taken_for_gone(making: Making) -> None:
    bench = making(RULE.format(policies=""))
    for name in "abcabc":
        await bench.event(of=name)
        await bench.turn(10)
    await bench.turn(3600)
    report = await looked_back(bench, RULE.format(policies="group: {wait: 5m}"))
    assert (report.sends, report.together, report.gathered) == (1, 1, 6)
    assert dict(report.kinds) == {"same": 6}
    (telling,) = report.tellings
    assert (telling.events, telling.channel) == (6, "chat")


async def test_what_was_told_in_a_group_was_told_and_would_now_be_told_alone(making: Making) -> None:
    bench = making(RULE.format(policies="group: {wait: 5m}"))
    for name in "abc":
        await bench.event(of=name)
    await bench.turn(3600)
    report = await looked_back(bench, RULE.format(policies=""))
    assert (report.sends, dict(report.kinds)) == (3, {"same": 3})


async def test_what_still_waits_is_neither_sent_nor_gone(making: Making) -> None:
    bench = making(RULE.format(policies=""))
    await bench.event(of="a")
    await bench.turn()
    report = await looked_back(bench, RULE.format(policies="group: {wait: 5m}"))
    assert (report.sends, report.waiting, dict(report.kinds)) == (0, 1, {})


async def test_what_waited_then_was_not_sent_then(making: Making) -> None:
    bench = making(RULE.format(policies="group: {wait: 1d}"))
    await bench.event(of="a")
    report = await looked_back(bench, RULE.format(policies=""))
    assert (report.sends, dict(report.kinds)) == (1, {"new": 1})


async def test_what_once_would_have_kept_back_is_counted_as_gone_and_by_its_policy(making: Making) -> None:
    bench = making(RULE.format(policies=""))
    for _ in range(3):
        await bench.event(of="a")
        await bench.turn(60)
    report = await looked_back(bench, RULE.format(policies='once: {per: "{{ event.resource_id }}", within: 1h}'))
    assert (report.sends, dict(report.kinds), dict(report.kept_back)) == (1, {"same": 1, "gone": 2}, {Policy.ONCE: 2})
