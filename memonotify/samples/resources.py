"""Builds the eleven resource types with every field of the bank's API document (version 2.0, read 2026-08).

In: a resource type, an outcome (`confirmed`, `returned`, `closed`, …: what an event type says after the resource's
name) and hints. Out: a resource that is in the books, together with those it refers to. Called by the stand-in, and by
`typical` for what `check` tries rules with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from memonotify.model import Clock
from memonotify.samples.books import Books, Resource
from memonotify.samples.data import OWN_BIC, France
from memonotify.samples.sources import DIRECTIONS, Direction, Movement, source_of, usual_type

COLLECTION_FAILURES: Final = (
    "debtor_bank_insufficient_funds",
    "debtor_refusal",
    "debtor_bank_account_closed",
    "debtor_bank_refusal",
)
TRANSFER_FAILURES: Final = (
    "beneficiary_bank_account_closed",
    "beneficiary_bank_invalid_bank_details",
    "beneficiary_bank_refusal",
)
_STATUSES: Final[Mapping[tuple[str, str], str]] = {
    ("wire_transfer", "attachment_required"): "pending_attachment_required",
    # The document names an event for it, but no status of its own.
    ("wire_transfer", "canceled"): "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a caller already knows of the resource it wants; what is empty is drawn."""

    direction: Direction | None = None
    source_type: str = ""
    account_id: str = ""
    local_iban: str = ""
    amount: int | None = None
    counterparty_name: str = ""
    reference: str = ""
    message: str = ""
    at: datetime | None = None
    payment_id: str = ""
    batch_id: str = ""


def moment(at: datetime) -> str:
    """Return a moment as the bank writes it."""
    return at.isoformat(timespec="seconds")


