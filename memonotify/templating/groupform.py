"""What one message says of many events, where the rule's own words do not: a title, and each event on a line.

Takes `events` and `totals` as a group's messages see them, gives the text, the HTML and the data of the default
message. `events_of` makes these two from events and their resources. `messages` and the engine call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from markupsafe import escape

from memonotify.config.durations import format_duration
from memonotify.errors import RenderError
from memonotify.templating.jsondata import json_data
from memonotify.templating.plainform import as_payload, one_line

MAX_LISTED: Final = 500
"""So many events one message lists; the rest is counted."""

NAMES: Final = frozenset({"events", "totals"})
"""What a message that may tell of many events sees beside the usual names."""

Money = Callable[[Any], str]

_PEOPLE: Final = ("counterparty_name", "name", "beneficiary_iban", "local_iban")
_COLUMNS: Final = ("Date", "Event", "Amount", "Who", "Reference", "Status")


def events_of(known: Iterable[tuple[Mapping[str, Any], Any]]) -> dict[str, Any]:
    """Return what messages see of several events: `events`, each the event's fields and its `resource`, and `totals`,
    one for each currency with its `amount` in the smallest unit and its `count`.

    Takes each event's body with its resource. A resource that several events are about counts once in the totals.
    """
    listed: list[dict[str, Any]] = []
    sums: dict[str, dict[str, Any]] = {}
    counted: set[str] = set()
    for body, resource in known:
        listed.append({**body, "resource": resource})
        money = _money_of(resource)
        name = str(body.get("resource_id"))
        if money is None or name in counted:
            continue
        counted.add(name)
        amount, currency = money
        total = sums.setdefault(currency, {"currency": currency, "amount": 0, "count": 0})
        total["amount"] += amount
        total["count"] += 1
    return {"events": listed, "totals": [sums[currency] for currency in sorted(sums)]}


def _money_of(resource: Any) -> tuple[int, str] | None:
    if not isinstance(resource, Mapping):
        return None
    for amount, currency in (("amount", "currency"), ("instructed_amount", "instructed_currency")):
        number, code = resource.get(amount), resource.get(currency)
        if isinstance(number, int) and not isinstance(number, bool) and isinstance(code, str):
            return number, code
    return None


def is_many(context: Mapping[str, Any]) -> bool:
    """Return whether a message's context tells of more than one event."""
    events = context.get("events")
    return isinstance(events, list) and len(events) > 1


def title(rule: str, context: Mapping[str, Any], money: Money) -> str:
    """Return one line: the rule, how many events, and the totals."""
    amounts = ", ".join(_written(total, money) for total in context.get("totals", ()))
    count = f"{len(context['events'])} events"
    head = f"{rule}: {count}" if rule else count
    return f"{head}, {amounts}" if amounts else head


def text(rule: str, description: str, context: Mapping[str, Any], money: Money) -> str:
    """Return the message as plain text, each event on a line."""
    events = context["events"]
    rows = [" · ".join(filter(None, _row(event, money))) for event in events[:MAX_LISTED]]
    rest = [f"… and {len(events) - MAX_LISTED} more"] if len(events) > MAX_LISTED else []
    parts = (title(rule, context, money), description.strip(), "\n".join(f"- {row}" for row in (*rows, *rest)))
    return "\n\n".join(part for part in parts if part)


def html(rule: str, description: str, context: Mapping[str, Any], money: Money) -> str:
    """Return the message as HTML: a table, with columns that nothing stands in left out."""
    events = context["events"]
    rows = [_row(event, money) for event in events[:MAX_LISTED]]
    used = [at for at in range(len(_COLUMNS)) if any(row[at] for row in rows)]
    cell = 'style="padding:4px 10px;border-bottom:1px solid #ddd;text-align:left"'
    head = "".join(f"<th {cell}>{_COLUMNS[at]}</th>" for at in used)
    body = "".join("<tr>" + "".join(f"<td {cell}>{escape(row[at])}</td>" for at in used) + "</tr>" for row in rows)
    rest = f"<p>… and {len(events) - MAX_LISTED} more</p>" if len(events) > MAX_LISTED else ""
    intro = f"<p>{escape(description.strip())}</p>" if description.strip() else ""
    return (
        f"<p><strong>{escape(title(rule, context, money))}</strong></p>{intro}"
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}'
    )


def data(rule: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message as JSON data."""
    facts = {name: context.get(name) for name in ("workspace", "events", "totals")}
    return {"rule": rule, "count": len(context["events"]), **{name: json_data(value) for name, value in facts.items()}}


def _row(event: Mapping[str, Any], money: Money) -> Sequence[str]:
    resource = event.get("resource")
    facts: Mapping[str, Any] = resource if isinstance(resource, Mapping) else {}
    mandate = facts.get("mandate")
    reference = facts.get("reference") or (mandate.get("reference") if isinstance(mandate, Mapping) else None)
    found = _money_of(facts)
    amount = "" if found is None else _written({"amount": found[0], "currency": found[1]}, money)
    return (
        str(event.get("date", ""))[:10],
        str(event.get("event_type", "")),
        amount,
        next((str(facts[name]) for name in _PEOPLE if facts.get(name)), ""),
        str(reference or ("" if facts else event.get("resource_id", ""))),
        str(facts.get("status") or ""),
    )


def _written(total: Mapping[str, Any], money: Money) -> str:
    try:
        return money(total)
    except RenderError:
        return f"{total['amount']} {total['currency']}"


def default_group(
    channel_type: str, rule: str, context: Mapping[str, Any], money: Money, *, error: str = ""
) -> dict[str, Any]:
    """Return the payload that tells of many events without a rule's own words; `error` says why it is without."""
    subject = one_line(title(rule, context, money))
    said = f"\n\nThe rule's own message could not be written. The error: {one_line(error)}" if error else ""
    facts = data(rule, context)
    return as_payload(
        channel_type,
        subject=subject,
        text=text(rule, "", context, money) + said,
        data={**facts, "error": error} if error else facts,
    )


def rest_payload(
    channel_type: str,
    *,
    rule: str,
    key: str,
    count: int,
    event_ids: Sequence[str],
    unread: int = 0,
    per_s: float | None,
) -> dict[str, Any]:
    """Return the payload that tells what was over a limit: the rule, how many messages, and of which events.

    Of `unread` further messages the events are not known.
    """
    period = "" if per_s is None else f" within {format_duration(per_s)}"
    about = f" ({key})" if key else ""
    noun = "message" if count == 1 else "messages"
    subject = one_line(f"{rule}{about}: {count} more {noun}")
    listed = "\n".join(f"- {event_id}" for event_id in event_ids[:MAX_LISTED])
    more = max(len(event_ids) - MAX_LISTED, 0) + unread
    rest = f"\n… and {more} more" if more else ""
    sentence = f"The rule {rule} has a limit, and made {count} {noun} more than it allows{period}."
    lines = f"{subject}\n\n{sentence} They are told here, and not one by one. The events:\n{listed}{rest}\n"
    facts = {"kind": "limit", "rule": rule, "key": key, "count": count, "event_ids": list(event_ids[:MAX_LISTED])}
    return as_payload(channel_type, subject=subject, text=lines, data=facts)
