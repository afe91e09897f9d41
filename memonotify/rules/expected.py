"""Reads the `expect:` of a rule: its data in, an Expect and every problem out. `reader` calls it.

A rule with `expect` speaks when what its `match` and `when` describe has not come by a time. What only means something
for a message about an event is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from memonotify.config import checks
from memonotify.config.durations import format_duration, parse_duration
from memonotify.errors import Problem
from memonotify.timetable import BadSchedule, Timetable
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

KNOWN: Final = frozenset({"expected", "workspace"})
"""The names that the messages of a miss have; those of `resolved` have the event's as well."""

FIELDS: Final = ("by", "last", "rule", "since", "waiting")
"""What `expected` has."""

SHIFTS: Final = ("previous", "next", "skip")
CALENDARS: Final = ("france", "target2")
MOST_AT_ONCE: Final = 32
"""For so many deadlines one event may count, where each looks back over those before it."""

LONGEST_S: Final = 400 * 86_400.0
LONGEST_GRACE_S: Final = 7 * 86_400.0

_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REFUSED: Final = {
    "once": "it speaks once for each deadline anyway",
    "group": "a miss is told by itself",
    "fire": "it remembers whether the event came, and needs no condition that changes",
    "key": "it remembers by the deadline",
    "report": "make two rules of it",
}
_FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "email": {
        "subject": "{{ workspace.name }}: {{ expected.rule }} has not come",
        "text": (
            "{{ expected.rule }} was expected in {{ workspace.name }} by {{ expected.by | datetime }}, "
            "and has not come.\n"
            "{% if expected.last %}The last one came on {{ expected.last.date | datetime }} "
            "(event {{ expected.last.id }}).{% else %}None is known from before.{% endif %}\n"
        ),
    },
    "slack": {
        "text": (
            ":hourglass: *{{ workspace.name }}*: {{ expected.rule }} was expected by {{ expected.by | datetime }}, and "
            "has not come"
        )
    },
    "http": {"json": {"workspace": "{{ workspace.name }}", "expected": "{{ expected }}"}},
}
_TEXTS: Final = {"email": ("text", "html"), "slack": ("text", "blocks"), "http": ("json", "body")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """Until when the events of a rule are expected: `by` is the cron expression of the deadlines, in `timezone`.

    An event counts for `since_s` seconds before a deadline (None: since the deadline before), and `grace_s` behind it.
    With `business_days`, a calendar, a deadline on a closed day moves as `shift` says, or is left out.
    """

    by: str
    timezone: str
    since_s: float | None = None
    business_days: str = ""
    shift: str = "previous"
    grace_s: float = 0.0

    @property
    def words(self) -> tuple[str, str, str, str, float | None, float]:
        """Return what decides its deadlines."""
        return self.by, self.timezone, self.business_days, self.shift, self.since_s, self.grace_s


class ExpectReader:
    """Reads the expectation of one rule, whose data is at `path`. `problems` holds what was found."""

    def __init__(self, document: Document, path: DataPath, data: Mapping[str, Any], *, timezone: str) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._path = path
        self._data = data
        self._timezone = timezone

    def expect(self) -> Expect | None:
        """Read all of it; None where it cannot be used."""
        self._check_rule()
        data = self._data["expect"]
        if not isinstance(data, dict):
            return None
        zone = self._zone(data)
        by = data.get("by")
        if not isinstance(by, str):
            return None
        since_s = self._duration("since", LONGEST_S) if "since" in data else None
        try:
            self._check_overlap(Timetable(by, zone), since_s)
        except BadSchedule as bad:
            self._problem(("expect", "by"), str(bad), hint='such as "0 12 28 * *": on the 28th, at noon')
        calendar, shift = data.get("business_days"), data.get("shift", SHIFTS[0])
        if "shift" in data and "business_days" not in data:
            message = "`shift` means nothing without `business_days`"
            self._problem(("expect", "shift"), message, hint="say whose closing days a deadline moves off", key=True)
        return Expect(
            by=by,
            timezone=zone,
            since_s=since_s,
            business_days=calendar if calendar in CALENDARS else "",
            shift=shift if shift in SHIFTS else SHIFTS[0],
            grace_s=self._duration("grace", LONGEST_GRACE_S, least_s=0.0) if "grace" in data else 0.0,
        )

    def _check_rule(self) -> None:
        for key, why in _REFUSED.items():
            if key in self._data:
                message = f"`{key}` has no place beside `expect`: {why}"
                self._problem((key,), message, hint="remove it", key=True)
        self._check_attaching()
        self._check(("limit", "by"), "all messages of a rule with `expect` are counted together")
        quiet = self._data.get("quiet")
        if isinstance(quiet, dict) and quiet.get("then") == "digest":
            message = "`digest` has no place beside `expect`: it lists events, and none has come"
            self._problem(("quiet", "then"), message, hint="`hold`, or `drop`")
        steps = self._data.get("escalate")
        places: list[DataPath] = [("escalate",)]
        if isinstance(steps, list):
            places = [("escalate", at) for at in range(len(steps))]
        for place in places:
            self._check((*place, "unless"), "the expected event itself ends the escalation")

    def _check(self, path: DataPath, why: str) -> None:
        value: Any = self._data
        for step in path:
            inside = isinstance(value, dict) and step in value
            if not inside and not (isinstance(value, list) and isinstance(step, int)):
                return
            value = value[step]
        what = ".".join(step for step in path if isinstance(step, str))
        self._problem(path, f"`{what}` has no place beside `expect`: {why}", hint="remove it", key=True)

    def _check_attaching(self) -> None:
        entries = self._data.get("notify")
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and "attach" in entry:
                message = "`attach` has no place in a message about what has not come"
                self._problem(
                    ("notify", index, "attach"), message, hint="remove it, or move it to `resolved`", key=True
                )

    def _check_overlap(self, timetable: Timetable, since_s: float | None) -> None:
        first = at = timetable.next_after(_ANY_DAY)
        for _ in range(MOST_AT_ONCE):
            if since_s is None or first is None or at is None or (at - first).total_seconds() >= since_s:
                return
            at = timetable.next_after(at)
        message = f"more than {MOST_AT_ONCE} deadlines lie within `since`: one event would count for all of them"
        self._problem(("expect", "since"), message, hint="a shorter `since`, or fewer deadlines")

    def _zone(self, data: Mapping[str, Any]) -> str:
        zone = data.get("timezone")
        if not isinstance(zone, str):
            return self._timezone
        try:
            checks.timezone(zone)
        except checks.Refusal as refusal:
            self._problem(("expect", "timezone"), str(refusal), hint=refusal.hint)
            return self._timezone
        return zone

    def _duration(self, name: str, most_s: float, *, least_s: float = 1.0) -> float:
        text = self._data["expect"].get(name)
        try:
            seconds = parse_duration(text) if isinstance(text, str) else least_s
        except ValueError:
            # The schema has spoken.
            return least_s
        if not least_s <= seconds <= most_s:
            message = f"`{name}` is between {format_duration(least_s)} and {format_duration(most_s)}"
            self._problem(("expect", name), message)
        return seconds

    def _problem(self, path: DataPath, message: str, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._document.problem((*self._path, *path), message, hint=hint, key=key))


def with_form(channel_type: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry that says that something has not come: its own texts, or the form that we bring."""
    form = _FORMS[channel_type]
    if any(entry.get(name) is not None for name in _TEXTS[channel_type]):
        form = {name: value for name, value in form.items() if name == "subject"}
    return {**form, **entry}
