"""One event's story as a tree for people: received, fetched, what each rule concluded, each message, each try. Pure.

In: the story as the API gives it. Out: a Node to print. Rules that spoke or failed stand first and in full; silent ones
get a line each, and where they are many, one for each reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from memonotify.cli.messagetree import message_node
from memonotify.cli.moments import Moments, span
from memonotify.cli.trees import Node
from memonotify.cli.visible import in_short

MAX_SILENT: Final = 20
"""How many silent rules get a line of their own; beyond it, those of one reason share one."""

MAX_CONDITION: Final = 160
"""Characters kept of a silent rule's condition where many rules are told of: the values are what counts."""

_MOST_NAMES: Final = 3
_MOST_CHANGES: Final = 20
_LOUD: Final = ("matched", "suppressed", "failed")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How a story is told: the time zone, the recipients that each mail channel has itself, and whether in full.

    `about` is the one rule that was asked for, or empty.
    """

    timezone: str
    recipients: Mapping[str, Sequence[str]]
    unfold: bool = False
    about: str = ""


def event_tree(story: Json, telling: Telling) -> Node:
    """Return the story of an event."""
    event = story["event"]
    moments = Moments(telling.timezone, event["received_at"])
    lines = [
        Node(f"about {event['resource_type']} {event['resource_id']}, in workspace {event['workspace']}"),
        *(Node(f"workspace {name} has an event of this id too: --workspace {name}") for name in story["also_in"]),
        _received(story, moments, telling),
        *(_fetched(one, moments, telling) for one in story["fetched"]),
        *(Node(note, (), "yellow") for note in story["notes"]),
        *_concluded(story, moments, telling),
        *(
            Node("told to on_failure", (message_node(one, moments, telling.recipients, unfold=telling.unfold),))
            for one in story["told"]
        ),
    ]
    return Node(f"{event['event_type']} {event['id']}", tuple(lines), "bold")


def _received(story: Json, moments: Moments, telling: Telling) -> Node:
    event, late_s = story["event"], story["late_s"]
    text = f"received {moments.full(event['received_at'])} ({telling.timezone})"
    if event["client"]:
        text += f" from {event['client']}"
    if late_s is None:
        return Node(f"{text}; the bank dates it {event['date']}")
    how_late = f"{span(abs(late_s))} {'after' if late_s >= 0 else 'before'} the bank's own date"
    return Node(f"{text}, {how_late}, {moments.at(event['date'])}")


def _fetched(one: Json, moments: Moments, telling: Telling) -> Node:
    now = one.get("now")
    children = tuple(_now(now, telling)) if now is not None else ()
    if one["fetched_at"] is None:
        return Node(f"not fetched so far: {one['path']}", children)
    text = f"fetched {one['path']} {moments.at(one['fetched_at'])}: {_answer(one)}"
    return Node(text, children, "" if one["found"] else "yellow")


def _answer(answer: Json) -> str:
    if answer["found"]:
        return str(answer["status"] or "ok")
    status = f" ({answer['status']})" if answer["status"] is not None else ""
    if answer["reason"] == "not_found":
        return f"the bank has no such resource{status}"
    return f"the bank did not give it: {answer['reason']}{status}"


def _now(now: Json, telling: Telling) -> Iterator[Node]:
    if not now["found"]:
        detail = f": {now['detail']}" if now["detail"] else ""
        yield Node(f"now: {_answer(now)}{detail}", (), "yellow")
        return
    if "changes" not in now:
        yield Node(f"now: the bank gives it ({now['status']})")
        return
    changes = now["changes"]
    if not changes:
        yield Node("now: the same as then")
        return
    shown = changes if telling.unfold else changes[:_MOST_CHANGES]
    lines = [Node(f"{one['field']}: {one['old']} → {one['new']}") for one in shown]
    if len(shown) < len(changes):
        lines.append(Node(f"… {len(changes) - len(shown)} more (--all shows them)", (), "dim"))
    count = len(changes)
    yield Node(f"now: {count} field{'s' if count != 1 else ''} changed since", tuple(lines), "yellow")


def _concluded(story: Json, moments: Moments, telling: Telling) -> Iterator[Node]:
    waiting, rules = story["waiting"], story["rules"]
    others = story["other_rules"]
    if waiting is not None:
        until = f"put off until {moments.at(waiting['due_at'])}: " if waiting["due_at"] else ""
        yield Node(f"not evaluated yet: {until}{'; '.join(waiting['reasons'])}", tuple(_others(others)), "yellow")
        yield from (rule_node(one, moments, telling) for one in rules)
        return
    lines = [*_rules(rules, moments, telling), *_others(others)]
    if telling.about:
        yield from lines
        return
    at = story["event"]["evaluated_at"]
    yield Node(f"evaluated {moments.at(at)}: {_summary(rules)}", tuple(lines))


def _summary(rules: Sequence[Json]) -> str:
    if not rules:
        return "no rule looked at it"
    counts = {
        "spoke": sum(one["outcome"] == "matched" and bool(one["messages"]) for one in rules),
        "suppressed": sum(one["outcome"] == "suppressed" for one in rules),
        "failed": sum(one["outcome"] == "failed" for one in rules),
    }
    silent = len(rules) - sum(counts.values())
    told = [f"{count} {word}" for word, count in counts.items() if count]
    if silent:
        told.append(f"{silent} stayed silent")
    return f"{len(rules)} rule{'s' if len(rules) != 1 else ''} looked at it, {', '.join(told)}"


def _rules(rules: Sequence[Json], moments: Moments, telling: Telling) -> Iterator[Node]:
    """Yield the rules that spoke or failed first; the others follow, folded where they are many."""
    loud = [one for one in rules if one["outcome"] in _LOUD]
    silent = [one for one in rules if one["outcome"] not in _LOUD]
    yield from (rule_node(one, moments, telling) for one in loud)
    if telling.unfold or len(silent) <= MAX_SILENT:
        yield from (rule_node(one, moments, telling) for one in silent)
    else:
        yield from _folded(silent, moments, telling)


def _folded(silent: Sequence[Json], moments: Moments, telling: Telling) -> Iterator[Node]:
    """Yield a line for each reason; for what stood in the conditions where even the reasons are many."""
    groups = _grouped(silent, _why_silent)
    if len(groups) > MAX_SILENT:
        groups = _grouped(silent, _values_of)
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))
    for reason, members in largest[:MAX_SILENT]:
        if len(members) == 1:
            yield rule_node(members[0], moments, telling)
        else:
            yield Node(f"{len(members)} rules silent ({_names(members)}): {reason}", (), "dim")
    rest = sum(len(members) for _, members in largest[MAX_SILENT:])
    if rest:
        yield Node(f"{rest} more rules silent", (), "dim")
    yield Node("--all shows each silent rule", (), "dim")


def _grouped(rules: Sequence[Json], by: Callable[[Json], str]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for one in rules:
        groups.setdefault(by(one), []).append(one)
    return groups


def _values_of(one: Json) -> str:
    if one["values"]:
        return f"their conditions are false, where {_values(one)}"
    return _why_silent(one)


def _names(rules: Sequence[Json]) -> str:
    names = [str(one["rule"]) for one in rules[:_MOST_NAMES]]
    return ", ".join([*names, "…"] if len(rules) > _MOST_NAMES else names)


def rule_node(one: Json, moments: Moments, telling: Telling) -> Node:
    """Return what one rule concluded, with its messages below."""
    messages = tuple(
        message_node(message, moments, telling.recipients, unfold=telling.unfold) for message in one["messages"]
    )
    below = (*messages, *_place(one)) if telling.about else messages
    name, outcome, why = one["rule"], one["outcome"], one["why"]
    if outcome == "matched" and messages:
        return Node(f"{name} spoke" + (f" ({why})" if why else ""), below, "green")
    if outcome == "failed":
        return Node(f"{name} failed: {why}", below, "red")
    if outcome == "suppressed":
        return Node(f"{name} would have spoken, suppressed by {moments.within(why)}", below, "yellow")
    if outcome is None:
        return Node(f"{name} silent: {why}", below, "dim")
    return Node(f"{name} silent: {_why_silent(one, in_full=bool(telling.about))}", below, "dim")


def _place(one: Json) -> Iterator[Node]:
    if one["file"]:
        yield Node(f"it stands in {one['file']}:{one['line']}", (), "dim")


def _why_silent(one: Json, *, in_full: bool = False) -> str:
    key = f" {one['key']}" if one["key"] else ""
    not_over = ""
    if one["outcome"] == "unchanged" and one["condition"]:
        not_over = f"not over yet for the key{key}: "
    elif one["outcome"] == "unchanged":
        return f"nothing new for the key{key}, its condition was true before and still is"
    if one["condition"]:
        values = f" ({_values(one)})" if one["values"] else ""
        condition = one["condition"] if in_full else in_short(one["condition"], MAX_CONDITION)
        return f"{not_over}{condition} is false{values}"
    return str(one["why"])


def _values(one: Json) -> str:
    return ", ".join(f"{name} is {value}" for name, value in one["values"].items())


def _others(others: Json | None) -> Iterator[Node]:
    if others is None:
        return
    count = others["elsewhere"]
    if count:
        yield Node(f"{count} rule{'s look' if count != 1 else ' looks'} at other events", (), "dim")
    for word, text in (
        ("to_come", "to be asked"),
        ("off", "off now"),
        ("not_then", "not asked: it did not exist, was off, or matched something else then"),
        ("gone", "not among the rules any more"),
    ):
        names = others[word]
        if names:
            shown = names[: MAX_SILENT // 2]
            more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
            yield Node(f"{text}: {', '.join(shown)}{more}", (), "dim")
