"""Runs the `tests:` of rule files: what would this event send, and is it what the test expects?

In: a Ruleset with its tests, and the configuration. Out: a TestResult each. Nothing is sent, asked or stored; the
deciding is the daemon's own. Called by `memonotify test`.

Every rule of the ruleset takes part, because every rule that matches sends. A message that fails to render, and a
condition that fails, fails the test: what the daemon forgives, a test does not.

The bank has the proof that a message carries, unless the test says under `fetch` that there is nothing at its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from memonotify.catalogue import EVENT_TYPES, PROVEN_EVENT_TYPES
from memonotify.config.values import Config
from memonotify.engine.asks import Ask, Given, Lookup, QuietUntil, Remembered, Silences, Windowed
from memonotify.engine.decide import decide
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.expecting import deadlines
from memonotify.engine.misses import Missing
from memonotify.engine.misses import context_of as missed_context
from memonotify.engine.shortfalls import Shortfall, shortfalls
from memonotify.holding import Policy
from memonotify.model import Branch, Decision, DeliveryState, Event, Mode, NewDelivery, Outcome
from memonotify.policies.deadlines import Period
from memonotify.policies.hours import Hours, hours_of
from memonotify.policies.once import said
from memonotify.rules.match import fits
from memonotify.rules.values import Rule, Ruleset, RuleTest

_EVENT_ID: Final = "00000000-0000-4000-8000-000000000001"
_RESOURCE_ID: Final = "00000000-0000-4000-8000-000000000002"
_AT: Final = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
"""When the event of a test comes in that does not say it: always the same, so that no test depends on the day."""

_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """How one test ended. `notes` say what could not be looked at, and fail nothing.

    `spoke` are the rules that made a message, each with the list it came from; `decided` all that looked at the event
    and came to an end.
    """

    __test__ = False  # pytest would take it for a test of its own

    name: str
    file: str
    line: int
    shortfalls: tuple[Shortfall, ...] = ()
    notes: tuple[str, ...] = ()
    spoke: frozenset[tuple[str, Branch]] = frozenset()
    decided: frozenset[str] = frozenset()
    duration_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every message that is due was expected, and the other way round."""
        return not self.shortfalls


def run_tests(
    ruleset: Ruleset,
    config: Config,
    *,
    only: Callable[[RuleTest], bool] | None = None,
    timer: Callable[[], float] = lambda: 0.0,
) -> list[TestResult]:
    """Run the ruleset's tests, in their order; `only` chooses among them, `timer` gives seconds for their durations."""
    results = []
    for test in ruleset.tests:
        if only is None or only(test):
            begun = timer()
            result = run_test(test, ruleset, config)
            results.append(replace(result, duration_s=timer() - begun))
    return results


def run_test(test: RuleTest, ruleset: Ruleset, config: Config) -> TestResult:
    """Run one test."""
    event = event_of(test, config)
    running = _Running(test, event, hours_of(config))
    if test.deadline is not None:
        return _missed(test, test.deadline, running, ruleset, config)
    for rule in ruleset.candidates(event.event_type, event.resource_type, event.workspace):
        running.decide(rule)
    expected = {expectation.get("rule") for expectation in test.expect}
    for rule in ruleset.rules if expected else ():
        if rule.name in expected and (why := rule.passes_over(event.event_type, event.resource_type, event.workspace)):
            running.silent[rule.name] = why
    return running.result(config)


def _missed(test: RuleTest, deadline: datetime, running: _Running, ruleset: Ruleset, config: Config) -> TestResult:
    """Run a test of a deadline by which nothing has come."""
    workspace = test.workspace or config.workspaces[0].name
    judged = [
        (rule, period)
        for rule in ruleset.rules
        if rule.expect is not None
        and rule.mode is not Mode.OFF
        and fits(rule.match.workspace, workspace)
        and (period := deadlines(rule.expect).period(deadline)).by in deadlines(rule.expect)
    ]
    for rule, period in judged:
        running.miss(rule, workspace, period)
    if not judged:
        text = f"no rule has a deadline at {deadline.isoformat()} in workspace {workspace}"
        running.shortfalls.append(Shortfall(kind="error", text=text))
    return running.result(config)


