"""Lists as the bank pages them. In: all results and the query. Out: one page with its tokens. Called by the API."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from memonotify.samples.books import Resource

_DEFAULT_SIZE: Final = 10
_MAX_SIZE: Final = 100


class BadQuery(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """The call is answered 400 with this sentence."""


def page_of(results: Sequence[Resource], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the page that `size` and `page_token` (or the deprecated `page`) ask for.

    Raises:
        BadQuery: one of them is out of its bounds.
    """
    size, page = _size(query), _page(query)
    start = (page - 1) * size
    answer: dict[str, Any] = {
        "results": list(results[start : start + size]),
        "has_prev": page > 1,
        "has_next": start + size < len(results),
    }
    if answer["has_next"]:
        answer["next_page_token"] = _token(page + 1)
    if answer["has_prev"]:
        answer["prev_page_token"] = _token(page - 1)
    return answer


def _size(query: Mapping[str, str]) -> int:
    size = _number(query.get("size", str(_DEFAULT_SIZE)))
    if size is None or not 1 <= size <= _MAX_SIZE:
        raise BadQuery(f"size is a number from 1 to {_MAX_SIZE}")
    return size


def _page(query: Mapping[str, str]) -> int:
    if "page_token" in query and "page" in query:
        raise BadQuery("page_token and page exclude each other")
    page = _untoken(query["page_token"]) if "page_token" in query else _number(query.get("page", "1"))
    if page is None or page < 1:
        raise BadQuery("page_token is not one that a page gave out, or page is not a number from 1")
    return page


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _token(page: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"p": page}).encode()).rstrip(b"=").decode("ascii")


def _untoken(token: str) -> int | None:
    try:
        data = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    page = data.get("p") if isinstance(data, dict) else None
    return page if type(page) is int else None


def matching_transactions(transactions: Sequence[Resource], query: Mapping[str, str]) -> list[Resource]:
    """Return the transactions that the filters let through, in the order asked for: the newest first by default.

    Raises:
        BadQuery: a date or an order that is none.
    """
    start, end = _date(query, "start_date"), _date(query, "end_date")
    order = query.get("order_by", "-execution_date")
    if order not in {"execution_date", "-execution_date"}:
        raise BadQuery("order_by is execution_date or -execution_date")
    exact = {
        name: query[name]
        for name in ("account_id", "reference", "local_iban", "batch_id", "custom_id")
        if name in query
    }
    found = [
        transaction
        for transaction in equal_to(transactions, exact)
        if _between(datetime.fromisoformat(str(transaction["execution_date"])), start, end)
    ]
    found.sort(key=lambda transaction: str(transaction["execution_date"]), reverse=order.startswith("-"))
    return found


def equal_to(resources: Sequence[Resource], wanted: Mapping[str, str]) -> list[Resource]:
    """Return the resources whose fields have the values wanted."""
    return [resource for resource in resources if all(resource.get(name) == value for name, value in wanted.items())]


def _between(moment: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or moment >= start) and (end is None or moment < end)


def _date(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        # A plus that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(query[name].replace(" ", "+"))
    except ValueError:
        raise BadQuery(f"{name} is not an ISO 8601 date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
