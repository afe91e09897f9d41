"""What a transaction's `source` can be: the 44 types of the bank's API document, each with its fields.

In: a type, the transaction's facts and a source of data. Out: the `source` object. Called by the builder of resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from memonotify.samples.data import MERCHANTS, France

Direction = Literal["credit", "debit"]

DIRECTIONS: Final[dict[str, Direction]] = {
    "bank_account_remuneration": "credit",
    "card_credit": "credit",
    "card_debit": "debit",
    "card_deferred": "debit",
    "card_withdrawal": "debit",
    "collection_incoming": "debit",
    "collection_outgoing": "credit",
    "collection_incoming_return": "credit",
    "collection_outgoing_return": "debit",
    "collection_outgoing_return_fees": "debit",
    "debt_purchase_application_fees": "debit",
    "debt_purchase_disbursement": "credit",
    "debt_purchase_interests": "debit",
    "debt_purchase_repayment": "debit",
    "diverse_operation": "debit",
    "investment_redemption_order": "credit",
    "investment_subscription_order": "debit",
    "loan_application_fees": "debit",
    "loan_disbursement": "credit",
    "loan_guarantee_fee": "debit",
    "loan_reimbursement": "debit",
    "loan_repayment": "debit",
    "maintenance_transfer": "credit",
    "maintenance_wire_transfer": "credit",
    "overdraft_agios": "debit",
    "overdraft_application_fees": "debit",
    "rtgs_transfer_incoming": "credit",
    "rtgs_transfer_incoming_return": "debit",
    "rtgs_transfer_outgoing": "debit",
    "rtgs_transfer_outgoing_return": "credit",
    "subscription": "debit",
    "sweep_transfer_incoming": "credit",
    "sweep_transfer_outgoing": "debit",
    "term_deposit_closure": "credit",
    "term_deposit_creation": "debit",
    "term_deposit_interest_payment": "credit",
    "term_deposit_withdrawal": "credit",
    "transfer_incoming": "credit",
    "transfer_outgoing": "debit",
    "transfer_incoming_return": "debit",
    "transfer_outgoing_return": "credit",
    "wire_transfer_incoming": "credit",
    "wire_transfer_outgoing": "debit",
    "wire_transfer_outgoing_return": "credit",
}
"""Every type, and whether its money comes in or goes out. A return goes the other way than what it returns."""

RETURN_REASONS: Final = (
    "closed_account",
    "incorrect_account_number",
    "insufficient_funds",
    "requested_by_the_debtor",
    "no_mandate",
    "blocked_account",
)
_CARD_SWIPES: Final = frozenset({"card_credit", "card_debit", "card_withdrawal"})
_WITH_THE_BANK: Final = (
    "bank_account",
    "card_deferred",
    "debt_purchase",
    "diverse",
    "investment",
    "loan",
    "overdraft",
    "subscription",
    "term_deposit",
)
_USUAL: Final[dict[Direction, tuple[str, ...]]] = {
    "credit": ("transfer_incoming", "transfer_incoming", "transfer_incoming", "collection_outgoing", "card_credit"),
    "debit": ("transfer_outgoing", "transfer_outgoing", "card_debit", "card_debit", "collection_incoming"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What a source is about: amount in cents, when, and the ids of the payment and of the one it returns."""

    amount: int
    at: datetime
    payment_id: str
    returned_reference: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A `source` object with the name of the counterparty that fits it."""

    body: dict[str, Any]
    counterparty: str


def usual_type(france: France, direction: Direction | None) -> str:
    """Return one of the types that a company sees every day."""
    if direction is None:
        direction = "credit" if france.random.random() < 0.5 else "debit"
    return france.pick(_USUAL[direction])


def source_of(source_type: str, movement: Movement, france: France) -> Source:
    """Return the source of that type; one that is not known has its type alone, as a new one would look to old eyes."""
    body: dict[str, Any] = {"type": source_type}
    if source_type in _CARD_SWIPES:
        merchant = france.random.choice(MERCHANTS)
        settled = max(round(movement.amount * merchant.per_cent), 1)
        return Source(
            body=body | {"settlement_amount": settled, "settlement_currency": merchant.currency},
            counterparty=merchant.name,
        )
    if source_type not in DIRECTIONS or source_type.startswith(_WITH_THE_BANK):
        return Source(body=body, counterparty="Memo Bank")
    if source_type.startswith("maintenance"):
        return Source(body=body, counterparty=france.company())
    for part in (_counterparty, _message, _returned, _origin):
        body |= part(source_type, movement, france)
    return Source(body=body, counterparty=france.company())


def _counterparty(source_type: str, _: Movement, france: France) -> dict[str, Any]:
    account = france.account()
    if source_type.startswith("wire_"):
        return {"counterparty_account_number": france.digits(10)}
    if source_type.startswith("rtgs_"):
        return {"counterparty_account_number": account.iban, "counterparty_bank_bic": account.bic}
    return {"counterparty_iban": account.iban, "counterparty_bank_bic": account.bic}


def _message(source_type: str, movement: Movement, france: France) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if source_type.startswith("sweep_"):
        return fields
    if not (source_type.startswith("rtgs_") and source_type.endswith("_return")):
        fields["message"] = movement.message or france.invoice(movement.at)
    if not source_type.startswith("wire_"):
        fields["end_to_end_id"] = france.uuid().replace("-", "")
    return fields


def _returned(source_type: str, movement: Movement, france: France) -> dict[str, Any]:
    if not source_type.endswith(("_return", "_return_fees")):
        return {}
    what = "collection" if source_type.startswith("collection") else "transfer"
    fields = {
        f"returned_{what}_reference": movement.returned_reference,
        "reason": france.pick(RETURN_REASONS),
    }
    if source_type.startswith(("collection_outgoing", "transfer_outgoing")):
        fields[f"returned_{what}_id"] = movement.payment_id
    return fields


def _origin(source_type: str, movement: Movement, france: France) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if source_type.startswith("transfer_"):
        fields["transfer_type"] = france.pick(("standard", "instant"))
    if source_type in {"wire_transfer_incoming", "wire_transfer_outgoing"}:
        fields |= {"instructed_amount": max(round(movement.amount * 1.08), 1), "instructed_currency": "USD"}
    own = {
        "transfer_outgoing": "transfer_id",
        "wire_transfer_outgoing": "wire_transfer_id",
        "collection_outgoing": "collection_id",
    }
    if source_type in own:
        fields[own[source_type]] = movement.payment_id
    return fields