class _Running:
    """One test under way: what its rules have said so far, and why others are silent."""

    def __init__(self, test: RuleTest, event: Event, hours: Mapping[str, Hours]) -> None:
        self.shortfalls: list[Shortfall] = []
        self.notes: list[str] = []
        self.messages: list[NewDelivery] = []
        self.later: list[NewDelivery] = []
        self.silent: dict[str, str] = {}
        self.decided: list[str] = []
        self._test = test
        self._event = event
        self._hours = hours

    def result(self, config: Config) -> TestResult:
        """Return how it ended."""
        test = self._test
        return TestResult(
            name=test.name,
            file=test.file,
            line=test.line,
            shortfalls=(
                *self.shortfalls,
                *shortfalls(test, [*self.messages, *self.later], self.silent, config),
            ),
            notes=tuple(self.notes),
            spoke=frozenset((message.rule, message.branch) for message in self.messages),
            decided=frozenset(self.decided),
        )

    def miss(self, rule: Rule, workspace: str, period: Period) -> None:
        """Add what a rule has to say where nothing came by a deadline."""
        self.decided.append(rule.name)
        missing = Missing(rule, workspace, missed_context(rule, workspace, period, last=None), at=period.until)
        making = missing.messages(period.key, "")
        answer: Any = None
        while True:
            try:
                ask = making.send(answer)
            except StopIteration as stop:
                self.messages += [new for new in stop.value if _goes(rule, new)]
                return
            answer = _recalled(ask, rule, period.until, self._test, self._hours)

    def decide(self, rule: Rule) -> None:
        """Add what one rule that matches has to say."""
        decision, unanswered = decided(rule, self._event, self._test, self._hours)
        if unanswered:
            self._say_unanswered(rule, unanswered)
            return
        self.notes += _foreign_keys(rule, decision, self._test)
        if decision.outcome is Outcome.FAILED:
            text = f"rule {rule.name} fails: {decision.detail}"
            self.shortfalls.append(Shortfall(kind="error", rule=rule.name, text=text))
            return
        self.decided.append(rule.name)
        due = _due(decision)
        self.messages += due
        self.later += (new for new in decision.deliveries if new.branch is Branch.ESCALATE)
        self.notes += _unproven(decision, self._event)
        if not due and decision.detail:
            self.silent[rule.name] = decision.detail

    def _say_unanswered(self, rule: Rule, unanswered: list[Lookup]) -> None:
        """A rule that the test does not speak of may stay undecided; one that it does speak of may not."""
        asked = ", ".join(f"{lookup.name} ({lookup.path})" for lookup in unanswered)
        text = (
            f"rule {rule.name} is not decided: the test does not say under `fetch:` what the bank answers for {asked}"
        )
        if any(expectation.get("rule") == rule.name for expectation in self._test.expect):
            self.shortfalls.append(Shortfall(kind="error", rule=rule.name, text=text))
        else:
            self.notes.append(text)


def event_of(test: RuleTest, config: Config) -> Event:
    """Return the test's event with what is missing of its five fields filled in."""
    given = dict(test.event)
    event_type = given.get("event_type") or _event_type(given.get("resource_type"))
    resource_id = test.resource.get("id") if isinstance(test.resource, Mapping) else None
    at = test.now or _AT
    body = {
        "id": _EVENT_ID,
        "date": at.isoformat(),
        "event_type": event_type,
        "resource_type": EVENT_TYPES.get(event_type, _UNKNOWN),
        "resource_id": resource_id or _RESOURCE_ID,
        **given,
    }
    return Event(
        workspace=test.workspace or config.workspaces[0].name,
        id=str(body["id"]),
        date=str(body["date"]),
        event_type=str(body["event_type"]),
        resource_type=str(body["resource_type"]),
        resource_id=str(body["resource_id"]),
        body=body,
        received_at=at,
    )


