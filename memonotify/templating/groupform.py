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
from memonotify.templating.filters import Filters
from memonotify.templating.filters import iban as written_iban
from memonotify.templating.jsondata import json_data
from memonotify.templating.plainform import as_payload, one_line

MAX_LISTED: Final = 500
"""So many events one message lists; the rest is counted."""

NAMES: Final = frozenset({"events", "totals"})
"""What a message that may tell of many events sees beside the usual names."""

_PEOPLE: Final = ("counterparty_name", "name")
_COLUMNS: Final = ("Date", "Event", "Amount", "Who", "Reference", "Status")


def events_of(known: Iterable[tuple[Mapping[str, Any], Any]]) -> dict[str, Any]:
    """Return what messages see of several events: `events`, each the event's fields and its `resource`, and `totals`,
    one for each currency with its `amount` in the smallest unit and its `count`; where resources have a `direction`,
    one for each of these too, for what comes in and what goes out is no sum.

    Takes each event's body with its resource. A resource that several events are about counts once in the totals.
    """
    listed: list[dict[str, Any]] = []
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    counted: set[str] = set()
    for body, resource in known:
        listed.append({**body, "resource": resource})
        money = _money_of(resource)
        name = str(body.get("resource_id"))
        if money is None or name in counted:
            continue
        counted.add(name)
        amount, currency = money
        direction = str(resource.get("direction") or "")
        total = sums.setdefault((currency, direction), {"currency": currency, "amount": 0, "count": 0})
        if direction:
            total["direction"] = direction
        total["amount"] += amount
        total["count"] += 1
    return {"events": listed, "totals": [sums[place] for place in sorted(sums)]}


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


def title(rule: str, context: Mapping[str, Any], filters: Filters) -> str:
    """Return one line: the rule, how many events, and the totals."""
    totals = context.get("totals", ())
    both_ways = len({total.get("direction") for total in totals}) > 1
    amounts = ", ".join(_total(total, filters, both_ways=both_ways) for total in totals)
    count = f"{len(context['events'])} events"
    head = f"{rule}: {count}" if rule else count
    return f"{head}, {amounts}" if amounts else head


def text(rule: str, description: str, context: Mapping[str, Any], filters: Filters) -> str:
    """Return the message as plain text, each event on a line."""
    events = context["events"]
    rows = [" · ".join(filter(None, _row(event, filters))) for event in events[:MAX_LISTED]]
    rest = [f"… and {len(events) - MAX_LISTED} more"] if len(events) > MAX_LISTED else []
    parts = (title(rule, context, filters), description.strip(), "\n".join(f"- {row}" for row in (*rows, *rest)))
    return "\n\n".join(part for part in parts if part)


def html(rule: str, description: str, context: Mapping[str, Any], filters: Filters) -> str:
    """Return the message as HTML: a table, with columns that nothing stands in left out."""
    events = context["events"]
    rows = [_row(event, filters) for event in events[:MAX_LISTED]]
    used = [at for at in range(len(_COLUMNS)) if any(row[at] for row in rows)]
    cell = 'style="padding:4px 10px;border-bottom:1px solid #ddd;text-align:left"'
    head = "".join(f"<th {cell}>{_COLUMNS[at]}</th>" for at in used)
    body = "".join("<tr>" + "".join(f"<td {cell}>{escape(row[at])}</td>" for at in used) + "</tr>" for row in rows)
    rest = f"<p>… and {len(events) - MAX_LISTED} more</p>" if len(events) > MAX_LISTED else ""
    intro = f"<p>{escape(description.strip())}</p>" if description.strip() else ""
    return (
        f"<p><strong>{escape(title(rule, context, filters))}</strong></p>{intro}"
        f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}'
    )


def data(rule: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message as JSON data."""
    facts = {name: context.get(name) for name in ("workspace", "events", "totals")}
    return {"rule": rule, "count": len(context["events"]), **{name: json_data(value) for name, value in facts.items()}}


def _row(event: Mapping[str, Any], filters: Filters) -> Sequence[str]:
    resource = event.get("resource")
    facts: Mapping[str, Any] = resource if isinstance(resource, Mapping) else {}
    reference = facts.get("reference") or _inner(facts, "mandate", "reference")
    found = _money_of(facts)
    amount = "" if found is None else _written({"amount": found[0], "currency": found[1]}, filters)
    return (
        _or_as_it_is(filters.datetime, event.get("date")),
        str(event.get("event_type", "")),
        amount,
        _who(facts),
        str(reference or ("" if facts else event.get("resource_id", ""))),
        str(facts.get("status") or ""),
    )


def _who(facts: Mapping[str, Any]) -> str:
    """Return who is on the other side: a name, or most of an IBAN left out."""
    names = (*(facts.get(name) for name in _PEOPLE), _inner(facts, "debtor", "name"))
    name = next((str(name) for name in names if name), "")
    iban = facts.get("beneficiary_iban")
    return name or (_or_as_it_is(lambda value: written_iban(value, mask=True), iban) if iban else "")


def _inner(facts: Mapping[str, Any], outer: str, name: str) -> Any:
    inner = facts.get(outer)
    return inner.get(name) if isinstance(inner, Mapping) else None


def _or_as_it_is(write: Callable[[Any], str], value: Any) -> str:
    try:
        return "" if value is None else write(value)
    except RenderError:
        return str(value)


def _total(total: Mapping[str, Any], filters: Filters, *, both_ways: bool) -> str:
    written = _written(total, filters)
    return f"{written} ({total.get('direction') or 'no direction'})" if both_ways else written


def _written(total: Mapping[str, Any], filters: Filters) -> str:
    try:
        return filters.money(total)
    except RenderError:
        return f"{total['amount']} {total['currency']}"


def default_group(
    channel_type: str, rule: str, context: Mapping[str, Any], filters: Filters, *, error: str = ""
) -> dict[str, Any]:
    """Return the payload that tells of many events without a rule's own words; `error` says why it is without."""
    subject = one_line(title(rule, context, filters))
    said = f"\n\nThe rule's own message could not be written. The error: {one_line(error)}" if error else ""
    facts = data(rule, context)
    return as_payload(
        channel_type,
        subject=subject,
        text=text(rule, "", context, filters) + said,
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
