from __future__ import annotations

import pytest

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS
from memonotify.samples.data import is_iban
from memonotify.samples.resources import Hints
from memonotify.samples.sources import DIRECTIONS

FIELDS = {
    "account": "id name status balance currency iban type is_main",
    "attachment": "id transaction_id filename size mime_type date is_deleted",
    "iban": "id account_id iban name status type allow_collections is_deleted",
    "transaction": "id link reference account_id amount local_iban currency direction request_date execution_date "
    "counterparty_name status attachment_count source",
    "transfer": "id reference amount currency local_iban beneficiary_iban type_strategy status",
    "wire_transfer": "id reference instructed_amount instructed_currency local_iban beneficiary_account_identifier "
    "message status",
    "collection": "id reference amount currency mandate scheduled_date local_iban status",
    "bulk_transfers": "id transfers_total transfers_confirmed transfers_canceled transfers_failed status",
    "bulk_collections": "id collections_total collections_confirmed collections_canceled collections_failed status",
    "mandate_signature_request": "id reference scheme language status mode is_deleted debtor_email",
    "account_assessment": "id iban status",
}


def raised(desk, event_type):
    event = desk.trigger.raise_event(event_type, {})
    return desk.books.get(event["resource_type"], event["resource_id"])


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_resource_has_every_field_that_the_bank_requires(desk, event_type):
    assert set(FIELDS[EVENT_TYPES[event_type]].split()) <= raised(desk, event_type).keys()


def test_the_first_books_hold_every_resource_and_source_type(desk):
    assert set(desk.books.types()) == set(RESOURCE_PATHS)
    assert {row["source"]["type"] for row in desk.books.all("transaction")} == set(DIRECTIONS)
    assert len(DIRECTIONS) == 44


def test_the_same_seed_makes_the_same_books(open_desk):
    one, other = open_desk(3), open_desk(3)
    assert all(one.books.all(name) == other.books.all(name) for name in RESOURCE_PATHS)
    assert open_desk(4).books.all("account") != one.books.all("account")


@pytest.mark.parametrize("source_type", DIRECTIONS)
def test_money_goes_the_way_its_source_says(desk, source_type):
    transaction = desk.builder.make("transaction", "confirmed", Hints(source_type=source_type))
    assert transaction["direction"] == DIRECTIONS[source_type]
    assert transaction["amount"] > 0


@pytest.mark.parametrize(
    ("source_type", "fields"),
    [
        ("card_debit", {"settlement_amount", "settlement_currency"}),
        ("transfer_incoming", {"transfer_type", "counterparty_iban", "message", "end_to_end_id"}),
        ("transfer_outgoing", {"transfer_type", "transfer_id"}),
        ("transfer_outgoing_return", {"returned_transfer_id", "returned_transfer_reference", "reason"}),
        ("collection_outgoing_return_fees", {"returned_collection_id", "returned_collection_reference"}),
        ("collection_incoming_return", {"returned_collection_reference"}),
        ("rtgs_transfer_incoming", {"counterparty_account_number"}),
        ("rtgs_transfer_outgoing_return", {"counterparty_account_number", "returned_transfer_reference", "reason"}),
        ("sweep_transfer_incoming", {"counterparty_iban", "counterparty_bank_bic"}),
        ("wire_transfer_incoming", {"instructed_amount", "instructed_currency"}),
        ("wire_transfer_outgoing", {"wire_transfer_id", "instructed_amount", "instructed_currency"}),
        ("wire_transfer_outgoing_return", {"returned_transfer_reference"}),
    ],
)
def test_a_source_has_the_fields_of_its_type(desk, source_type, fields):
    assert fields <= desk.builder.make("transaction", "confirmed", Hints(source_type=source_type))["source"].keys()


@pytest.mark.parametrize("source_type", ["loan_repayment", "subscription", "term_deposit_closure", "overdraft_agios"])
def test_a_movement_with_the_bank_itself_has_a_type_alone(desk, source_type):
    source = desk.builder.make("transaction", "confirmed", Hints(source_type=source_type))["source"]
    assert source == {"type": source_type}


def test_a_payment_shares_its_reference_with_its_transaction(desk):
    transfer = raised(desk, "transfer_confirmed")
    assert [
        row["source"]["transfer_id"]
        for row in desk.books.all("transaction")
        if row["reference"] == transfer["reference"]
    ] == [transfer["id"]]


@pytest.mark.parametrize("event_type", ["transfer_returned", "collection_returned", "wire_transfer_returned"])
def test_a_returned_payment_names_a_transaction_that_brings_it_back(desk, event_type):
    payment = raised(desk, event_type)
    back = desk.books.get("transaction", payment["return_transaction_id"])
    what = "collection" if event_type.startswith("collection") else "transfer"
    assert back["source"][f"returned_{what}_reference"] == payment["reference"]
    assert back["source"]["type"].endswith("_return")
    assert back["reference"] != payment["reference"]
    assert payment["failure_code"]


@pytest.mark.parametrize("kind", ["transfer", "collection"])
def test_the_counts_of_a_bulk_are_the_counts_of_its_items(desk, kind):
    bulk = raised(desk, f"bulk_{kind}s_completed")
    statuses = [item["status"] for item in desk.books.items[bulk["id"]]]
    assert bulk[f"{kind}s_total"] == len(statuses)
    for status in ("confirmed", "canceled", "failed"):
        assert bulk[f"{kind}s_{status}"] == statuses.count(status)
    assert bulk[f"{kind}s_failed"] > 0


def test_only_a_confirmed_transaction_has_an_accounting_date(desk):
    assert "accounting_date" in raised(desk, "transaction_confirmed")
    assert "accounting_date" not in raised(desk, "transaction_authorized")


def test_a_scheduled_transaction_is_executed_later(desk):
    transaction = raised(desk, "transaction_scheduled")
    assert transaction["execution_date"] > transaction["request_date"]
    assert transaction["direction"] == "debit"


def test_an_assessment_fails_for_an_iban_that_is_none(desk):
    assessment = raised(desk, "account_assessment_failed")
    assert not is_iban(assessment["iban"])
    assert assessment["failure_code"] == "invalid_iban"
