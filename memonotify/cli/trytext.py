"""What `memonotify try` shows of an event, as text for people and as JSON.

In: a Preview. Out: lines on the terminal, or plain data. Messages that would wait or be kept back say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from memonotify.admin.records import moment_text
from memonotify.cli.moments import Moments
from memonotify.holding import Hold, Policy
from memonotify.model import Branch, DeliveryState

if TYPE_CHECKING:
    from memonotify.engine.preview import Preview, RulePreview
    from memonotify.model import NewDelivery


def preview_json(shown: Preview) -> list[dict[str, Any]]:
    """Return what each rule would do."""
    return [
        {
            "rule": rule.rule,
            "outcome": str(rule.outcome) if rule.outcome is not None else None,
            "why": rule.why,
            "values": dict(rule.values),
            "messages": [_message_json(one) for one in rule.messages],
        }
        for rule in shown.rules
    ]


def _message_json(message: NewDelivery) -> dict[str, Any]:
    hold = message.hold
    return {
        "channel": message.notification.channel,
        "branch": str(message.branch),
        "state": str(message.state),
        "detail": message.detail,
        "waits": None
        if hold is None
        else {"policy": str(hold.policy), "key": hold.key, "until": moment_text(hold.until)},
        "payload": dict(message.notification.payload),
    }


def print_preview(shown: Preview, *, timezone: str) -> None:
    """Print what each rule would do, and how many messages would be sent."""
    event = shown.event
    moments = Moments(timezone, event.received_at.isoformat())
    click.echo(f"{event.event_type} of {event.resource_type} {event.resource_id} in {event.workspace}")
    for note in (shown.note, *shown.notes):
        if note:
            click.secho(f"Note: {note}", fg="yellow")
    for rule in shown.rules:
        _print_rule(rule, moments)
    click.echo("\n" + "; ".join(_counts(shown)) + ".")


def _counts(shown: Preview) -> Iterator[str]:
    """Yield how many messages would be sent now, and how many wait, follow or are kept back."""
    messages = shown.messages
    now = sum(one.state is DeliveryState.PENDING for one in messages)
    held = [one for one in messages if one.state is DeliveryState.HELD]
    follow = sum(one.branch is Branch.ESCALATE for one in held)
    kept_back = sum(one.state is DeliveryState.SUPPRESSED for one in messages)
    yield f"{now} message{'s' if now != 1 else ''} would be sent"
    if len(held) > follow:
        yield f"{len(held) - follow} would wait first"
    if follow:
        yield f"{follow} would follow later"
    if kept_back:
        yield f"{kept_back} would be suppressed"


def _print_rule(rule: RulePreview, moments: Moments) -> None:
    fires = any(message.state is not DeliveryState.SUPPRESSED for message in rule.messages)
    mark = click.style("fires ", fg="green", bold=True) if fires else click.style("silent", dim=True)
    why = moments.within(rule.why)
    if rule.condition and _one_line(why).startswith(f"{_one_line(rule.condition)} is false"):
        # The whole of it stands in the next line, with its values below.
        why = "when is false"
    click.echo(f"\n{mark}  {rule.rule}" + (f": {why}" if why else ""))
    if rule.outcome is not None and rule.condition:
        click.echo(f"        when {rule.condition}")
        for name, value in rule.values.items():
            click.echo(f"             {name} = {json.dumps(value, ensure_ascii=False, default=str)}")
    for message in rule.messages:
        _print_message(message, moments)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print_message(message: NewDelivery, moments: Moments) -> None:
    notification = message.notification
    stands = _standing(message, moments)
    click.echo(f"        → {click.style(notification.channel, bold=True)}" + (f" {stands}" if stands else ""))
    if notification.render_error:
        click.secho(f"          plain form, because: {notification.render_error}", fg="red")
    for name, value in notification.payload.items():
        if name == "html":
            click.echo(f"          html: {len(value)} characters")
            continue
        if name == "attach":
            for file in value:
                click.echo(f"          attach: {file['name']} ({_size(file['size'])})")
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines = text.rstrip().split("\n")
        click.echo(f"          {name}: {lines[0]}")
        for line in lines[1:]:
            click.echo(f"            {line}")


def _standing(message: NewDelivery, moments: Moments) -> str:
    """Say what becomes of a message that is not sent at once; nothing of one that is."""
    if message.state is DeliveryState.SUPPRESSED:
        return f"would be suppressed by {moments.within(message.detail)}"
    return "" if message.hold is None else _held(message.hold, message.detail, moments)


def _held(hold: Hold, detail: str, moments: Moments) -> str:
    until, key = moments.full(hold.until.isoformat()), f" {hold.key}" if hold.key else ""
    match hold.policy:
        case Policy.GROUP:
            return f"would join a group{key and f', key{key},'} that is told at {until} at the latest"
        case Policy.ESCALATE:
            return f"would follow at {until}, unless {_ends(hold)}"
        case Policy.ONCE:
            return f"would wait until {until}: a better event for{key or ' it'} may come (once)"
        case Policy.SILENCE:
            reason = detail.partition(": ")[2].rpartition(", until ")[0]
            return f"would be held until {until} by silence{key}" + (f": {reason}" if reason else "")
    return f"would be held until {until} by {hold.policy}:{key}"


def _ends(hold: Hold) -> str:
    ending = hold.ending
    if ending is None:
        return "something ends it"
    types = " or ".join(ending.event_types)
    ends = [f"{types} of the same {ending.same} comes" if ending.same else f"{types} comes"] if types else []
    if hold.key:
        ends.append("it is over before")
    return " or ".join(ends) or "something ends it"


def _size(size: int | None) -> str:
    return "not fetched without --send" if size is None else f"{size} bytes"
