"""Scripts for all policies together: rules and steps drawn at random, and what must hold after each of them.

A Run plays a script on one node or on two over one database, turning the clock from moment to moment, so that all that
is due goes when it is due. Every message names the resources that it is about: so each firing is found where it was
told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from fakes import ManualClock
from hypothesis import strategies as st
from policyparts import Bench, Sent, bench_maker
from sqlalchemy import Connection, select
from storeparts import a_silence

from memonotify.model import Delivery, DeliveryState, Fate, Matchers, Severity
from memonotify.policies.hours import hours_of
from memonotify.store import Store
from memonotify.store.tables import gatherings, holds

HOURS: Final = """
nights:
  - {days: [mon, tue, wed, thu, fri, sat, sun], from: "19:00", to: "08:00", except: critical}
  - {holidays: france, except: critical}
"""
STARTS: Final = (
    datetime(2026, 3, 28, 16, tzinfo=UTC),
    datetime(2026, 6, 1, 9, tzinfo=UTC),
    datetime(2026, 10, 24, 16, tzinfo=UTC),
    datetime(2026, 12, 24, 16, tzinfo=UTC),
)
TYPES: Final = ("collection_returned", "transaction_confirmed", "transfer_confirmed")
_ONE: Final = "about {{ event.resource_id }} of {{ resource.k }} sum {{ resource.amount }}"
_MANY: Final = (
    "about {{ events | map(attribute='resource_id') | join(' ') }} of {{ resource.k }} "
    "sum {{ totals | map(attribute='amount') | sum }}"
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn for one rule; each text is a line of YAML, empty where the rule is without."""

    fires: bool
    once: str
    quiet: str
    group: str
    limit: str
    escalates: bool
    entries: int
    critical: bool

    def written(self, name: str) -> str:
        """Return the rule as a user writes it."""
        words = _MANY if self.group or "digest" in self.quiet else _ONE
        chat, mail = f'{{channel: chat, text: "{words}"}}', f'{{channel: mail, subject: s, text: "{words}"}}'
        lines = [f"- name: {name}", f"  match: {{event_type: [{', '.join(TYPES)}]}}"]
        if self.critical:
            lines.append("  severity: critical")
        if self.fires:
            lines += ["  when: resource.amount > 40", "  fire: on_change", '  key: "{{ resource.k }}"']
            lines.append(f"  resolved: [{chat}]")
        lines += [f"  {text}" for text in (self.once, self.quiet, self.group, self.limit) if text]
        lines.append(f"  notify: [{', '.join((chat, mail)[: self.entries])}]")
        if self.escalates:
            lines.append(f"  escalate: {{after: 3h, unless: {{event_type: transfer_confirmed}}, notify: [{chat}]}}")
        return "\n".join(lines)