class Builder:
    """Makes resources into `books`, drawing from `france`; the same seed, clock and calls make the same ones."""

    def __init__(self, books: Books, france: France, clock: Clock) -> None:
        self._books = books
        self._france = france
        self._clock = clock
        self._workspace = france.letters(9)
        self._makers: dict[str, Callable[[str, Hints], Resource]] = {
            "account": self._account,
            "attachment": self._attachment,
            "iban": self._iban,
            "transaction": self._transaction,
            "transfer": self._transfer,
            "wire_transfer": self._wire_transfer,
            "collection": self._collection,
            "bulk_transfers": self._bulk_transfers,
            "bulk_collections": self._bulk_collections,
            "mandate_signature_request": self._mandate_signature_request,
            "account_assessment": self._account_assessment,
        }

    def make(self, resource_type: str, outcome: str, hints: Hints | None = None) -> Resource:
        """Return a new resource, already in the books; of an unknown type one with the fields any would have."""
        maker = self._makers.get(resource_type)
        hints = hints or Hints()
        resource = maker(outcome, hints) if maker else self._other(outcome, hints)
        return self._books.add(resource_type, resource)

    def _other(self, outcome: str, hints: Hints) -> Resource:
        return {
            "id": self._france.uuid(),
            "reference": self._france.uuid(),
            "status": outcome,
            "date": moment(self._at(hints)),
        }

    def _at(self, hints: Hints) -> datetime:
        return hints.at or self._clock.now()

    def _open_account(self, hints: Hints) -> Resource:
        wanted = self._books.get("account", hints.account_id) or self._books.account_of_iban(hints.local_iban)
        if wanted is not None:
            return wanted
        active = [account for account in self._books.all("account") if account["status"] == "active"]
        main = [account for account in active if account["is_main"]]
        if main and self._france.random.random() < 0.7:
            return main[0]
        return self._france.random.choice(active) if active else self.make("account", "created")

    def _account(self, outcome: str, _: Hints) -> Resource:
        existing = self._books.all("account")
        if outcome == "updated" and existing:
            return self._france.random.choice(existing)
        closed = outcome == "closed"
        account: Resource = {
            "id": self._france.uuid(),
            "name": "Compte principal" if not existing else self._france.pick(_ACCOUNT_NAMES),
            "status": "closed" if closed else "active",
            "balance": 0 if closed else self._france.cents(800_000, 45_000_000),
            "currency": "EUR",
            "iban": self._france.own_iban(),
            "type": "current_account",
            "is_main": not existing,
        }
        self._books.add("iban", self._iban_body(account, kind="main"))
        return account

    def _iban(self, outcome: str, hints: Hints) -> Resource:
        virtual = [iban for iban in self._books.all("iban") if iban["type"] == "virtual" and not iban["is_deleted"]]
        if outcome == "updated" and virtual:
            changed = self._france.random.choice(virtual)
            changed["status"] = "inactive" if changed["status"] == "active" else "active"
            return changed
        iban = self._iban_body(self._open_account(hints), kind="virtual")
        if outcome == "deleted":
            iban |= {"is_deleted": True, "status": "inactive"}
        return iban

    def _iban_body(self, account: Resource, *, kind: str) -> Resource:
        main = kind == "main"
        return {
            "id": self._france.uuid(),
            "account_id": account["id"],
            "iban": account["iban"] if main else self._france.own_iban(),
            "name": account["name"] if main else f"Client {self._france.company()}",
            "status": "active",
            "type": kind,
            "allow_collections": main,
            "is_deleted": False,
        }

    def _attachment(self, outcome: str, hints: Hints) -> Resource:
        transactions = self._books.all("transaction")[-50:]
        transaction = (
            self._france.random.choice(transactions) if transactions else self.make("transaction", "confirmed")
        )
        if outcome != "deleted":
            transaction["attachment_count"] += 1
        return {
            "id": self._france.uuid(),
            "transaction_id": transaction["id"],
            "filename": f"facture-{self._at(hints):%Y-%m}-{self._france.digits(4)}.pdf",
            "size": self._france.random.randint(18_000, 900_000),
            "mime_type": "application/pdf",
            "date": moment(self._at(hints)),
            "is_deleted": outcome == "deleted",
        }

    def _transaction(self, outcome: str, hints: Hints) -> Resource:
        # Money that comes in is not planned or refused by us: those are payments of ours.
        planned = outcome in {"scheduled", "authorized", "rejected", "canceled"}
        kind = hints.source_type or (
            "transfer_outgoing" if planned and not hints.direction else usual_type(self._france, hints.direction)
        )
        account, at = self._open_account(hints), self._at(hints)
        amount = hints.amount if hints.amount is not None else self._france.cents(*_amounts(kind))
        is_return = kind.endswith(("_return", "_return_fees"))
        movement = Movement(
            amount=amount,
            at=at,
            payment_id=hints.payment_id or self._france.uuid(),
            returned_reference=(hints.reference if is_return else "") or self._france.uuid(),
            message=hints.message,
        )
        source = source_of(kind, movement, self._france)
        transaction_id = self._france.uuid()
        transaction: Resource = {
            "id": transaction_id,
            "link": f"https://client.memo.bank/{self._workspace}/link/transactions/{transaction_id}",
            "reference": (hints.reference if not is_return else "") or self._france.uuid(),
            "account_id": account["id"],
            "amount": amount,
            "currency": account["currency"],
            "local_iban": hints.local_iban or account["iban"],
            "direction": hints.direction or DIRECTIONS.get(kind, "debit"),
            "request_date": moment(at),
            "execution_date": moment(at + timedelta(days=3) if outcome == "scheduled" else at),
            "counterparty_name": hints.counterparty_name or source.counterparty,
            "status": outcome,
            "attachment_count": 0,
            "source": source.body,
        }
        if outcome == "confirmed":
            transaction["accounting_date"] = moment(at)
        if hints.batch_id:
            transaction["batch_id"] = hints.batch_id
        return transaction

    def _payment(self, hints: Hints) -> Resource:
        account = self._open_account(hints)
        return {
            "id": self._france.uuid(),
            "reference": self._france.uuid(),
            "account_id": account["id"],
            "local_iban": hints.local_iban or account["iban"],
            "message": hints.message or self._france.invoice(self._at(hints)),
            "custom_id": f"ERP-{self._france.digits(6)}",
        }

    def _moved(self, payment: Resource, source_type: str, outcome: str, amount: int, hints: Hints) -> None:
        """Enter the transaction of a payment that moved money, and of its return where there was one."""
        if outcome not in {"confirmed", "returned"}:
            return
        about = {"account_id": payment["account_id"], "amount": amount, "reference": payment["reference"]}
        about |= {"payment_id": payment["id"], "message": payment["message"], "at": hints.at}
        about["batch_id"] = hints.batch_id
        self.make("transaction", "confirmed", Hints(source_type=source_type, **about))
        if outcome == "returned":
            back = self.make("transaction", "confirmed", Hints(source_type=f"{source_type}_return", **about))
            payment["return_transaction_id"] = back["id"]

    def _transfer(self, outcome: str, hints: Hints) -> Resource:
        amount = hints.amount if hints.amount is not None else self._france.cents(4_000, 2_500_000)
        transfer = self._payment(hints) | {
            "amount": amount,
            "currency": "EUR",
            "beneficiary_iban": self._france.account().iban,
            "transfer_type": "standard",
            "type_strategy": "instant_if_available",
            "status": outcome,
            "scheduled_date": f"{self._at(hints):%Y-%m-%d}",
            "end_to_end_id": self._france.uuid().replace("-", ""),
        }
        if outcome == "failed":
            transfer["failure_code"] = self._france.pick(("insufficient_funds", "execution_failure"))
        if outcome == "returned":
            transfer["failure_code"] = self._france.pick(TRANSFER_FAILURES)
        self._moved(transfer, "transfer_outgoing", outcome, amount, hints)
        return transfer

    def _wire_transfer(self, outcome: str, hints: Hints) -> Resource:
        amount = hints.amount if hints.amount is not None else self._france.cents(150_000, 9_000_000)
        wire = self._payment(hints)
        # A wire transfer has the instructed amount in place of `amount` and `currency`.
        wire |= {
            "instructed_amount": amount,
            "instructed_currency": self._france.pick(("USD", "USD", "GBP", "CHF")),
            "beneficiary_account_identifier": self._france.random.choice(
                (
                    {"type": "account_number_and_routing_code", "account_number": "000123456789"}
                    | {"routing_code": "021000021"},
                    {"type": "account_number_and_bic", "account_number": "31926819", "bic": "NWBKGB2LXXX"},
                )
            ),
            "uetr": self._france.uuid(),
            "status": _STATUSES.get(("wire_transfer", outcome), outcome),
        }
        if wire["status"] == "failed":
            wire["failure_code"] = "execution_failure"
        if outcome == "returned":
            wire["failure_code"] = self._france.pick(TRANSFER_FAILURES)
        self._moved(wire, "wire_transfer_outgoing", outcome, round(amount / 1.08), hints)
        return wire

    def _collection(self, outcome: str, hints: Hints) -> Resource:
        amount = hints.amount if hints.amount is not None else self._france.cents(2_000, 450_000)
        collection = self._payment(hints) | {
            "amount": amount,
            "currency": "EUR",
            "mandate": {
                "reference": f"MNDT{self._france.digits(6)}",
                "scheme": self._france.pick(("core", "core", "b2b")),
            },
            "scheduled_date": f"{self._at(hints):%Y-%m-%d}",
            "status": outcome,
            "end_to_end_id": self._france.uuid().replace("-", ""),
        }
        if outcome in {"returned", "failed"}:
            collection["failure_code"] = self._france.pick(COLLECTION_FAILURES)
        self._moved(collection, "collection_outgoing", outcome, amount, hints)
        return collection

    def _bulk_transfers(self, _: str, hints: Hints) -> Resource:
        return self._bulk("transfer", hints)

    def _bulk_collections(self, _: str, hints: Hints) -> Resource:
        return self._bulk("collection", hints)

    def _bulk(self, kind: str, hints: Hints) -> Resource:
        outcomes = ["confirmed"] * self._france.random.randint(8, 22)
        outcomes += ["failed"] * self._france.random.randint(1, 3)
        outcomes += ["canceled"] * self._france.random.randint(0, 1)
        bulk_id = self._france.uuid()
        item = replace(hints, batch_id=bulk_id)
        self._books.items[bulk_id] = [self.make(kind, outcome, item) for outcome in outcomes]
        return {
            "id": bulk_id,
            f"{kind}s_total": len(outcomes),
            f"{kind}s_confirmed": outcomes.count("confirmed"),
            f"{kind}s_canceled": outcomes.count("canceled"),
            f"{kind}s_failed": outcomes.count("failed"),
            "status": "completed",
        }

    def _mandate_signature_request(self, outcome: str, _: Hints) -> Resource:
        name = self._france.company()
        deleted = outcome == "deleted"
        return {
            "id": self._france.uuid(),
            "reference": f"MNDT{self._france.digits(6)}",
            "scheme": self._france.pick(("core", "b2b")),
            "language": "french",
            "status": "sent" if deleted else outcome,
            "mode": "email",
            "contract_reference": f"CT-{self._france.digits(4)}",
            "is_deleted": deleted,
            "debtor": {"name": name, "iban": self._france.account().iban, "address": self._france.address()},
            "debtor_email": self._france.email(name),
            "email_custom_message": "Bonjour, voici le mandat de prélèvement à signer.",
        }

    def _account_assessment(self, outcome: str, hints: Hints) -> Resource:
        account, name = self._france.account(), self._france.company()
        assessment: Resource = {"id": self._france.uuid(), "status": outcome, "iban": account.iban}
        if outcome == "failed":
            # One digit off: what makes an assessment fail is an IBAN that is none.
            assessment |= {"iban": account.iban[:-1] + str((int(account.iban[-1]) + 1) % 10)}
            return assessment | {"failure_code": "invalid_iban"}
        schemes = ("standard_transfer", "instant_transfer", "core_collection", "b2b_collection")
        return assessment | {
            "bic": account.bic or OWN_BIC,
            "completed_date": moment(self._at(hints)),
            "risk_indicators": [],
            "identification_matches": [
                {
                    "type": "name",
                    "status": "close_match",
                    "matched_name": name.upper(),
                    "identification": name,
                }
            ],
            "capabilities": [
                {"type": scheme, "can_debit": scheme.endswith("collection"), "can_credit": scheme.endswith("transfer")}
                for scheme in schemes
            ],
        }


