"""Reads the `tests:` of one file: a Document in, RuleTests and every problem out. Called by `loader`.

A test is checked against the rules of all files, for what it expects must be something they can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from memonotify.catalogue import EVENT_FIELDS
from memonotify.config.suggest import Suggester, did_you_mean
from memonotify.config.values import Config
from memonotify.errors import Problem
from memonotify.rules.declared import Declared
from memonotify.rules.entries import foreign_fields
from memonotify.rules.faults import shown_names
from memonotify.rules.lookups import ROOT
from memonotify.rules.moments import moment
from memonotify.rules.values import RuleTest
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath


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
        self._check_event((*path, "event"), event if isinstance(event, dict) else {})
        self._check_lookups((*path, "fetch"), lookups if isinstance(lookups, dict) else {})
        self._check_state((*path, "state"), state if isinstance(state, dict) else {})
        self._check_workspace((*path, "workspace"), workspace)
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
            expect=tuple(expected),
            workspace=workspace if isinstance(workspace, str) else "",
            state=state if isinstance(state, dict) else {},
            now=now,
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
