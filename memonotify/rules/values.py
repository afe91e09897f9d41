"""The nouns of the rule language as frozen values. Come from the loader; the engine reads only these.

Templates and expressions in them are compiled already. Iterate rules in their order: files sorted, then as written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from memonotify.config.durations import format_duration
from memonotify.model import Mode, Severity
from memonotify.rules.expected import Expect
from memonotify.rules.index import Index
from memonotify.rules.match import Match
from memonotify.rules.policies import Group, Limit, Once, Quiet, Step
from memonotify.rules.reports import Report
from memonotify.rules.windows import Window
from memonotify.templating.conditions import Condition
from memonotify.templating.environment import Expression, Text
from memonotify.templating.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message of a rule: its place in the rule's list (from 0), its channel, and when it is due (None: always).

    `attach` names the bank's files that it carries, such as `proof`. `path` leads to it within the rule.
    """

    index: int
    channel: str
    channel_type: Literal["email", "slack", "http"]
    when: Expression | None
    message: Message
    attach: tuple[str, ...] = ()
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `file` and `line` (from 1) say where it stands.

    `lookups` are the API paths under `fetch`, by the name each answer has in expressions and messages; `on_change` with
    `key` speaks only where the answer of `when` changes for a key; true becomes false only where `hysteresis` holds
    too. `needs_resource` says whether the bank is asked for the event's resource. `digest` changes whenever the rule or
    a template file it uses directly does. One with a `report` looks at no event; one with `expect` speaks where no
    event came by a time.
    """

    name: str
    description: str
    file: str
    line: int
    match: Match
    when: Condition | None
    lookups: Mapping[str, Text]
    notify: tuple[Entry, ...]
    resolved: tuple[Entry, ...]
    on_change: bool
    key: Text | None
    needs_resource: bool
    digest: str
    hysteresis: Condition | None = None
    mode: Mode = Mode.LIVE
    severity: Severity = Severity.INFO
    once: Once | None = None
    quiet: Quiet | None = None
    group: Group | None = None
    limit: Limit | None = None
    escalate: tuple[Step, ...] = ()
    windows: tuple[Window, ...] = ()

    @property
    def memories(self) -> int:
        """How many policies of the rule go by what they remember; with any, its events are decided in order."""
        return self.on_change + (self.once is not None) + (self.limit is not None) + len(self.windows)

    @property
    def gathers(self) -> bool:
        """Whether one of its messages may tell of many events."""
        return self.group is not None or (self.quiet is not None and self.quiet.then == "digest")

    @property
    def policies(self) -> tuple[str, ...]:
        """What makes it speak later or less often, each in a few words, in the order in which messages pass them."""
        found: list[str | None] = [
            "fire on_change" if self.on_change else None,
            None if self.once is None else f"once in {format_duration(self.once.within_s)}",
            None if self.quiet is None else f"quiet {self.quiet.hours}",
            None if self.group is None else f"group {format_duration(self.group.wait_s)}",
            None if self.limit is None else f"limit {self.limit.count} per {format_duration(self.limit.per_s)}",
            *(f"escalate after {format_duration(step.after_s)}" for step in self.escalate),
        ]
        return tuple(words for words in found if words is not None)

    @property
    def escalations(self) -> tuple[Entry, ...]:
        """The messages of all steps of its escalation."""
        return tuple(entry for step in self.escalate for entry in step.entries)

    @property
    def counts_beside(self) -> tuple[Match, ...]:
        """What its windows match, where that is another thing than the rule itself does."""
        return tuple(window.match for window in self.windows if window.match != self.match)

    report: Report | None = None
    expect: Expect | None = None

    def passes_over(self, event_type: str, resource_type: str, workspace: str) -> str:
        """Say why it does not look at an event of these facts; empty where it does."""
        if self.mode is Mode.OFF:
            return "mode: off, so it looks at no event"
        if self.report is not None:
            return "a report, which is due by the clock"
        return self.match.misfit(event_type, resource_type, workspace)

    @property
    def attaches(self) -> bool:
        """Whether one of its messages carries a file, for which the bank is asked."""
        return any(entry.attach for entry in (*self.notify, *self.resolved, *self.escalations))


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One of a file's `tests:`: an event, what the bank would answer, and every message that is due.

    `resource` is None where the test gives none; `lookups` are answers by look-up name or path. Each item of `expect`
    names what it cares for: `rule`, `channel`, fields of the message; an empty list is silence. `state` is what rules
    with `fire: on_change` answered before, by rule: for every key, or by key; `told` what those with `once` have told
    already: every key (None), or these. Of an expectation, `after` is as `format_duration` writes it, `held_until` is
    local time as `local_text` does, or False. An empty `workspace` is the first one; `now` (aware, UTC) is when the
    event comes in, or None. `windows` are windows' values by name. With a `deadline` there is no event: nothing came by
    then.
    """

    name: str
    file: str
    line: int
    event: Mapping[str, Any]
    resource: Any
    lookups: Mapping[str, Any]
    expect: tuple[Mapping[str, Any], ...]
    workspace: str = ""
    state: Mapping[str, bool | Mapping[str, bool]] = field(default_factory=dict)
    told: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    now: datetime | None = None
    deadline: datetime | None = None
    windows: Mapping[str, bool | int | Decimal] = field(default_factory=dict)

    def has_told(self, rule: str, key: str) -> bool:
        """Return whether a rule with `once` has told a key already."""
        keys = self.told.get(rule, frozenset())
        return keys is None or key in keys

    def remembered(self, rule: str, key: str) -> bool | None:
        """Return what a rule answered for a key before, or None where the test does not say."""
        given = self.state.get(rule)
        return given.get(key) if isinstance(given, Mapping) else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """All rules in force, found through an index. `digest` changes whenever one of the rules does."""

    rules: tuple[Rule, ...]
    tests: tuple[RuleTest, ...] = ()
    digest: str = ""
    _index: Index[Rule] = field(init=False, repr=False, compare=False)
    _concerned: Index[Rule] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Rule] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        awake = [rule for rule in self.rules if rule.mode is not Mode.OFF and rule.report is None]
        index = concerned = Index((rule.match, rule) for rule in awake)
        if any(rule.counts_beside for rule in awake):
            concerned = Index((match, rule) for rule in awake for match in (rule.match, *rule.counts_beside))
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_concerned", concerned)
        object.__setattr__(self, "_by_name", {rule.name: rule for rule in self.rules})

    def candidates(self, event_type: str, resource_type: str, workspace: str) -> tuple[Rule, ...]:
        """Return the rules whose `match` fits an event of these facts, in their order; their `when` is not asked.

        A rule that is off is none of them, nor is a report.
        """
        return self._index.find(event_type, resource_type, workspace)

    def concerned(self, event_type: str, resource_type: str, workspace: str) -> tuple[Rule, ...]:
        """Return the candidates, and the rules that only count such an event in a window."""
        found = self._concerned.find(event_type, resource_type, workspace)
        if self._concerned is self._index:
            return found
        # One rule may be found by several of its matches.
        return tuple({id(rule): rule for rule in found}.values())

    def windows(self) -> dict[str, tuple[Rule, Window]]:
        """Return the windows in force by what they are kept under, each with a rule that has it."""
        return {
            window.digest: (rule, window)
            for rule in self.rules
            if rule.mode is not Mode.OFF and rule.report is None
            for window in rule.windows
        }

    @property
    def longest_window_s(self) -> float:
        """How far the windows of its rules look back at most."""
        return max((window.within_s for rule in self.rules for window in rule.windows), default=0.0)

    def rule(self, name: str) -> Rule | None:
        """Return the rule of that name."""
        return self._by_name.get(name)
