"""Reads the `tests:` of one file: a Document in, RuleTests and every problem out. Called by `loader`.

A test is checked against the rules of all files, for what it expects must be something they can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from memonotify.catalogue import EVENT_FIELDS
from memonotify.config.durations import format_duration, parse_duration
from memonotify.config.suggest import Suggester, did_you_mean
from memonotify.config.values import Config
from memonotify.errors import Problem
from memonotify.rules.declared import Declared
from memonotify.rules.entries import foreign_fields
from memonotify.rules.faults import shown_names
from memonotify.rules.lookups import ROOT
from memonotify.rules.moments import local_text, moment
from memonotify.rules.values import RuleTest
from memonotify.windowing import Measure
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

_WINDOW_VALUES: Final = {
    Measure.COUNT.value: "a whole number, such as 4",
    Measure.SUM.value: "an amount in the currency's unit, such as 50000.50",
    Measure.FIRST_SEEN.value: "true or false",
}


class TestReader:
    """Reads the tests of one document. `problems` holds what was found."""

    __test__ = False

    def __init__(
        self,
        document: Document,
        config: Config,
        rules: Mapping[str, Declared],
        lookups: frozenset[str],
        suggester: Suggester,
    ) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._config = config
        self._rules = rules
        self._suggester = suggester
        self._lookups = lookups

    def tests(self) -> Iterator[RuleTest]:
        """Read every test; one with a problem counts for nothing, since the load then fails."""
        data = self._document.data
        tests = data.get("tests") if isinstance(data, dict) else None
        for at, test in enumerate(tests if isinstance(tests, list) else ()):
            if isinstance(test, dict):
                yield self._test(("tests", at), test)

    def _test(self, path: DataPath, data: Mapping[str, Any]) -> RuleTest:
        lookups, event, expect = data.get("fetch"), data.get("event"), data.get("expect")
        expected = [item if isinstance(item, dict) else {} for item in (expect if isinstance(expect, list) else ())]
        state, workspace = data.get("state"), data.get("workspace")
        told = data["told"] if isinstance(data.get("told"), dict) else {}
        self._check_told((*path, "told"), told)
        self._check_event((*path, "event"), event if isinstance(event, dict) else {})
        self._check_lookups((*path, "fetch"), lookups if isinstance(lookups, dict) else {})
        self._check_state((*path, "state"), state if isinstance(state, dict) else {})
        self._check_workspace((*path, "workspace"), workspace)
        windows = dict(self._windows((*path, "window"), data.get("window")))
        now = self._moment((*path, "now"), data.get("now"))
        deadline = self._moment((*path, "deadline"), data.get("deadline"))
        self._check_occasion(path, data)
        for at, item in enumerate(expected):
            self._check_expected((*path, "expect", at), item)
        return RuleTest(
            name=str(data.get("name")),
            file=self._document.file,
            line=self._document.place(path)[0],
            event=event if isinstance(event, dict) else {},
            resource=data.get("resource"),
            lookups=lookups if isinstance(lookups, dict) else {},
            expect=tuple(self._in_form((*path, "expect", at), item) for at, item in enumerate(expected)),
            workspace=workspace if isinstance(workspace, str) else "",
            state=state if isinstance(state, dict) else {},
            told=_told(told),
            now=now,
            windows=windows,
            deadline=deadline,
        )

    def _check_event(self, path: DataPath, event: Mapping[str, Any]) -> None:
        for name in EVENT_FIELDS:
            if isinstance(event.get(name), dict | list):
                self._problem((*path, name), f"`{name}` of an event is one text", hint="as the bank sends it")

    def _check_lookups(self, path: DataPath, lookups: Mapping[str, Any]) -> None:
        for name in lookups:
            if not name.startswith(ROOT) and name not in self._lookups:
                meant = self._suggester.did_you_mean(name, self._lookups)
                hint = meant or "a name under a rule's `fetch`, or a path of the bank's API"
                self._problem((*path, name), f"no rule looks up `{name}`", hint=hint, key=True)

    def _check_state(self, path: DataPath, state: Mapping[str, Any]) -> None:
        for name in state:
            if name not in self._rules:
                self._no_rule((*path, name), name, key=True)
            elif not self._rules[name].on_change:
                message = f"rule `{name}` remembers nothing, so it has no `state`"
                self._problem((*path, name), message, hint="only rules with `fire: on_change` do", key=True)

    def _check_told(self, path: DataPath, told: Mapping[str, Any]) -> None:
        for name in told:
            if name not in self._rules:
                self._no_rule((*path, name), name, key=True)
            elif not self._rules[name].once:
                message = f"rule `{name}` tells each event, so it has `told` nothing"
                self._problem((*path, name), message, hint="only rules with `once` remember that", key=True)

    def _in_form(self, path: DataPath, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an expectation with its times as messages have them; say where one cannot be."""
        changed = dict(item)
        if isinstance(item.get("after"), str):
            try:
                changed["after"] = format_duration(self._after((*path, "after"), item))
            except ValueError:
                # The schema has spoken.
                changed.pop("after")
        if isinstance(item.get("held_until"), str):
            until = self._moment((*path, "held_until"), item["held_until"])
            changed["held_until"] = "" if until is None else local_text(until, self._config.timezone)
        return changed

    def _after(self, path: DataPath, item: Mapping[str, Any]) -> float:
        after_s = parse_duration(item["after"])
        rule = self._rules.get(str(item.get("rule")))
        if rule is not None and after_s not in rule.afters_s:
            steps = [format_duration(each) for each in sorted(rule.afters_s)]
            message = f"rule `{rule.name}` escalates nothing after {item['after']}"
            self._problem(path, message, hint=shown_names("steps", steps) if steps else "it has no `escalate`")
        return after_s

    def _windows(self, path: DataPath, given: Any) -> Iterator[tuple[str, bool | int | Decimal]]:
        """Read the values of windows; what each name means is known from the rules."""
        known: dict[str, set[str]] = {}
        for rule in self._rules.values():
            for name, measure in rule.windows.items():
                known.setdefault(name, set()).add(measure)
        for name, value in given.items() if isinstance(given, dict) else ():
            if name not in known:
                hint = self._suggester.did_you_mean(name, known) or shown_names("windows", known)
                self._problem((*path, name), f"no rule has a window `{name}`", hint=hint, key=True)
                continue
            if not isinstance(value, bool | int | float):
                # The schema has spoken.
                continue
            read = _window_value(value, known[name])
            if read is None:
                wanted = " or ".join(_WINDOW_VALUES[measure] for measure in sorted(known[name]) if measure)
                self._problem((*path, name), f"the value of window `{name}` is {wanted}")
            else:
                yield name, read

    def _check_occasion(self, path: DataPath, data: Mapping[str, Any]) -> None:
        if "event" not in data and "deadline" not in data:
            message = "a test needs an `event`"
            self.problems.append(self._document.problem(path, message, hint="or `deadline`, for what has not come"))
        for name in ("event", "resource", "fetch", "state", "now") if "deadline" in data else ():
            if name in data:
                message = f"`{name}` has no place beside `deadline`: nothing came by then"
                self._problem((*path, name), message, hint="remove one of the two", key=True)

    def _moment(self, path: DataPath, text: Any) -> datetime | None:
        if not isinstance(text, str):
            return None
        try:
            return moment(text, self._config.timezone)
        except ValueError as error:
            if not self._document.is_spoiled(path):
                hint = 'such as "2026-03-02T08:30:00Z", or "2026-03-02 09:30"'
                self._problem(path, f"`{path[-1]}` {error}", hint=hint)
            return None

    def _check_workspace(self, path: DataPath, name: Any) -> None:
        names = [workspace.name for workspace in self._config.workspaces]
        if isinstance(name, str) and name not in names:
            hint = did_you_mean(name, names) or shown_names("workspaces", names)
            self._problem(path, f"there is no workspace `{name}`", hint=hint)

    def _check_expected(self, path: DataPath, data: Mapping[str, Any]) -> None:
        name, channel = data.get("rule"), data.get("channel")
        rule = self._rules.get(name) if isinstance(name, str) else None
        if isinstance(name, str) and rule is None:
            self._no_rule((*path, "rule"), name)
        if rule is not None and rule.is_report:
            hint = f"memonotify report {rule.name} shows what it says"
            self._problem((*path, "rule"), f"rule `{rule.name}` is a report, which no event sets off", hint=hint)
        channels = self._config.channels
        if isinstance(channel, str):
            if channel not in channels:
                hint = did_you_mean(channel, channels) or shown_names("channels", channels)
                self._problem((*path, "channel"), f"there is no channel `{channel}`", hint=hint)
                return
            if rule is not None and channel not in rule.channels:
                message = f"rule `{rule.name}` has no message to channel `{channel}`"
                self._problem((*path, "channel"), message, hint=shown_names("channels of the rule", rule.channels))
                return
        reached = {channel} if isinstance(channel, str) else (rule.channels if rule is not None else channels)
        types: set[str] = {channels[name].type for name in reached if name in channels}
        if types:
            self.problems += foreign_fields(self._document, path, data, types)

    def _no_rule(self, path: DataPath, name: str, *, key: bool = False) -> None:
        self._problem(path, f"there is no rule `{name}`", hint=self._suggester.did_you_mean(name, self._rules), key=key)

    def _problem(self, path: DataPath, message: str, *, hint: str = "", key: bool = False) -> None:
        self.problems.append(self._document.problem(path, message, hint=hint, key=key))


def _told(given: Mapping[str, Any]) -> dict[str, frozenset[str] | None]:
    """Return the keys that rules have told: None for every key."""
    return {
        name: None if keys is True else frozenset(keys if isinstance(keys, list) else ())
        for name, keys in given.items()
    }


def _window_value(value: Any, measures: set[str]) -> bool | int | Decimal | None:
    """Return a window's value as expressions see it, None where it is none of these measures'."""
    if isinstance(value, bool):
        return value if Measure.FIRST_SEEN in measures else None
    if isinstance(value, int) and Measure.COUNT in measures:
        return value
    if isinstance(value, int | float) and Measure.SUM in measures:
        return Decimal(str(value))
    return None
