"""From a report's figures to its messages: each entry rendered, the charts that its HTML shows drawn beside it.

In: a rule, a workspace, the figures. Out: NewDeliveries. A message that fails to render is written in the plain form.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from babel.dates import format_skeleton
from babel.numbers import format_decimal

from memonotify.errors import RenderError
from memonotify.logs import logger
from memonotify.model import Branch, DeliveryState, Mode, NewDelivery, Notification, delivery_id
from memonotify.policies.mode import SHADOW
from memonotify.reports.figures import CHARTS_SHOWN, Data, Days
from memonotify.rules.values import Entry, Rule
from memonotify.templating.currencies import decimals

MAX_CHART_BYTES: Final = 64 * 1024
"""A chart is some kilobytes. It stands in the payload itself, so no more than this."""

_SPACES: Final = re.compile(r"\s")

CHART_WIDTH: Final = 600
CHART_HEIGHT: Final = 200


def with_charts(report: Data, days: Days, locale: str) -> Data:
    """Return the figures with what messages need to show charts: `src` names the part of the mail that holds it."""
    charts = [
        {
            "currency": currency,
            "src": f"cid:{_cid(currency)}",
            "alt": _alt(currency, by_date, locale),
            "width": CHART_WIDTH,
            "height": CHART_HEIGHT,
        }
        for currency, by_date in list(days.items())[:CHARTS_SHOWN]
    ]
    return {**report, "charts": charts}


def written(
    rule: Rule, workspace: str, report: Data, days: Days, *, due_at: datetime, now: datetime, locale: str
) -> tuple[NewDelivery, ...]:
    """Return the messages of a report for the moment `due_at`. Blocks while it draws: call it in a thread."""
    context = {"report": report, "workspace": {"name": workspace}}
    made = []
    for entry in rule.notify:
        notification = _notification(rule, entry, context, days, locale)
        if notification is None:
            continue
        is_shadow = rule.mode is Mode.SHADOW
        made.append(
            NewDelivery(
                id=delivery_id(workspace, due_at.isoformat(), rule.name, Branch.NOTIFY, entry.index, salt="report"),
                workspace=workspace,
                event_id="",
                rule=rule.name,
                branch=Branch.NOTIFY,
                entry=entry.index,
                notification=notification,
                created_at=now,
                due_at=now,
                state=DeliveryState.SUPPRESSED if is_shadow else DeliveryState.PENDING,
                detail=SHADOW if is_shadow else "",
            )
        )
    return tuple(made)


def _notification(rule: Rule, entry: Entry, context: Mapping[str, Any], days: Days, locale: str) -> Notification | None:
    error = ""
    try:
        if entry.when is not None and not entry.when.holds(context):
            return None
        payload = entry.message.render(context)
    except RenderError as failed:
        error = f"message: {failed}"
        payload = entry.message.plain(_facts(context, locale), error=error, rule=rule.name)
    return Notification(channel=entry.channel, payload=_illustrated(payload, days, locale), render_error=error)


def _facts(context: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """Return what the plain form says of a report: its figures in the place where it says those of a resource."""
    report = context["report"]
    figures: dict[str, Any] = {}
    for account in report["accounts"]:
        for name in ("balance", "credits", "debits"):
            known = account[name] is not None
            figures[f"{account['name']} {name}"] = (
                _money(account[name], account["currency"], locale) if known else "unknown"
            )
    missing = {"missing": "; ".join(report["missing"])} if report["missing"] else {}
    event = {"event_type": "report", "date": report["until"]}
    return {"event": event, "resource": figures | missing, "workspace": context["workspace"]}


def _illustrated(payload: dict[str, Any], days: Days, locale: str) -> dict[str, Any]:
    html = payload.get("html")
    if not isinstance(html, str):
        return payload
    shown = [currency for currency in list(days)[:CHARTS_SHOWN] if f"cid:{_cid(currency)}" in html]
    inline = [part for currency in shown if (part := _part(currency, days[currency], locale)) is not None]
    return {**payload, "inline": inline} if inline else payload


def _part(currency: str, by_date: Mapping[date, tuple[int, int]], locale: str) -> dict[str, str] | None:
    from memonotify.reports.charts import drawn

    highest = max(amount for pair in by_date.values() for amount in pair)
    named = {_day(day, locale): pair for day, pair in by_date.items()}
    try:
        content = drawn(named, title=f"In and out by day, {currency}", most=_money(highest, currency, locale))
    except Exception:  # noqa: BLE001 - a picture is never worth the report; its words stand in its place
        logger().exception("chart_failed", currency=currency)
        return None
    if len(content) > MAX_CHART_BYTES:  # pragma: no cover - hundreds of bars are ten kilobytes
        return None
    return {
        "cid": _cid(currency),
        "name": f"{currency.lower()}.png",
        "type": "image/png",
        "content": base64.b64encode(content).decode("ascii"),
    }


def _cid(currency: str) -> str:
    return f"chart-{hashlib.sha256(currency.encode()).hexdigest()[:12]}@memonotify"


def _alt(currency: str, by_date: Mapping[date, tuple[int, int]], locale: str) -> str:
    days: Sequence[date] = list(by_date)
    came, went = (sum(pair[at] for pair in by_date.values()) for at in (0, 1))
    span = f"{_day(days[0], locale)} to {_day(days[-1], locale)}"
    return f"{currency} by day, {span}: {_money(came, currency, locale)} in, {_money(went, currency, locale)} out"


def _day(day: date, locale: str) -> str:
    return format_skeleton("MMdd", day, locale=locale)


def _money(amount: int, currency: str, locale: str) -> str:
    """Return an amount with its currency's code: the font of the chart has no sign of every currency."""
    places = decimals(currency)
    pattern = "#,##0" + (f".{'0' * places}" if places else "")
    number = format_decimal(Decimal(amount).scaleb(-places), format=pattern, locale=locale)
    return f"{_SPACES.sub(' ', number)} {currency}"
