"""Why a rule stayed silent, counted by reason, as a tree for people. Pure.

In: the counts as the API gives them. Out: a Node to print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from memonotify.cli.moments import Moments
from memonotify.cli.trees import Node
from memonotify.cli.visible import in_short

Json = Mapping[str, Any]

_MAX_REASON: Final = 240
_STYLES: Final = {"failed": "red", "suppressed": "yellow"}
_MODES: Final = {"off": "it is off now, and looks at no event", "shadow": "it is in the shadow: nothing is sent"}


def rule_tree(counts: Json, *, timezone: str) -> Node:
    """Return how often a rule spoke and why it did not, the most frequent reason first."""
    moments = Moments(timezone, counts["since"])
    looked, spoke = counts["looked_at"], counts["spoke"]
    lines = [Node(f"since {moments.full(counts['since'])} ({timezone})")]
    if counts["mode"] is None:
        lines.append(Node("it is not among the rules now", (), "yellow"))
    elif counts["mode"] in _MODES:
        lines.append(Node(_MODES[counts["mode"]], (), "yellow"))
    if counts["severity"] not in (None, "info"):
        lines.append(Node(f"its messages are {counts['severity']}"))
    if counts["cut"]:
        lines.append(Node(f"only the newest {looked} events are counted: give a shorter --since", (), "yellow"))
    if counts["deadlines"] or (counts["schedules"] and not counts["is_due_by_clock"]):
        lines += [_schedule(one, moments) for one in counts["schedules"]]
        lines += [_deadline(one, moments) for one in counts["deadlines"]]
    if counts["is_due_by_clock"]:
        lines += [_schedule(one, moments) for one in counts["schedules"]] or [Node("no daemon has run it yet")]
    elif not looked:
        lines.append(Node(f"no event since then is one that it looks at{_match(counts['match'])}"))
    else:
        lines.append(Node(f"it looked at {_events(looked)} and spoke for {spoke}", (), "green" if spoke else ""))
    lines += [*_policies(counts, moments), *(_reason(one, moments) for one in counts["reasons"])]
    return Node(f"rule {counts['rule']}", tuple(lines), "bold")


def _policies(counts: Json, moments: Moments) -> Iterator[Node]:
    """What its policies do with its messages: those that wait now, those told in others, those kept back."""
    waiting, told, suppressed = counts["waiting"], counts["told"], counts["suppressed"]
    if waiting:
        count = sum(one["count"] for one in waiting)
        by = tuple(
            Node(f"{one['count']} by {one['policy']}, the first until {moments.full(one['first_at'])}")
            for one in waiting
        )
        yield Node(f"{_messages(count)} wait{'s' if count == 1 else ''} now", by, "yellow")
    if told["messages"]:
        were = "was" if told["messages"] == 1 else "were"
        yield Node(f"{_messages(told['messages'])} {were} told in {told['in']} other{'s' if told['in'] != 1 else ''}")
    if suppressed:
        by_policy = ", ".join(f"{count} by {policy}" for policy, count in suppressed.items())
        yield Node(f"kept back for {_events(sum(suppressed.values()))}: {by_policy}", (), "yellow")


def _messages(count: int) -> str:
    return f"{count} message{'s' if count != 1 else ''}"


def _schedule(one: Json, moments: Moments) -> Node:
    last = f", last {moments.full(one['last_at'])}" if one["last_at"] else ", not run yet"
    line = f"{one['workspace']}: due {moments.full(one['due_at'])}{last}"
    if one["attempts"]:
        return Node(f"{line}; tried in vain {one['attempts']} times, again {moments.full(one['try_at'])}", (), "yellow")
    return Node(line)


_COURSES: Final = {
    "came": "came in time",
    "missed": "has not come",
    "late": "came late",
    "skipped": "not judged: the rule had not seen the whole period",
}


def _deadline(one: Json, moments: Moments) -> Node:
    event = f", event {one['event']['id']} of {moments.full(one['event']['date'])}" if one["event"] else ""
    line = f"{one['workspace']}: by {moments.full(one['by'])}: {_COURSES[one['course']]}{event}"
    return Node(line, (), {"missed": "red", "late": "yellow"}.get(one["course"], ""))


def _events(count: int) -> str:
    return f"{count} event{'s' if count != 1 else ''}"


def _match(match: Json | None) -> str:
    told = [f"{name} {', '.join(patterns)}" for name, patterns in (match or {}).items()]
    return f": {'; '.join(told)}" if told else ""


def _reason(one: Json, moments: Moments) -> Node:
    outcome = one["outcome"]
    how = {"failed": "failed", "suppressed": "suppressed"}.get(outcome, "silent")
    reason = in_short(one["reason"], _MAX_REASON)
    if outcome == "unchanged" and not one["values"]:
        reason = "nothing new for the key, its condition was true before and still is"
    values = ", ".join(f"{name} is {value}" for name, value in one["values"].items())
    latest = f"latest {moments.at(one['latest_at'])}, event {one['latest_event_id']}"
    below = Node(f"{latest}: {values}" if values else latest, (), "dim")
    return Node(f"{one['count']} × {how}: {reason}", (below,), _STYLES.get(outcome, ""))
