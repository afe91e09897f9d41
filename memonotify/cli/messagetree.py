"""A message and each try to send it, as lines of a tree. Pure.

In: a message of an explanation, as the API gives it. Out: a Node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from memonotify.cli.moments import Moments, seconds_between, span
from memonotify.cli.trees import Node

FIRST_TRIES: Final = 2
LAST_TRIES: Final = 3
_MOST_RECIPIENTS: Final = 5

Json = Mapping[str, Any]

_MOST_EVENTS: Final = 5
_BRANCHES: Final = {"resolved": "it is over", "escalate": "escalation"}
_STAGES: Final = {"quiet": "quiet hours", "group": "group", "limit": "limit"}

_STYLES: Final = {"sent": "green", "dead": "red", "pending": "yellow", "sending": "yellow", "held": "yellow"}


def message_node(message: Json, moments: Moments, own: Mapping[str, Sequence[str]], *, unfold: bool) -> Node:
    """Return a message's line, with its tries below. `own` are the recipients that a mail channel has itself."""
    channel = message["channel"]
    to = message["to"] or list(own.get(channel, ()))
    more = f" and {len(to) - _MOST_RECIPIENTS} more" if len(to) > _MOST_RECIPIENTS else ""
    text = f"→ {channel}"
    if to:
        text += f" to {', '.join(to[:_MOST_RECIPIENTS])}{more}"
    told = [_BRANCHES[message["branch"]]] if message["branch"] in _BRANCHES else []
    if message["severity"] != "info":
        told.append(message["severity"])
    if told:
        text += f" ({', '.join(told)})"
    if message["gist"]:
        text += f": {message['gist']}"
    state = message["state"]
    below = (*_around(message, moments, own, unfold=unfold), *_tries(message, moments, unfold))
    return Node(f"{text} — {_state(message, moments)}", below, _STYLES.get(state, ""))


def _state(message: Json, moments: Moments) -> str:
    state, settled_at = message["state"], message["settled_at"]
    when = f" {moments.at(settled_at)}" if settled_at else ""
    why = ": ".join(part for part in (message["reason"], message["detail"]) if part)
    match state:
        case "pending":
            return "waits to be tried again" if message["attempts"] else "waits to be sent"
        case "sending":
            return "on its way"
        case "sent":
            return f"sent{when}"
        case "dead":
            return f"dead letter{when}"
        case "held":
            return wait_in_words(message["waits"], message["silenced_by"], moments)
        case "told":
            return f"told in another message{when}"
        case "discarded":
            return f"given up by somebody{when}"
        case "suppressed":
            return f"not sent{f', {moments.within(why)}' if why else ''}"
    return str(state)


def _around(message: Json, moments: Moments, own: Mapping[str, Sequence[str]], *, unfold: bool) -> Iterator[Node]:
    """What the message has to do with others: those that it waits with, that it tells, the one that it is told in."""
    waits = message["waits"]
    if waits is not None:
        yield from _waits(waits, moments)
    by = message["silenced_by"]
    if by is not None and message["state"] != "held":
        what = "silenced" if message["state"] == "suppressed" else "was held back"
        yield Node(f"{what} by {by['id']}{_author(by)}: memonotify silence list --all", (), "dim")
    tells = message["tells"]
    if tells is not None:
        shown = tells["events"] if unfold else tells["events"][:_MOST_EVENTS]
        more = f" and {tells['count'] - len(shown)} more" if len(shown) < tells["count"] else ""
        count = f"{tells['count']} event{'s' if tells['count'] != 1 else ''}"
        yield Node(f"tells of {count}: {', '.join(shown)}{more}")
    teller = message["told_by"]
    if teller is not None:
        node = message_node(teller, moments, own, unfold=unfold)
        yield Node(f"in {teller['id']} {node.text}", node.children, node.style)
    elif message["told_in"]:
        yield Node(f"in {message['told_in']}, which is not kept any more")


def wait_in_words(waits: Json | None, silence: Json | None, moments: Moments) -> str:
    """Return why a message waits, and until when."""
    if waits is None:
        return "about to go on"
    until, key = moments.at(waits["until"]), f" {waits['key']}" if waits["key"] else ""
    match waits["policy"]:
        case "once":
            return f"waits until {until}: a better event for{key or ' it'} may come (once)"
        case "escalate":
            return f"goes at {until}, unless {_unless(waits['unless'])} (escalate)"
        case "silence":
            reason = f": {silence['reason']}" if silence is not None and silence["reason"] else ""
            return f"waits until {until}, held by silence{key}{reason}{_author(silence)}"
        case "quiet":
            return f"waits until {until}, the end of the quiet hours{key}"
        case "group":
            return f"waits until {until} for others to be told with it (group{key})"
        case "limit":
            return f"waits until {until}: enough were sent for now (limit{key})"
    return f"waits until {until} ({waits['policy']}{key})"


def _unless(unless: Json | None) -> str:
    if unless is None:
        return "something ends it"
    ends = []
    if unless["event_type"]:
        same = f" of the same {unless['same']} ({unless['value']})" if unless["same"] else ""
        ends.append(f"{' or '.join(unless['event_type'])}{same} comes")
    if unless["resolved"]:
        ends.append("it is over before")
    return " or ".join(ends) or "something ends it"


def _author(silence: Json | None) -> str:
    return f", by {silence['author']}" if silence is not None and silence["author"] else ""


def _waits(waits: Json, moments: Moments) -> Iterator[Node]:
    others = waits["others"]
    if others is not None:
        with_it = "alone so far" if not others else f"with {others} other{'s' if others != 1 else ''} so far"
        yield Node(f"{with_it}, gathering since {moments.at(waits['since'])}")
    steps = [
        " ".join(filter(None, (_STAGES[one["policy"]], one["says"])))
        for one in waits["ahead"]
        if one["policy"] in _STAGES
    ]
    if steps:
        yield Node(f"then: {', '.join(steps)}", (), "dim")


def _tries(message: Json, moments: Moments, unfold: bool) -> Iterator[Node]:
    lines = [(one["number"], _try(one, moments)) for one in message["tries"]]
    lines += [
        (number, Node(f"try {number}: lost, the daemon ended in the middle of it", (), "yellow"))
        for number in message["lost"]
    ]
    lines.sort(key=lambda line: line[0])
    left_out = len(lines) - FIRST_TRIES - LAST_TRIES
    if left_out > 1 and not unfold:
        yield from (node for _, node in lines[:FIRST_TRIES])
        yield Node(f"… {left_out} more tries (--all shows them)", (), "dim")
        yield from (node for _, node in lines[-LAST_TRIES:])
    else:
        yield from (node for _, node in lines)
    if message["under_way"]:
        yield Node(f"try {message['under_way']}: under way", (), "yellow")
    if message["state"] == "pending":
        yield Node(f"try {message['attempts'] + 1}: due {moments.at(message['due_at'])}", (), "yellow")
    if message["state"] == "dead":
        if not message["tries"] and message["reason"]:
            yield Node(": ".join(part for part in (message["reason"], message["detail"]) if part), (), "red")
        yield Node(f"memonotify retry {message['id']} sends it again")


def _try(one: Json, moments: Moments) -> Node:
    took_s = seconds_between(one["started_at"], one["ended_at"])
    status = f" ({one['status']})" if one["status"] is not None else ""
    detail = f": {one['detail']}" if one["detail"] else ""
    how = f"taken{status}" if one["ok"] else f"{one['reason'] or 'failed'}{status}"
    text = f"try {one['number']}: {moments.at(one['started_at'])}, {how} after {span(took_s)}{detail}"
    return Node(text, (), "" if one["ok"] else "red")
