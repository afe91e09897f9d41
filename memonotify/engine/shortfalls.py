"""Holds what a test expects against the messages that are due: both in, every shortfall out. Pure; `testing` calls.

The order of neither counts. A message that is missing is shown with the one that comes nearest, and with why its rule
did not speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from memonotify.config.durations import format_duration
from memonotify.config.values import Config, EmailConfig
from memonotify.engine.compare import RULE_FIELDS, FieldDifference, differences
from memonotify.engine.pairing import nearest_pairs, perfect_pairs
from memonotify.model import Branch, NewDelivery, Severity
from memonotify.rules.moments import local_text
from memonotify.rules.values import RuleTest

_MAX_SHOWN: Final = 120
_AT_ONCE: Final = "(none: no escalation)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One thing in which a test falls short.

    `missing`: a message is expected and not due; `fields` tell it from the nearest one that is. `unexpected`: a message
    is due and not expected. `differs`: the message has other `fields`. `error`: a condition or a message failed.
    """

    kind: Literal["missing", "unexpected", "differs", "error"]
    text: str
    rule: str = ""
    channel: str = ""
    fields: tuple[FieldDifference, ...] = ()

    def __str__(self) -> str:
        return "\n".join((self.text, *(f"  {field}" for field in self.fields)))


def shortfalls(
    test: RuleTest, messages: Sequence[NewDelivery], silent: Mapping[str, str], config: Config
) -> list[Shortfall]:
    """Return in what the messages are not what the test expects; `silent` says of rules why they did not speak."""
    return _Comparing(test, messages, silent, config).found()


class _Comparing:
    def __init__(
        self, test: RuleTest, messages: Sequence[NewDelivery], silent: Mapping[str, str], config: Config
    ) -> None:
        self._expect = test.expect
        self._messages = messages
        self._silent = silent
        self._payloads = [_payload(message, config) for message in messages]
        self._afters = [_after(message) for message in messages]

    def found(self) -> list[Shortfall]:
        pairs = perfect_pairs(len(self._expect), len(self._messages), self._fits)
        lone = [index for index in range(len(self._expect)) if index not in pairs]
        due = [index for index in range(len(self._messages)) if index not in pairs.values()]
        nearest = nearest_pairs(lone, due, self._distance)
        left = [index for index in due if index not in nearest.values()]
        found = [_render_error(message) for message in self._messages if message.notification.render_error]
        for index in lone:
            if index in nearest:
                found.append(self._differs(index, nearest[index]))
            else:
                found.append(self._missing(index, left))
        # An escalation is what comes if nothing else does: a test may leave it out.
        return found + [_unexpected(self._messages[index]) for index in left if not self._afters[index]]

    def _origin_fits(self, expectation: int, message: int) -> bool:
        return not self._origin_differences(expectation, message)

    def _fits(self, expectation: int, message: int) -> bool:
        return self._origin_fits(expectation, message) and (
            # It is reported as an error of its own.
            bool(self._messages[message].notification.render_error)
            or not differences(self._expect[expectation], self._payloads[message])
        )

    def _distance(self, expectation: int, message: int) -> float | None:
        if not self._origin_fits(expectation, message):
            return None
        return sum(field.distance for field in differences(self._expect[expectation], self._payloads[message]))

    def _origin_differences(self, expectation: int, message: int) -> tuple[FieldDifference, ...]:
        wanted, due = self._expect[expectation], self._messages[message]
        had = {"rule": due.rule, "channel": due.notification.channel, "after": self._afters[message]}
        asked = {"after": "", **wanted}
        return tuple(
            FieldDifference(field=name, expected=str(asked[name]) or _AT_ONCE, got=had[name] or _AT_ONCE)
            for name in RULE_FIELDS
            if asked.get(name, had[name]) != had[name]
        )

    def _differs(self, expectation: int, index: int) -> Shortfall:
        message = self._messages[index]
        return Shortfall(
            kind="differs",
            rule=message.rule,
            channel=message.notification.channel,
            text=f"the message of {_origin(message)} is not as expected",
            fields=differences(self._expect[expectation], self._payloads[index]),
        )

    def _missing(self, expectation: int, left: Sequence[int]) -> Shortfall:
        expected = self._expect[expectation]
        rule, channel = str(expected.get("rule", "")), str(expected.get("channel", ""))
        after = f"after {expected['after']}" if "after" in expected else ""
        wanted = " ".join(filter(None, (f"of rule {rule}" if rule else "", f"to {channel}" if channel else "", after)))
        text = f"a message {wanted or 'more'} is expected, and is not due"
        if why := self._silent.get(rule):
            text += f": {why}"
        fields: tuple[FieldDifference, ...] = ()
        if left:
            apart = {index: self._apart(expectation, index) for index in left}
            nearest = min(left, key=lambda index: sum(field.distance for field in apart[index]))
            text += f"; the nearest that is due is of {_origin(self._messages[nearest])}"
            fields = apart[nearest]
        return Shortfall(kind="missing", rule=rule, channel=channel, text=text, fields=fields)

    def _apart(self, expectation: int, message: int) -> tuple[FieldDifference, ...]:
        fields = differences(self._expect[expectation], self._payloads[message])
        return self._origin_differences(expectation, message) + fields


def _after(message: NewDelivery) -> str:
    """How long after the rule has spoken a message of its escalation goes; empty for any other."""
    if message.branch is not Branch.ESCALATE or message.hold is None:
        return ""
    return format_duration((message.hold.until - message.created_at).total_seconds())


def _payload(message: NewDelivery, config: Config) -> Mapping[str, Any]:
    """The message with the recipients that its channel adds, its severity, and until when it waits."""
    channel = config.channels.get(message.notification.channel)
    held_until = False if message.hold is None else local_text(message.hold.until, config.timezone)
    payload = {"severity": Severity.INFO.value, **message.notification.payload, "held_until": held_until}
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
