"""The figures of a report: what was asked in, the data that its messages see out. Pure.

Amounts stay whole numbers of the currency's smallest unit, as the bank gives them. What is not known is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Final
from zoneinfo import ZoneInfo

from memonotify.openitems import OpenItems
from memonotify.reports.asking import Asked, Item, Period, executed_at

Data = dict[str, Any]

MOVEMENTS_SHOWN: Final = 20
"""Of each account; the rest is counted."""

CHARTS_SHOWN: Final = 3
"""One for each currency."""

Days = dict[str, dict[date, tuple[int, int]]]
"""By currency and day: what came in and what went out."""


def figures(asked: Asked, items: OpenItems | None, period: Period, *, globs: Sequence[str], now: datetime) -> Data:
    """Return what messages see as `report`, without its charts."""
    missing = list(asked.missing)
    movements = _movements(asked, period)
    if asked.transactions is not None and movements is None:
        missing.append(
            f"there are more movements than the {len(asked.transactions)} latest ones that were read: sums are unknown"
        )
    listed = movements if movements is not None else [each for each in asked.transactions or () if _in(each, period)]
    accounts = [
        _account(account, listed, is_whole=movements is not None)
        for account in _accounts(asked, listed)
        if _is_wanted(account, globs)
    ]
    accounts = [account for account in accounts if account["status"] != "closed" or account["movements"]]
    foreign = sum(account.pop("foreign") for account in accounts)
    if foreign:
        missing.append(f"{foreign} movements in another currency than their account's are left out of the sums")
    if items is None:
        missing.append("what is still open in the store is unknown")
    return {
        "at": now.isoformat(),
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "accounts": accounts,
        "totals": _totals(accounts),
        "open": _open(asked, items, {account["id"] for account in accounts} if globs else None),
        "missing": missing,
        "charts": [],
    }


def by_day(asked: Asked, accounts: Sequence[Data], period: Period, zone: ZoneInfo) -> Days:
    """Return in and out for each day of the chart; nothing where it is not all known."""
    is_cut = asked.known_since is not None and asked.known_since >= period.chart_since
    if asked.transactions is None or is_cut:
        return {}
    currencies = {account["id"]: account["currency"] for account in accounts}
    first, last = period.chart_since.astimezone(zone).date(), period.until.astimezone(zone).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    found: Days = {}
    for item in asked.transactions:
        moment, currency = executed_at(item), currencies.get(item.get("account_id"))
        if moment is None or currency is None or item.get("currency") != currency or not _counts(item):
            continue
        by_date = found.setdefault(currency, dict.fromkeys(days, (0, 0)))
        day = moment.astimezone(zone).date()
        if day in by_date:
            came, went = by_date[day]
            amount = item["amount"]
            by_date[day] = (came, went + amount) if item.get("direction") == "debit" else (came + amount, went)
    return {currency: found[currency] for currency in sorted(found) if any(map(any, found[currency].values()))}


def _movements(asked: Asked, period: Period) -> list[Item] | None:
    """Return the movements of the period, None where they are not all known."""
    if asked.transactions is None:
        return None
    if asked.known_since is not None and asked.known_since >= period.since:
        return None
    return [item for item in asked.transactions if _in(item, period)]


def _in(item: Item, period: Period) -> bool:
    moment = executed_at(item)
    return moment is not None and period.since <= moment < period.until and _counts(item)


def _counts(item: Item) -> bool:
    return item.get("status") == "confirmed" and _is_whole_number(item.get("amount"))


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _accounts(asked: Asked, movements: Iterable[Item]) -> list[Item]:
    """Return the accounts; where the bank did not give them, what is known of them by their movements."""
    if asked.accounts is not None:
        return asked.accounts
    found: dict[Any, Item] = {}
    for item in movements:
        account_id = item.get("account_id")
        found.setdefault(account_id, {"id": account_id, "name": account_id, "currency": item.get("currency")})
    return list(found.values())


def _is_wanted(account: Item, globs: Sequence[str]) -> bool:
    names = [str(account.get("name", "")).casefold(), str(account.get("iban", "")).casefold()]
    patterns = [glob.casefold() for glob in globs]
    # An IBAN is written in groups of four by people, and without blanks by the bank.
    patterns += [pattern.replace(" ", "") for pattern in patterns]
    return not globs or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _account(account: Item, movements: Iterable[Item], *, is_whole: bool) -> Data:
    own = [item for item in movements if item.get("account_id") == account.get("id")]
    currency = str(account.get("currency", ""))
    counted = [item for item in own if item.get("currency") == currency]
    credits_, debits = (
        sum(item["amount"] for item in counted if (item.get("direction") == "debit") is is_debit)
        for is_debit in (False, True)
    )
    balance = account.get("balance")
    return {
        "id": str(account.get("id", "")),
        "name": str(account.get("name", "")),
        "iban": str(account.get("iban") or ""),
        "status": str(account.get("status") or ""),
        "currency": currency,
        "balance": balance if _is_whole_number(balance) else None,
        "credits": credits_ if is_whole else None,
        "debits": debits if is_whole else None,
        "net": credits_ - debits if is_whole else None,
        "count": len(own) if is_whole else None,
        "movements": [dict(item) for item in own[:MOVEMENTS_SHOWN]],
        "more": max(len(own) - MOVEMENTS_SHOWN, 0),
        "foreign": len(own) - len(counted),
    }


def _totals(accounts: Sequence[Data]) -> list[Data]:
    """Return the sums of each currency; one of which a part is unknown is unknown."""
    found: dict[str, list[Data]] = {}
    for account in accounts:
        found.setdefault(account["currency"], []).append(account)
    names = ("balance", "credits", "debits", "net", "count")
    return [
        {"currency": currency, "accounts": len(own), **{name: _sum(each[name] for each in own) for name in names}}
        for currency, own in sorted(found.items())
    ]


def _sum(values: Iterable[int | None]) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _open(asked: Asked, items: OpenItems | None, ids: set[str] | None) -> Mapping[str, Any]:
    to_come = None
    if asked.scheduled is not None:
        to_come = [
            dict(item)
            for item in asked.scheduled
            if item.get("status") in ("scheduled", "authorized")
            and _is_whole_number(item.get("amount"))
            and (ids is None or item.get("account_id") in ids)
        ]
    return {
        "scheduled": None if to_come is None else to_come[:MOVEMENTS_SHOWN],
        "scheduled_more": max(len(to_come or ()) - MOVEMENTS_SHOWN, 0),
        "wires": None if items is None else [dict(body) for body in items.wires],
        "dead": None if items is None else items.dead,
        "held": None if items is None else items.held,
        "waiting": None if items is None else items.waiting,
    }