def _event_type(resource_type: Any) -> str:
    return next((event for event, resource in EVENT_TYPES.items() if resource == resource_type), _UNKNOWN)


def decided(rule: Rule, event: Event, test: RuleTest, hours: Mapping[str, Hours]) -> tuple[Decision, list[Lookup]]:
    """Decide with the test's answers; also return the look-ups that it has no answer for."""
    deciding = decide(rule, event=event, resource=Given(value=test.resource), at=event.received_at)
    unanswered: list[Lookup] = []
    answer: Any = None
    while True:
        try:
            ask = deciding.send(answer)
        except StopIteration as stop:
            return stop.value, unanswered
        if isinstance(ask, Windowed):
            answer = test.windows.get(ask.name, ask.value())
            continue
        if isinstance(ask, Remembered | Silences | QuietUntil):
            answer = _recalled(ask, rule, event.received_at, test, hours)
            continue
        if isinstance(ask, Proof):
            is_there = test.lookups.get(ask.path, True) is not None
            answer = Given(value=Enclosure() if is_there else None)
            continue
        if ask.name not in test.lookups and ask.path not in test.lookups:
            unanswered.append(ask)
        answer = Given(value=test.lookups.get(ask.name, test.lookups.get(ask.path)))


def _recalled(ask: Ask, rule: Rule, at: datetime, test: RuleTest, hours: Mapping[str, Hours]) -> object:
    """Answer what a test may say of earlier; nobody has silenced anything in it."""
    if isinstance(ask, Silences):
        return ()
    if isinstance(ask, QuietUntil):
        found = hours.get(ask.hours)
        return None if found is None else found.quiet_until(at, ask.severity)
    if not isinstance(ask, Remembered):
        raise TypeError(f"a test does not answer a {type(ask).__name__}")
    if ask.policy is Policy.ONCE:
        return said(at) if test.has_told(rule.name, ask.key) else None
    answer = test.remembered(rule.name, ask.key) if ask.policy is Policy.FIRE else None
    return None if answer is None else str(answer).lower()


def _foreign_keys(rule: Rule, decision: Decision, test: RuleTest) -> list[str]:
    """Say where `state` speaks of keys, and none of them is the event's: a slip of the pen, more often than not."""
    keys = test.state.get(rule.name)
    if not isinstance(keys, Mapping) or not decision.key or decision.key in keys:
        return []
    named = ", ".join(f"`{key}`" for key in keys)
    return [f"rule {rule.name} has the key `{decision.key}` for this event; `state` gives answers for {named}"]


def _due(decision: Decision) -> tuple[NewDelivery, ...]:
    """Return the messages that go, now or when their wait is over. A rule in the shadow is tested as if it spoke."""
    if decision.policy is Policy.MODE:
        return decision.deliveries
    return tuple(
        new
        for new in decision.deliveries
        if new.state is not DeliveryState.SUPPRESSED and new.branch is not Branch.ESCALATE
    )


def _goes(rule: Rule, new: NewDelivery) -> bool:
    """Whether a message of a miss goes, now or when its wait is over; a rule in the shadow is tested as if it spoke."""
    is_due = new.state is not DeliveryState.SUPPRESSED or rule.mode is Mode.SHADOW
    return is_due and new.branch is not Branch.ESCALATE


def _unproven(decision: Decision, event: Event) -> list[str]:
    """Say where a test takes for granted what the bank will hardly give."""
    attached = any(message.notification.payload.get("attach") for message in decision.deliveries)
    if not attached or event.event_type in PROVEN_EVENT_TYPES:
        return []
    return [f"rule {decision.rule} attaches a proof, but the bank makes one of confirmed payments only"]
