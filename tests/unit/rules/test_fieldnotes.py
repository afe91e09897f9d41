"""Fields that no resource has are found, and the nearest one is offered."""

from __future__ import annotations

import pytest

from memonotify.catalogue import RESOURCE_PATHS
from memonotify.fields import FIELDS, knows, names_at
from memonotify.rules.fieldnotes import doubts, type_of_lookup, types_of
from memonotify.rules.match import Match


def test_every_resource_type_of_the_catalogue_has_fields() -> None:
    assert FIELDS.keys() == RESOURCE_PATHS.keys()
    assert all("id" in names for names in FIELDS.values())


@pytest.mark.parametrize(
    ("resource_type", "path", "known"),
    [
        ("transaction", "amount", True),
        ("transaction", "ammount", False),
        ("transaction", "source", True),
        ("transaction", "source.message", True),
        ("transaction", "source.mesage", False),
        ("transaction", "custom_metadata.anything.at.all", True),
        ("transaction", "amount.cents", True),
        ("collection", "mandate.reference", True),
        ("collection", "mandate.refrence", False),
        ("collection", "mandates.reference", False),
        ("novelty", "whatever", True),
    ],
)
def test_what_the_bank_publishes_is_known(resource_type: str, path: str, known: bool) -> None:
    assert knows(resource_type, tuple(path.split("."))) is known


def test_names_beside_a_field_are_those_of_the_same_object() -> None:
    assert names_at("collection", ("mandate", "x")) == ["reference", "scheme"]
    assert "mandate" in names_at("collection", ("x",))
    assert "scheme" not in names_at("collection", ("x",))


@pytest.mark.parametrize(
    ("match", "types"),
    [
        (Match(event_type=("transfer_*",)), ("transfer",)),
        (
            Match(event_type=("*_failed",), resource_type=("wire_transfer", "collection")),
            ("wire_transfer", "collection"),
        ),
        (Match(event_type=("brand_new",)), ()),
    ],
)
def test_the_types_that_a_match_lets_through(match: Match, types: tuple[str, ...]) -> None:
    assert types_of(match) == types


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("/v2/accounts/{{ resource.account_id }}", "account"),
        ("/v2/transfers/{{ event.resource_id }}", "transfer"),
        ("/v2/transfers/bulks/{{ event.resource_id }}", "bulk_transfers"),
        ("/v2/transactions?reference={{ resource.reference }}", None),
        ("/v2/accounts", None),
    ],
)
def test_a_look_up_by_id_brings_a_resource_of_a_known_type(source: str, found: str | None) -> None:
    assert type_of_lookup(source) == found


def test_a_field_that_no_type_has_is_doubtful_and_the_nearest_is_offered() -> None:
    owners = {"resource": ("collection", "transfer"), "account": ("account",), "event": ()}
    paths = [
        ("resource", "failure_cod"),
        ("resource", "mandate", "reference"),
        ("resource", "amount"),
        ("account", "balanc"),
        ("event", "foo"),
        ("resource",),
    ]
    found = {doubt.path: (doubt.message, doubt.hint) for doubt in doubts(paths, owners)}
    assert found == {
        ("account", "balanc"): (
            "a resource of type account has no field `balanc`, as far as is known",
            "did you mean `balance`?",
        ),
        ("resource", "failure_cod"): (
            "none of collection, transfer has a field `failure_cod`, as far as is known",
            "did you mean `failure_code`?",
        ),
    }
