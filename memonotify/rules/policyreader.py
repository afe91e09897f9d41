"""Reads what a rule says of when it speaks: `once`, `quiet`, `group`, `limit`, `escalate`. `reader` calls it.

In: the rule's data, and how to compile a text and to read messages. Out: the values of `policies`, and every problem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, cast

from memonotify.catalogue import EVENT_FIELDS
from memonotify.config.durations import format_duration, parse_duration
from memonotify.config.suggest import did_you_mean
from memonotify.config.values import Config
from memonotify.errors import Problem, Severity
from memonotify.rules.faults import shown_names
from memonotify.rules.match import Match, fits, is_glob
from memonotify.rules.policies import Group, Limit, Once, Quiet, Step
from memonotify.rules.values import Entry
from memonotify.templating.environment import Text
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

WITHIN_S: Final = 86_400.0
WAIT_S: Final = 120.0
GROUP_WAIT_S: Final = 60.0
MOST: Final = 500
LONGEST_S: Final = 366 * 86_400.0
"""What waits for longer than a year was forgotten, not planned."""


class PolicyReader:
    """Reads the policies of one rule. `problems` and `notes` hold what was found.

    `compile_text` compiles the text at a path within the rule; `read_entries` reads the messages below one, numbered
    from a number on.
    """

    def __init__(
        self,
        document: Document,
        path: DataPath,
        data: Mapping[str, Any],
        config: Config,
        *,
        compile_text: Callable[[DataPath], Text | None],
        read_entries: Callable[[DataPath, int], Iterator[Entry]],
    ) -> None:
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._document = document
        self._path = path
        self._data = data
        self._config = config
        self._compile_text = compile_text
        self._read_entries = read_entries

    def once(self, match: Match) -> Once | None:
        """Read `once`."""
        data = self._mapping(("once",))
        if data is None:
            return None
        per = self._compile_text(("once", "per"))
        within_s = self._duration(("once", "within"), WITHIN_S)
        wait_s = self._duration(("once", "wait"), WAIT_S)
        prefer = _patterns(data.get("prefer"))
        if prefer is None and "wait" in data:
            self._problem(("once", "wait"), "`wait` means nothing without `prefer`", hint="say which event is worth it")
        if prefer is not None and wait_s >= within_s:
            self._problem(
                ("once", "wait" if "wait" in data else "prefer"),
                f"`wait` ({format_duration(wait_s)}) must be shorter than `within` ({format_duration(within_s)})",
            )
        for name in prefer or ():
            if not is_glob(name) and not fits(match.event_type, name):
                self._problem(("once", "prefer"), f"no event of type `{name}` comes to this rule", hint="see its match")
        return None if per is None else Once(per=per, within_s=within_s, prefer=prefer, wait_s=wait_s)

    def quiet(self) -> Quiet | None:
        """Read `quiet`."""
        data = self._mapping(("quiet",))
        if data is None:
            return None
        name = data.get("hours")
        if not isinstance(name, str):
            return None
        if name not in self._config.hours:
            hint = did_you_mean(name, self._config.hours) or shown_names("hours", self._config.hours)
            self._problem(("quiet", "hours"), f"the configuration has no hours `{name}`", hint=hint)
        then = data.get("then", "hold")
        if then not in ("hold", "digest", "drop"):
            return None
        return Quiet(hours=name, then=cast("Literal['hold', 'digest', 'drop']", then))

    def group(self) -> Group | None:
        """Read `group`."""
        data = self._mapping(("group",))
        if data is None:
            return None
        by = self._compile_text(("group", "by")) if "by" in data else None
        most = data.get("max", MOST)
        return Group(
            by=by,
            wait_s=self._duration(("group", "wait"), GROUP_WAIT_S),
            most=most if isinstance(most, int) else MOST,
        )

    def limit(self) -> Limit | None:
        """Read `limit`."""
        data = self._mapping(("limit",))
        if data is None:
            return None
        by = self._compile_text(("limit", "by")) if "by" in data else None
        count, per_s = data.get("count"), self._duration(("limit", "per"), 0.0)
        if not isinstance(count, int) or isinstance(count, bool) or not per_s:
            return None
        return Limit(count=count, per_s=per_s, by=by)

    def escalate(self) -> tuple[Step, ...]:
        """Read `escalate`: one step, or a list of them."""
        data = self._data.get("escalate")
        places: list[DataPath] = [("escalate",)]
        if isinstance(data, list):
            places = [("escalate", at) for at in range(len(data))]
        steps: list[Step] = []
        for place in places:
            step = self._mapping(place)
            if step is not None:
                steps.append(self._step(place, step, sum(len(each.entries) for each in steps)))
        for place, step_before, step_after in zip(places[1:], steps, steps[1:], strict=False):
            if step_after.after_s <= step_before.after_s:
                message = "a later step of an escalation comes later than the one before it"
                self._problem((*place, "after"), message, hint=f"more than {format_duration(step_before.after_s)}")
        return tuple(steps)

    def check(self, attaching: list[DataPath]) -> None:
        """Find what does not go together."""
        quiet = self._data.get("quiet")
        digests = isinstance(quiet, dict) and quiet.get("then") == "digest"
        if attaching and ("group" in self._data or digests):
            what = "group" if "group" in self._data else "quiet"
            line = self._document.place(attaching[0])[0]
            message = f"one message for many events carries no file, but `attach` stands at line {line}"
            self._problem((what,), message, hint="remove one of the two", key=True)

    def _step(self, path: DataPath, data: Mapping[str, Any], first: int) -> Step:
        unless = data.get("unless")
        ending: Mapping[str, Any] = unless if isinstance(unless, dict) else {}
        types = _patterns(ending.get("event_type")) or ()
        after_s = self._duration((*path, "after"), 0.0)
        if not types and self._data.get("fire") != "on_change" and "expect" not in self._data:
            message = "nothing ends this escalation: it would always speak"
            self._problem(path, message, hint="name an event under `unless: {event_type: …}`", key=True)
        same = str(ending.get("same", "resource_id"))
        return Step(
            after_s=after_s,
            event_types=types,
            same=same if same in EVENT_FIELDS else "resource_id",
            entries=tuple(self._read_entries((*path, "notify"), first)),
        )

    def _mapping(self, path: DataPath) -> Mapping[str, Any] | None:
        value: Any = self._data
        for step in path:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step]
        return value if isinstance(value, dict) else None

    def _duration(self, path: DataPath, default_s: float) -> float:
        owner = self._mapping(path[:-1]) or {}
        text = owner.get(str(path[-1]))
        if not isinstance(text, str):
            return default_s
        try:
            seconds = parse_duration(text)
        except ValueError:
            # The schema has spoken.
            return default_s
        if not 0 < seconds <= LONGEST_S:
            self._problem(path, f"it is between 1ms and {format_duration(LONGEST_S)}")
            return default_s
        return seconds

    def _problem(
        self, path: DataPath, message: str, *, hint: str = "", key: bool = False, severity: Severity = "error"
    ) -> None:
        found = self.problems if severity == "error" else self.notes
        found.append(self._document.problem((*self._path, *path), message, hint=hint, key=key, severity=severity))


def afters_of(escalate: Any) -> Iterator[float]:
    """Yield after how many seconds each step of an escalation comes, as far as that can be read."""
    for step in escalate if isinstance(escalate, list) else [escalate]:
        try:
            yield parse_duration(str(step["after"]))
        except (ValueError, KeyError, TypeError):
            continue


def _patterns(given: Any) -> tuple[str, ...] | None:
    if isinstance(given, str):
        return (given,)
    if isinstance(given, list):
        return tuple(item for item in given if isinstance(item, str))
    return None