def _either(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(("", *texts))


_RULE: Final = st.builds(
    Drawn,
    fires=st.booleans(),
    once=_either(
        'once: {per: "{{ resource.k }}", within: 6h}',
        'once: {per: "{{ resource.k }}", within: 6h, prefer: transaction_confirmed, wait: 2m}',
    ),
    quiet=_either(*(f"quiet: {{hours: nights, then: {then}}}" for then in ("hold", "digest", "drop"))),
    group=_either('group: {by: "{{ resource.k }}", wait: 10m, max: 3}', "group: {wait: 1h}"),
    limit=_either('limit: {count: 2, per: 3h, by: "{{ resource.k }}"}', "limit: {count: 1, per: 3h}"),
    escalates=st.booleans(),
    entries=st.integers(1, 2),
    critical=st.sampled_from((False, False, False, True)),
)

Step = tuple[Any, ...]
_EVENT: Final = st.tuples(st.just("event"), st.sampled_from(TYPES), st.integers(0, 9), st.sampled_from((0, 0, -7200)))
_TURN: Final = st.tuples(st.just("turn"), st.sampled_from((1, 60, 600, 3600, 21_600, 86_400, 259_200)))
_STEP: Final = st.one_of(
    _EVENT,
    _EVENT,
    _EVENT,
    _TURN,
    _TURN,
    st.tuples(st.just("again"), st.integers(0, 99)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("reload")),
    st.tuples(st.just("move")),
    st.tuples(st.just("back"), st.integers(1, 5)),
    st.tuples(st.just("discard"), st.integers(0, 99)),
    st.tuples(st.just("expire")),
    st.tuples(
        st.just("silence"),
        st.sampled_from((Matchers(), Matchers(channel=("chat",)), Matchers(rule=("r0",)))),
        st.sampled_from((Fate.HOLD, Fate.HOLD, Fate.DROP)),
        st.sampled_from((0.5, 5.0)),
    ),
)


@dataclass(frozen=True, slots=True)
class Script:
    """Two versions of three rules, the moment at which it begins, and what happens then."""

    versions: tuple[tuple[Drawn, ...], tuple[Drawn, ...]]
    start_at: datetime
    steps: tuple[Step, ...]

    def rules(self, version: int) -> str:
        """Return the rules of a version as a file's text."""
        rules = "\n".join(rule.written(f"r{at}") for at, rule in enumerate(self.versions[version]))
        return "rules:\n" + "\n".join(f"  {line}" for line in rules.splitlines()) + "\n"


_RULES: Final = st.tuples(_RULE, _RULE, _RULE)
SCRIPTS: Final = st.builds(
    Script,
    versions=st.one_of(_RULES.map(lambda rules: (rules, rules)), st.tuples(_RULES, _RULES)),
    start_at=st.sampled_from(STARTS),
    steps=st.lists(_STEP, min_size=8, max_size=24).map(tuple),
)


@dataclass
class Run:
    """One script on the go. `benches` are the nodes; the one at `leader` leads."""

    script: Script
    clock: ManualClock
    benches: list[Bench]
    leader: int = 0
    version: int = 0
    resources: dict[str, str] = field(default_factory=dict)
    passed: dict[tuple[str, str, int, str], list[float]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    silences: list[str] = field(default_factory=list)
    quiet_leaks: list[str] = field(default_factory=list)
    random: Random = field(default_factory=lambda: Random(1))

    @property
    def lead(self) -> Bench:
        """The node that leads."""
        return self.benches[self.leader]

    async def play(self) -> None:
        """Take all steps, and let everything become due that waits."""
        await self.lead.lead()
        for number, step in enumerate(self.script.steps):
            await getattr(self, f"_{step[0]}")(*step[1:])
            await self._settle()
            await self._check(f"after step {number}, {step[0]}")
        await self._turn(12 * 86_400)
        await self._check("at the end")
        await self._check_end()

    # Steps

    async def _event(self, event_type: str, of: int, ago_s: float) -> None:
        bench = self.lead
        names = bench.ruleset.candidates(event_type, "", "acme")
        if not any(rule.memories for rule in names):
            bench = self.random.choice(self.benches)
        number = len(self.resources) + 1
        resource = f"res-{of if of < 4 else number}"
        at = int(resource[4:])
        await bench.event(
            event_type,
            of=resource,
            name=f"evt-{number}",
            date=self.clock.now() + timedelta(seconds=ago_s),
            k="AB"[at % 2],
            amount=at * 37 % 90 + 1,
            reference=resource,
        )
        self.resources[f"evt-{number}"] = resource

    async def _again(self, number: int) -> None:
        if self.resources:
            event = await self.lead.store.event("acme", f"evt-{number % len(self.resources) + 1}")
            assert event is not None
            assert await self.lead.store.receive(replace(event, seq=0)) is None
            await self.lead.evaluate(event)

    async def _turn(self, seconds: float) -> None:
        end_at = self.clock.now() + timedelta(seconds=seconds)
        await self._settle()
        while (moment := await self.lead.store.next_moment()) is not None and moment <= end_at:
            assert moment > self.clock.now(), "what is due stays"
            self.clock.advance((moment - self.clock.now()).total_seconds())
            await self._settle()
        self.clock.advance((end_at - self.clock.now()).total_seconds())
        await self._settle()

    async def _restart(self) -> None:
        self.lead.start()

    async def _reload(self) -> None:
        self.version = 1 - self.version
        for bench in self.benches:
            bench.reload(self.script.rules(self.version))

    async def _move(self) -> None:
        await self.lead.store.leave() if self.lead.store.is_shared else None
        self.leader = (self.leader + 1) % len(self.benches)

    async def _back(self, minutes: int) -> None:
        self.clock.set_back(minutes * 60)

    async def _discard(self, number: int) -> None:
        held = await self.lead.store.deliveries(state=DeliveryState.HELD)
        if held:
            await self.lead.store.discard([held[number % len(held)].id])

    async def _silence(self, matchers: Matchers, then: Fate, hours: float) -> None:
        name = f"sil_{len(self.silences)}"
        self.silences.append(name)
        silence = a_silence(name, hours=hours, at=self.clock.now(), matchers=matchers, then=then)
        await self.lead.store.add_silence(silence)

    async def _expire(self) -> None:
        if self.silences:
            await self.lead.store.expire_silence(self.silences[-1], self.clock.now())

    async def _settle(self) -> None:
        """Move and send what is due now, and note what was sent."""
        await self.lead.turn()
        for bench in self.benches:
            for sent in bench.sent:
                self._note(sent)
            bench.sent.clear()

    def _note(self, sent: Sent) -> None:
        delivery = sent.delivery
        assert delivery.id not in self.seen, f"{delivery.id} was sent twice"
        self.seen.add(delivery.id)
        both = self._both(delivery.rule)
        if all(rule.quiet and not (rule.group or rule.limit or rule.critical) for rule in both):
            hours = hours_of(self.lead.config)["nights"]
            assert hours.quiet_until(sent.at, Severity.INFO) is None, f"{delivery.rule} spoke at {sent.at}"
        if both[0].limit and both[0].limit == both[1].limit and not _is_rest(delivery):
            key = _key(delivery) if "by" in both[0].limit else ""
            moments = self.passed.setdefault((delivery.rule, delivery.branch, delivery.entry, key), [])
            moments.append(self.clock.monotonic())
            count = int(both[0].limit.partition("count: ")[2][0])
            assert sum(each > moments[-1] - 3 * 3600 for each in moments) <= count, f"{delivery.rule}: over its limit"

    def _both(self, rule: str) -> tuple[Drawn, Drawn]:
        at = int(rule[1:])
        return self.script.versions[0][at], self.script.versions[1][at]

    # What must hold

    async def _check(self, when: str) -> None:
        store = self.lead.store
        rows = {each.id: each for each in await store.deliveries(limit=100_000)}
        waiting, open_gatherings = await store._read(_waiting)
        held = {each.id for each in rows.values() if each.state is DeliveryState.HELD}
        assert held == set(waiting), f"{when}: what is held and what has a hold differ"
        assert {seq for seq in waiting.values() if seq is not None} <= open_gatherings, f"{when}: a gathering is gone"
        for each in rows.values():
            if each.state is DeliveryState.SUPPRESSED:
                assert each.detail, f"{when}: {each.id} is suppressed without a reason"
            if each.state is DeliveryState.TOLD:
                teller = rows[each.told_in]
                assert teller.state is not DeliveryState.SUPPRESSED or teller.id not in held, when

    async def _check_end(self) -> None:
        rows = {each.id: each for each in await self.lead.store.deliveries(limit=100_000)}
        assert {each.state for each in rows.values()} <= {
            DeliveryState.SENT,
            DeliveryState.TOLD,
            DeliveryState.SUPPRESSED,
            DeliveryState.DISCARDED,
        }
        assert await self.lead.store._read(_waiting) == ({}, set()), "something waits for ever"
        inside: dict[str, list[str]] = {}
        for each in rows.values():
            if each.told_in and not each.detail.startswith("a better event"):
                inside.setdefault(each.told_in, []).append(each.id)
        for each in rows.values():
            if each.state is DeliveryState.SENT:
                assert _listed(each, self.resources) == Counter(self._events(each.id, rows, inside)), each
                if " sum " in _text(each):
                    self._check_sum(each)

    def _events(self, name: str, rows: dict[str, Delivery], inside: dict[str, list[str]]) -> list[str]:
        """Return the resources that a message has to be about: its own, or those of all that it tells."""
        if name not in inside:
            return [self.resources[rows[name].event_id]]
        return [resource for member in inside[name] for resource in self._events(member, rows, inside)]

    def _check_sum(self, delivery: Delivery) -> None:
        wanted = sum(int(name[4:]) * 37 % 90 + 1 for name in _listed(delivery, self.resources))
        assert int(_text(delivery).split(" sum ")[1].split()[0]) == wanted, delivery


def _waiting(connection: Connection) -> tuple[dict[str, int | None], set[int]]:
    found = {row.delivery_id: row.gathering for row in connection.execute(select(holds))}
    return found, set(connection.scalars(select(gatherings.c.seq)))


def _text(delivery: Delivery) -> str:
    return str(delivery.payload["text"])


def _is_rest(delivery: Delivery) -> bool:
    return " has a limit, and made " in _text(delivery)


def _key(delivery: Delivery) -> str:
    found = re.search(r" of ([AB]) sum ", _text(delivery))
    return found[1] if found else ""


def _listed(delivery: Delivery, resources: dict[str, str]) -> Counter[str]:
    text = _text(delivery)
    if _is_rest(delivery):
        return Counter(resources[name] for name in re.findall(r"evt-\d+", text))
    return Counter(re.findall(r"res-\d+", text))


async def play(script: Script, url: str, folder: Path, *, nodes: int = 1) -> None:
    """Play a script on a store without rows, or on several nodes that share one."""
    clock = ManualClock(script.start_at)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(Store(url, clock=clock)) for _ in range(nodes)]
        benches = _benches(stores, clock, folder, script.rules(0))
        await Run(script=script, clock=clock, benches=benches).play()


def _benches(stores: Sequence[Store], clock: ManualClock, folder: Path, rules: str) -> list[Bench]:
    making: list[Callable[..., Bench]] = [bench_maker(store, clock, folder) for store in stores]
    benches = [make(rules, hours=HOURS) for make in making]
    for bench in benches:
        # One bank for all nodes.
        bench.bank.answers = benches[0].bank.answers
        assert len(bench.ruleset.rules) == 3
    return benches
