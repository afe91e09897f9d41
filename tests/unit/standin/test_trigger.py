from __future__ import annotations

import pytest

from memonotify.catalogue import EVENT_TYPES
from memonotify.errors import StandInError
from memonotify.standin.trigger import put, resource_type_of

STATUSES = {
    **{name: name.rpartition("_")[2] for name in EVENT_TYPES},
    "account_created": "active",
    "account_updated": "active",
    "iban_created": "active",
    "iban_updated": "inactive",
    "iban_deleted": "inactive",
    "wire_transfer_attachment_required": "pending_attachment_required",
    "wire_transfer_canceled": "failed",
    "mandate_signature_request_deleted": "sent",
    "attachment_created": None,
    "attachment_deleted": None,
}


@pytest.mark.parametrize(("event_type", "resource_type"), EVENT_TYPES.items())
def test_each_of_the_34_types_has_a_resource_whose_state_fits(desk, event_type, resource_type):
    event = desk.trigger.raise_event(event_type, {})
    assert set(event) == {"id", "date", "event_type", "resource_type", "resource_id"}
    assert (event["event_type"], event["resource_type"]) == (event_type, resource_type)
    assert event["date"] == "2026-03-02T09:00:00+00:00"
    resource = desk.books.get(resource_type, event["resource_id"])
    assert resource.get("status") == STATUSES[event_type]
    if "is_deleted" in resource:
        assert resource["is_deleted"] is event_type.endswith("_deleted")


def found(desk, event_type, overrides):
    event = desk.trigger.raise_event(event_type, overrides)
    return event, desk.books.get(event["resource_type"], event["resource_id"])


def test_overrides_reach_nested_fields_and_lists(desk):
    _, transaction = found(desk, "transaction_confirmed", {"resource.amount": 12500, "resource.source.message": "x"})
    assert (transaction["amount"], transaction["source"]["message"]) == (12500, "x")
    _, assessment = found(desk, "account_assessment_completed", {"resource.capabilities.1.can_credit": False})
    assert assessment["capabilities"][1]["can_credit"] is False


def test_a_source_type_brings_its_direction_and_fields(desk):
    _, transaction = found(desk, "transaction_confirmed", {"resource.source.type": "card_debit"})
    assert transaction["direction"] == "debit"
    assert "settlement_currency" in transaction["source"]


def test_a_direction_brings_a_source_that_fits(desk):
    for direction in ("credit", "debit"):
        _, transaction = found(desk, "transaction_confirmed", {"resource.direction": direction})
        assert transaction["direction"] == direction


def test_the_event_can_be_given_fields_of_its_own(desk):
    event, _ = found(desk, "account_updated", {"event.x": {"y": 1}, "event.date": "2020-01-01T00:00:00Z"})
    assert (event["x"], event["date"]) == ({"y": 1}, "2020-01-01T00:00:00Z")


def test_a_resource_id_of_its_own_is_where_the_resource_is_found(desk):
    event, transfer = found(desk, "transfer_failed", {"resource.id": "an-id"})
    assert event["resource_id"] == "an-id"
    assert transfer["status"] == "failed"


def test_an_event_can_point_to_a_resource_that_is_not_there(desk):
    _, missing = found(desk, "transfer_failed", {"event.resource_id": "gone"})
    assert missing is None


def test_the_account_of_a_transaction_can_be_set(desk):
    _, transaction = found(desk, "transaction_confirmed", {"account.balance": 120_000})
    assert desk.books.get("account", transaction["account_id"])["balance"] == 120_000


@pytest.mark.parametrize(
    ("event_type", "direction", "sign"),
    [
        ("transaction_confirmed", "credit", 1),
        ("transaction_authorized", "credit", 0),
        ("transaction_authorized", "debit", -1),
        ("transaction_rejected", "debit", 0),
    ],
)
def test_the_balance_follows_the_money(desk, event_type, direction, sign):
    account = desk.books.all("account")[0]
    before = account["balance"]
    found(
        desk,
        event_type,
        {"resource.account_id": account["id"], "resource.direction": direction, "resource.amount": 700},
    )
    assert account["balance"] - before == sign * 700


def test_an_unknown_event_type_is_raised_with_the_type_its_name_suggests(desk):
    event, resource = found(desk, "loan_repaid", {"resource.amount": 5})
    assert event["resource_type"] == "loan"
    assert (resource["status"], resource["amount"]) == ("repaid", 5)


def test_an_unknown_event_type_takes_the_resource_type_it_is_given(desk):
    event, resource = found(desk, "something_new", {"event.resource_type": "transfer"})
    assert event["resource_type"] == "transfer"
    assert "beneficiary_iban" in resource


@pytest.mark.parametrize(
    ("event_type", "resource_type"),
    [
        ("wire_transfer_lost", "wire_transfer"),
        ("bulk_transfers_split", "bulk_transfers"),
        ("invoice_paid", "invoice"),
        ("ping", "ping"),
    ],
)
def test_the_longest_known_name_wins(event_type, resource_type):
    assert resource_type_of(event_type) == resource_type


@pytest.mark.parametrize("event_type", ["", "a b", "x" * 65, "é"])
def test_a_type_no_bank_could_send_is_refused(desk, event_type):
    with pytest.raises(StandInError, match="no event type"):
        desk.trigger.raise_event(event_type, {})


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("amount", 1, "did you mean resource.amount"),
        ("resouce.amount", 1, "did you mean resource"),
        ("resource..amount", 1, "empty"),
        ("resource.amount.x", 1, "no field 'x'"),
        ("resource.amount.x.y", 1, "no field 'x'"),
        ("resource", 1, "can only be set to an object"),
    ],
)
def test_a_setting_that_fits_nothing_is_refused_and_raises_nothing(desk, path, value, says):
    before = len(desk.books.all("transaction"))
    with pytest.raises(StandInError, match=says):
        desk.trigger.raise_event("transaction_confirmed", {path: value})
    assert len(desk.books.all("transaction")) == before


def test_an_account_is_not_set_where_there_is_none(desk):
    with pytest.raises(StandInError, match="has no account"):
        desk.trigger.raise_event("mandate_signature_request_sent", {"account.balance": 1})


@pytest.mark.parametrize("place", ["3", "-1", "x", "²"])
def test_a_place_that_a_list_does_not_have_is_refused(place):
    with pytest.raises(StandInError, match="no place"):
        put({"a": [1, 2, 3]}, f"a.{place}", 0)


def test_objects_are_made_on_the_way():
    target = {"a": None}
    put(target, "a.b.c", 1)
    assert target == {"a": {"b": {"c": 1}}}


def test_a_whole_resource_can_be_merged_in(desk):
    _, transfer = found(desk, "transfer_failed", {"resource": {"amount": 9, "custom_id": "x"}})
    assert (transfer["amount"], transfer["custom_id"]) == (9, "x")
