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

_STYLES: Final = {"sent": "green", "dead": "red", "pending": "yellow", "sending": "yellow", "held": "yellow"}


def message_node(message: Json, moments: Moments, own: Mapping[str, Sequence[str]], *, unfold: bool) -> Node:
    """Return a message's line, with its tries below. `own` are the recipients that a mail channel has itself."""
    channel = message["channel"]
    to = message["to"] or list(own.get(channel, ()))
    more = f" and {len(to) - _MOST_RECIPIENTS} more" if len(to) > _MOST_RECIPIENTS else ""
    text = f"→ {channel}"
    if to:
        text += f" to {', '.join(to[:_MOST_RECIPIENTS])}{more}"
    told = ["it is over"] if message["branch"] == "resolved" else []
    if message["severity"] != "info":
        told.append(message["severity"])
    if told:
        text += f" ({', '.join(told)})"
    if message["gist"]:
        text += f": {message['gist']}"
    state = message["state"]
    return Node(f"{text} — {_state(message, moments)}", tuple(_tries(message, moments, unfold)), _STYLES.get(state, ""))


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
            return f"held back until {moments.at(message['due_at'])}"
        case "discarded":
            return f"given up by somebody{when}"
        case "suppressed":
            return f"not sent{f', {why}' if why else ''}"
    return str(state)


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
