"""What the sandbox endpoints are asked for. In: a JSON body. Out: a checked order. Called by the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class BadOrder(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """The call is answered 400 with this sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Money to arrive (a transfer) or to be taken (a collection); what is empty is made up. `amount` is in cents."""

    amount: int
    local_iban: str
    message: str = ""
    end_to_end_id: str = ""
    counterparty_name: str = ""
    counterparty_iban: str = ""


def read_order(body: Any) -> Order:
    """Return the order of a body; a collection names its counterparty as the mandate's creditor.

    Raises:
        BadOrder: a field is missing or of the wrong kind.
    """
    order = _object({"body": body}, "body")
    amount = order.get("amount")
    if type(amount) is not int or amount < 1:
        raise BadOrder("amount is a whole number of cents from 1")
    creditor = _object(_object(order, "mandate"), "creditor")
    return Order(
        amount=amount,
        local_iban=_text(order, "local_iban"),
        message=_text(order, "message"),
        end_to_end_id=_text(order, "end_to_end_id"),
        counterparty_name=_text(order, "counterparty_name") or _text(creditor, "name"),
        counterparty_iban=_text(order, "counterparty_iban") or _text(creditor, "iban"),
    )


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name, {})
    if not isinstance(value, dict):
        raise BadOrder(f"{name} is an object")
    return value


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name, "")
    if not isinstance(value, str):
        raise BadOrder(f"{name} is a text")
    return value