_ACCOUNT_NAMES: Final = ("Compte paie", "Compte fournisseurs", "Compte TVA", "Compte épargne projet")


def _amounts(source_type: str) -> tuple[int, int]:
    if source_type.startswith("card"):
        return 450, 68_000
    if source_type.endswith(("fees", "interests", "agios", "remuneration", "interest_payment", "subscription")):
        return 900, 40_000
    if source_type.startswith(("loan", "term_deposit", "investment", "debt", "rtgs", "sweep")):
        return 500_000, 30_000_000
    return 3_000, 3_500_000


def fill(builder: Builder, france: France, clock: Clock) -> None:
    """Fill empty books: accounts, virtual IBANs, ninety days of transactions of every type, each other resource."""
    for _ in range(3):
        builder.make("account", "created")
    for _ in range(4):
        builder.make("iban", "created")
    kinds = sorted([*DIRECTIONS, *(["transfer_incoming", "transfer_outgoing", "card_debit"] * 25)])
    france.random.shuffle(kinds)
    start = clock.now() - timedelta(days=90)
    for number, kind in enumerate(kinds):
        at = start + timedelta(days=90 * number / len(kinds), minutes=france.random.randint(0, 300))
        builder.make("transaction", "confirmed", Hints(source_type=kind, at=at))
    for resource_type, outcome in _ONE_OF_EACH:
        builder.make(resource_type, outcome, Hints(at=clock.now() - timedelta(days=france.random.randint(1, 20))))


_ONE_OF_EACH: Final = (
    ("transfer", "confirmed"),
    ("wire_transfer", "confirmed"),
    ("collection", "confirmed"),
    ("bulk_transfers", "completed"),
    ("bulk_collections", "completed"),
    ("mandate_signature_request", "sent"),
    ("mandate_signature_request", "completed"),
    ("account_assessment", "completed"),
    ("attachment", "created"),
)
