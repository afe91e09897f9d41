"""Runs the `tests:` of rule files: what would this event send, and is it what the test expects?

In: a Ruleset with its tests, and the configuration. Out: a TestResult each. Nothing is sent, asked or stored; the
deciding is the daemon's own. Called by `memonotify test`.

Every rule of the ruleset takes part, because every rule that matches sends. A message that fails to render, and a
condition that fails, fails the test: what the daemon forgives, a test does not.

The bank has the proof that a message carries, unless the test says under `fetch` that there is nothing at its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from memonotify.catalogue import EVENT_TYPES, PROVEN_EVENT_TYPES
from memonotify.config.values import Config, EmailConfig
from memonotify.engine.compare import FieldDifference, differences
from memonotify.engine.decide import Given, Lookup, Remembered, decide
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.pairing import nearest_pairs, perfect_pairs
from memonotify.model import Decision, Event, NewDelivery, Outcome
from memonotify.rules.values import Rule, Ruleset, RuleTest

_EVENT_ID: Final = "00000000-0000-4000-8000-000000000001"
_RESOURCE_ID: Final = "00000000-0000-4000-8000-000000000002"
_AT: Final = datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
_UNKNOWN: Final = "unknown"
_MAX_SHOWN: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One thing in which a test falls short.

    `missing`: a message is expected and not due. `unexpected`: a message is due and not expected. `differs`: the
    nearest message has other `fields`. `error`: a condition or a message failed.
    """

    kind: Literal["missing", "unexpected", "differs", "error"]
    text: str
    rule: str = ""
    channel: str = ""
    fields: tuple[FieldDifference, ...] = ()

    def __str__(self) -> str:
        return "\n".join((self.text, *(f"  {field}" for field in self.fields)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """How one test ended. `notes` say what could not be looked at, and fail nothing."""

    __test__ = False  # pytest would take it for a test of its own

    name: str
    file: str
    line: int
    shortfalls: tuple[Shortfall, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every message that is due was expected, and the other way round."""
        return not self.shortfalls


def run_tests(ruleset: Ruleset, config: Config, *, only: Callable[[RuleTest], bool] | None = None) -> list[TestResult]:
    """Run the ruleset's tests, in their order; `only` chooses among them."""
    return [run_test(test, ruleset, config) for test in ruleset.tests if only is None or only(test)]


def run_test(test: RuleTest, ruleset: Ruleset, config: Config) -> TestResult:
    """Run one test."""
    event = event_of(test, config)
    shortfalls: list[Shortfall] = []
    notes: list[str] = []
    messages: list[NewDelivery] = []
    for rule in ruleset.candidates(event.event_type, event.resource_type, event.workspace):
        decision, unanswered = decided(rule, event, test)
        if unanswered:
            _say_unanswered(rule, unanswered, test, shortfalls, notes)
        elif decision.outcome is Outcome.FAILED:
            shortfalls.append(
                Shortfall(kind="error", rule=rule.name, text=f"rule {rule.name} fails: {decision.detail}")
            )
        else:
            messages += decision.deliveries
            notes += _unproven(decision, event)
    return TestResult(
        name=test.name,
        file=test.file,
        line=test.line,
        shortfalls=(*shortfalls, *_compared(test, messages, config)),
        notes=tuple(notes),
    )


def event_of(test: RuleTest, config: Config) -> Event:
    """Return the test's event with what is missing of its five fields filled in."""
    given = dict(test.event)
    event_type = given.get("event_type") or _event_type(given.get("resource_type"))
    resource_id = test.resource.get("id") if isinstance(test.resource, Mapping) else None
    body = {
        "id": _EVENT_ID,
        "date": _AT.isoformat(),
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
        received_at=_AT,
    )


def _event_type(resource_type: Any) -> str:
    return next((event for event, resource in EVENT_TYPES.items() if resource == resource_type), _UNKNOWN)


def decided(rule: Rule, event: Event, test: RuleTest) -> tuple[Decision, list[Lookup]]:
    """Decide with the test's answers; also return the look-ups that it has no answer for."""
    deciding = decide(rule, event=event, resource=Given(value=test.resource), at=_AT)
    unanswered: list[Lookup] = []
    answer: Any = None
    while True:
        try:
            ask = deciding.send(answer)
        except StopIteration as stop:
            return stop.value, unanswered
        if isinstance(ask, Remembered):
            answer = test.state.get(rule.name)
            continue
        if isinstance(ask, Proof):
            is_there = test.lookups.get(ask.path, True) is not None
            answer = Given(value=Enclosure() if is_there else None)
            continue
        if ask.name not in test.lookups and ask.path not in test.lookups:
            unanswered.append(ask)
        answer = Given(value=test.lookups.get(ask.name, test.lookups.get(ask.path)))


def _say_unanswered(
    rule: Rule, unanswered: list[Lookup], test: RuleTest, shortfalls: list[Shortfall], notes: list[str]
) -> None:
    """A rule that the test does not speak of may stay undecided; one that it does speak of may not."""
    asked = ", ".join(f"{lookup.name} ({lookup.path})" for lookup in unanswered)
    text = f"rule {rule.name} is not decided: the test does not say under `fetch:` what the bank answers for {asked}"
    if any(expectation.get("rule") == rule.name for expectation in test.expect):
        shortfalls.append(Shortfall(kind="error", rule=rule.name, text=text))
    else:
        notes.append(text)


def _unproven(decision: Decision, event: Event) -> list[str]:
    """Say where a test takes for granted what the bank will hardly give."""
    attached = any(message.notification.payload.get("attach") for message in decision.deliveries)
    if not attached or event.event_type in PROVEN_EVENT_TYPES:
        return []
    return [f"rule {decision.rule} attaches a proof, but the bank makes one of confirmed payments only"]


def _compared(test: RuleTest, messages: list[NewDelivery], config: Config) -> list[Shortfall]:
    expect = test.expect
    payloads = [_payload(message, config) for message in messages]

    def origin_fits(expectation: int, message: int) -> bool:
        wanted, due = expect[expectation], messages[message]
        found = {"rule": due.rule, "channel": due.notification.channel}
        return all(wanted.get(name, value) == value for name, value in found.items())

    def fits(expectation: int, message: int) -> bool:
        return origin_fits(expectation, message) and (
            # It is reported as an error of its own.
            bool(messages[message].notification.render_error) or not differences(expect[expectation], payloads[message])
        )

    def distance(expectation: int, message: int) -> float | None:
        if not origin_fits(expectation, message):
            return None
        return float(len(differences(expect[expectation], payloads[message])))

    pairs = perfect_pairs(len(expect), len(messages), fits)
    lone_expectations = [index for index in range(len(expect)) if index not in pairs]
    lone_messages = [index for index in range(len(messages)) if index not in pairs.values()]
    nearest = nearest_pairs(lone_expectations, lone_messages, distance)
    found = [_render_error(message) for message in messages if message.notification.render_error]
    for index in lone_expectations:
        if index in nearest:
            message = nearest[index]
            found.append(_differs(messages[message], differences(expect[index], payloads[message])))
        else:
            found.append(_missing(expect[index]))
    found += [_unexpected(messages[index]) for index in lone_messages if index not in nearest.values()]
    return found


def _payload(message: NewDelivery, config: Config) -> Mapping[str, Any]:
    """The message with the recipients that its channel adds."""
    channel = config.channels.get(message.notification.channel)
    payload = message.notification.payload
    if isinstance(channel, EmailConfig):
        defaults = {"to": list(channel.to), "cc": list(channel.cc), "reply_to": channel.reply_to}
        return {**{name: value for name, value in defaults.items() if value}, **payload}
    return payload


def _render_error(message: NewDelivery) -> Shortfall:
    return Shortfall(
        kind="error",
        rule=message.rule,
        channel=message.notification.channel,
        text=f"the message of {_origin(message)} fails: {message.notification.render_error}",
    )


def _differs(message: NewDelivery, fields: tuple[FieldDifference, ...]) -> Shortfall:
    return Shortfall(
        kind="differs",
        rule=message.rule,
        channel=message.notification.channel,
        text=f"the message of {_origin(message)} is not as expected",
        fields=fields,
    )


def _missing(expectation: Mapping[str, Any]) -> Shortfall:
    rule, channel = str(expectation.get("rule", "")), str(expectation.get("channel", ""))
    wanted = " ".join(filter(None, (f"of rule {rule}" if rule else "", f"to {channel}" if channel else "")))
    return Shortfall(
        kind="missing", rule=rule, channel=channel, text=f"a message {wanted or 'more'} is expected, and is not due"
    )


def _unexpected(message: NewDelivery) -> Shortfall:
    payload = message.notification.payload
    shown = next((payload[field] for field in ("subject", "text", "json", "body") if field in payload), "")
    summary = " ".join(str(shown).split())
    if len(summary) > _MAX_SHOWN:
        summary = summary[: _MAX_SHOWN - 1] + "…"
    return Shortfall(
        kind="unexpected",
        rule=message.rule,
        channel=message.notification.channel,
        text=f"a message of {_origin(message)} is due, and `expect` does not list it: {summary}",
    )


def _origin(message: NewDelivery) -> str:
    return f"rule {message.rule} to {message.notification.channel}"
