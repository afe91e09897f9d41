"""Samples of every event type: with every known field, as the bank usually sends it, and with the required fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from memonotify.catalogue import EVENT_FIELDS, EVENT_TYPES
from memonotify.fields import FIELDS, REQUIRED
from memonotify.samples.typical import AnyFields, samples


def dotted(resource: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the names of a resource's fields as FIELDS writes them."""
    for name, value in resource.items():
        if isinstance(value, AnyFields):
            yield f"{prefix}{name}.*"
            continue
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{name}.")


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_whole_sample_has_every_known_field(event_type: str) -> None:
    whole = [sample for sample in samples(event_type) if sample.is_whole]
    assert whole
    for sample in whole:
        assert set(dotted(sample.resource)) >= FIELDS[EVENT_TYPES[event_type]]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_last_samples_have_required_fields_alone(event_type: str) -> None:
    resource_type = EVENT_TYPES[event_type]
    sparse = samples(event_type)[-1]
    names = {name for name in dotted(sparse.resource) if not name.startswith("beneficiary_account_identifier.")}
    assert not sparse.is_whole
    assert names <= REQUIRED[resource_type]
    assert {"id"} < names


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_event_has_the_five_fields_and_is_about_the_resource(event_type: str) -> None:
    for sample in samples(event_type):
        assert tuple(sample.event) == EVENT_FIELDS
        assert sample.event["resource_type"] == EVENT_TYPES[event_type]
        assert sample.event["resource_id"] == sample.resource["id"]


def test_required_fields_are_known_fields() -> None:
    for resource_type, names in REQUIRED.items():
        assert {name.removesuffix(".*") for name in names} <= FIELDS[resource_type]


def test_transactions_go_in_and_out_and_are_small_and_large() -> None:
    resources = [sample.resource for sample in samples("transaction_confirmed")]
    assert {resource["direction"] for resource in resources} == {"credit", "debit"}
    assert len({resource["amount"] for resource in resources}) == 2
    assert {resource["status"] for resource in resources} == {"confirmed"}


def test_an_account_that_a_transaction_names_is_found_and_a_list_is_not() -> None:
    sample = samples("transaction_confirmed")[0]
    account = sample.answer(f"/v2/accounts/{sample.resource['account_id']}")
    assert account is not None
    assert account["id"] == sample.resource["account_id"]
    for path in ("/v2/accounts", "/v2/transactions?size=5", "/v2/transfers/bulks/x/transfers", "/v2/invoices/1"):
        assert sample.answer(path) is None


def test_an_unknown_type_has_no_samples() -> None:
    assert samples("invoice_sent") == ()
