"""Reads the `report:` of a rule: its data in, a Report and every problem out. `reader` calls it.

A rule with a report looks at no event: it is due by the clock. What only means something for an event is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from memonotify.config import checks
from memonotify.errors import Problem
from memonotify.timetable import BadSchedule, Timetable
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

KNOWN: Final = frozenset({"report", "workspace"})
"""The names that the messages of a report have."""

FIELDS: Final = ("accounts", "at", "charts", "missing", "open", "since", "totals", "until")
"""What a report has."""

_OF_EVENTS: Final = (
    "when", "fetch", "fire", "key", "hysteresis", "resolved", "once", "quiet", "group", "limit", "escalate", "window",
)  # fmt: skip
_FACTS: Final = ("event_type", "resource_type")
_TEXTS: Final = {"email": ("text", "html"), "slack": ("text", "blocks"), "http": ("json", "body")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report is of and when it is due. `schedule` is a cron expression, read in `timezone`.

    `business_days` names a calendar whose closing days are left out; empty: none are. `days` is how many days of
    movements it has, None: those since the last one. `accounts` are globs on name or IBAN; none: all accounts.
    """

    schedule: str
    timezone: str
    business_days: str = ""
    days: int | None = None
    accounts: tuple[str, ...] = ()


class ReportReader:
    """Reads the report of one rule, whose data is at `path`. `problems` holds what was found."""

    def __init__(self, document: Document, path: DataPath, data: Mapping[str, Any], *, timezone: str) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._path = path
        self._data = data
        self._timezone = timezone

    def report(self) -> Report | None:
        """Read all of it; None where it cannot be used."""
        data = self._data["report"]
        if not isinstance(data, dict):
            return None
        schedule, zone = data.get("schedule"), self._zone(data)
        if not isinstance(schedule, str):
            return None
        try:
            Timetable(schedule, zone)
        except BadSchedule as bad:
            self._problem(("report", "schedule"), str(bad), hint='such as "0 8 * * mon-fri": at eight, on weekdays')
        accounts, days = data.get("accounts"), data.get("days")
        return Report(
            schedule=schedule,
            timezone=zone,
            business_days=str(data.get("business_days") or ""),
            days=days if isinstance(days, int) else None,
            accounts=tuple(str(each) for each in ([accounts] if isinstance(accounts, str) else accounts or ())),
        )

    def _zone(self, data: Mapping[str, Any]) -> str:
        zone = data.get("timezone")
        if not isinstance(zone, str):
            return self._timezone
        try:
            checks.timezone(zone)
        except checks.Refusal as refusal:
            self._problem(("report", "timezone"), str(refusal), hint=refusal.hint)
            return self._timezone
        return zone

    def remaining(self) -> dict[str, Any]:
        """Tell what has no place beside a report, and return the rule's data without it."""
        for key in _OF_EVENTS:
            if key in self._data:
                message = f"`{key}` has no place beside `report`: a report is due by the clock, not by an event"
                self._problem((key,), message, hint="remove it, or make two rules of it", key=True)
        kept = {key: value for key, value in self._data.items() if key not in _OF_EVENTS}
        match = kept.get("match")
        if isinstance(match, dict):
            for fact in _FACTS:
                if fact in match:
                    message = f"`{fact}` has no place beside `report`: a report looks at no event"
                    self._problem(("match", fact), message, hint="`match` of a report has only `workspace`", key=True)
            kept["match"] = {key: value for key, value in match.items() if key not in _FACTS}
        self._check_attaching(kept.get("notify"))
        return kept

    def _check_attaching(self, entries: Any) -> None:
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and "attach" in entry:
                message = "`attach` has no place beside `report`: there is no payment that it could prove"
                self._problem(("notify", index, "attach"), message, hint="remove it", key=True)

    def _problem(self, path: DataPath, message: str, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._document.problem((*self._path, *path), message, hint=hint, key=key))


def with_form(channel_type: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry of a report that says something: its own texts, or the form that we bring."""
    form = _form(channel_type)
    if any(entry.get(name) is not None for name in _TEXTS[channel_type]):
        form = {name: value for name, value in form.items() if name == "subject"}
    return {**form, **entry}


@cache
def _form(channel_type: str) -> Mapping[str, Any]:
    if channel_type == "email":
        return {
            "subject": _file("report.subject.j2").strip(),
            "text": _file("report.txt.j2"),
            "html": _file("report.html.j2"),
        }
    if channel_type == "slack":
        return {"text": _file("report.slack.j2")}
    return {"json": {"workspace": "{{ workspace.name }}", "report": "{{ report }}"}}


def _file(name: str) -> str:
    return resources.files("memonotify.rules").joinpath("forms", name).read_text(encoding="utf-8")
