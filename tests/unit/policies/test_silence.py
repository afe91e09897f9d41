"""A silence meets what all of its matchers fit, for as long as it is in force, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from memonotify.model import Fate, Matchers, Silence
from memonotify.policies.silence import field_fits, silence_for

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVENT = {"id": "e1", "event_type": "transaction_confirmed", "resource_id": "t1"}
RESOURCE = {"amount": 12500, "currency": "EUR", "parties": [{"name": "ACME"}]}


def a_silence(name: str = "sil_a", then: Fate = Fate.DROP, *, hours: int = 2, fields=(), **names: str) -> Silence:
    return Silence(
        id=name,
        matchers=Matchers(**{key: tuple(value.split(",")) for key, value in names.items()}, fields=tuple(fields)),
        starts_at=NOW,
        ends_at=NOW + hours * HOUR,
        then=then,
        reason="",
        author="",
        created_at=NOW,
    )


def met_by(*silences: Silence, at: datetime = NOW, resource=RESOURCE) -> str | None:
    found = silence_for(silences, rule="big", channel="mail", workspace="acme", event=EVENT, resource=resource, at=at)
    return None if found is None else found.id


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        ({"rule": "big"}, True),
        ({"rule": "b*"}, True),
        ({"rule": "BIG"}, False),
        ({"rule": "small,big"}, True),
        ({"rule": "small"}, False),
        ({"channel": "mail"}, True),
        ({"channel": "slack"}, False),
        ({"workspace": "ac?e"}, True),
        ({"workspace": "other"}, False),
        ({"event_type": "transaction_*"}, True),
        ({"event_type": "transfer_*"}, False),
        ({"rule": "big", "channel": "mail", "workspace": "acme"}, True),
        ({"rule": "big", "channel": "slack"}, False),
    ],
)
def test_every_matcher_that_is_given_must_fit(names: dict[str, str], fits: bool) -> None:
    assert (met_by(a_silence(**names)) is not None) is fits


@pytest.mark.parametrize(
    ("path", "wanted", "fits"),
    [
        ("resource.amount", "12500", True),
        ("resource.amount", "12500.0", True),
        ("resource.amount", "1.25e4", True),
        ("resource.amount", "12501", False),
        ("resource.amount", "*", False),
        ("resource.rate", "0.1", True),
        ("resource.exact", "0.10", True),
        ("resource.currency", "EUR", True),
        ("resource.currency", "eur", False),
        ("resource.currency", "E*", True),
        ("resource.is_reversal", "false", True),
        ("resource.is_reversal", "0", False),
        ("resource.flag", "1", False),
        ("resource.flag", "true", True),
        ("resource.note", "null", True),
        ("resource.note", "", False),
        ("resource.word", "null", True),
        ("resource.digits", "007", True),
        ("resource.digits", "7", False),
        ("resource.brackets", "[x]", True),
        ("resource.lines.1.name", "b", True),
        ("resource.lines.2.name", "b", False),
        ("resource.lines", "*", False),
        ("resource.missing", "*", False),
        ("resource.missing", "null", False),
        ("resource.currency.deeper", "EUR", False),
        ("event.event_type", "transaction_confirmed", True),
        ("event.resource_id", "t2", False),
    ],
)
def test_a_field_fits_as_people_write_its_value(path: str, wanted: str, fits: bool) -> None:
    resource = {
        "amount": 12500,
        "rate": 0.1,
        "exact": Decimal("0.1"),
        "currency": "EUR",
        "is_reversal": False,
        "flag": True,
        "note": None,
        "word": "null",
        "digits": "007",
        "brackets": "[x]",
        "lines": [{"name": "a"}, {"name": "b"}],
    }
    assert field_fits({"event": EVENT, "resource": resource}, path, wanted) is fits


@pytest.mark.parametrize("resource", [None, [], "text", 3])
def test_where_nothing_was_fetched_no_field_of_the_resource_fits(resource: object) -> None:
    assert met_by(a_silence(fields=[("resource.amount", "12500")]), resource=resource) is None


def test_all_fields_must_fit() -> None:
    amount, currency = ("resource.amount", "12500"), ("resource.currency", "EUR")
    assert met_by(a_silence(fields=[amount, currency])) == "sil_a"
    assert met_by(a_silence(fields=[amount, ("resource.currency", "USD")])) is None


def test_it_is_in_force_from_its_beginning_until_just_before_its_end() -> None:
    silence = a_silence(rule="big")
    assert [
        met_by(silence, at=at) for at in (NOW - HOUR, NOW, NOW + 2 * HOUR - timedelta(microseconds=1), NOW + 2 * HOUR)
    ] == [None, "sil_a", "sil_a", None]


def test_of_several_dropping_comes_first_then_the_later_end_then_the_id() -> None:
    hold_short, hold_long = a_silence("sil_a", Fate.HOLD, hours=1), a_silence("sil_b", Fate.HOLD, hours=5)
    drop = a_silence("sil_z", Fate.DROP, hours=1)
    assert met_by(hold_short, hold_long) == "sil_b"
    assert met_by(hold_long, drop, hold_short) == "sil_z"
    assert met_by(a_silence("sil_d"), a_silence("sil_c")) == "sil_c"
    assert met_by(drop, hold_long, at=NOW + HOUR) == "sil_b"
