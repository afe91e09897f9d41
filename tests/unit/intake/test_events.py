"""Which bodies are events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memonotify.intake.events import InvalidEvent, read_event

GOOD: dict[str, Any] = {
    "id": "this-is-a-notification-id",
    "date": "2024-11-12T11:14:03+00:00",
    "event_type": "transaction_confirmed",
    "resource_type": "transaction",
    "resource_id": "7ad37a52-8f48-4c70-bc38-269a1133ea2f",
}


def _read(**changes: Any) -> dict[str, Any]:
    return read_event(json.dumps(GOOD | changes).encode())[0]


def test_the_banks_own_example_is_an_event() -> None:
    assert _read() == GOOD


def test_additional_fields_are_kept() -> None:
    assert _read(connection={"id": 7})["connection"] == {"id": 7}


@pytest.mark.parametrize("field", sorted(GOOD))
def test_each_of_the_five_fields_is_required(field: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != field}
    with pytest.raises(InvalidEvent, match=f"^{field} is missing$"):
        read_event(json.dumps(body).encode())


@pytest.mark.parametrize("field", sorted(GOOD))
@pytest.mark.parametrize("value", [None, 7, True, ["x"], {"x": 1}])
def test_a_field_that_is_no_string_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidEvent, match=f"^{field} is not a string$"):
        _read(**{field: value})


@pytest.mark.parametrize("field", ["id", "resource_id"])
@pytest.mark.parametrize("value", ["", "a" * 129, "a b", "a/b", "a.b", "é", "a\n", "..", "a%2f"])
def test_an_id_is_a_token_of_safe_characters(field: str, value: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^{field} is not 1 to 128"):
        _read(**{field: value})


@pytest.mark.parametrize("value", ["a", "A-z_9", "a" * 128])
def test_an_id_need_not_be_a_uuid(value: str) -> None:
    assert _read(id=value)["id"] == value


@pytest.mark.parametrize("field", ["event_type", "resource_type"])
def test_an_unknown_type_is_accepted_and_an_ill_formed_one_is_not(field: str) -> None:
    assert _read(**{field: "brand.new-type_2"})
    for value in ("", "a" * 65, "a b", "é"):
        with pytest.raises(InvalidEvent, match=f"^{field} is not 1 to 64"):
            _read(**{field: value})


@pytest.mark.parametrize(
    "date",
    [
        "2024-11-12T11:14:03Z",
        "2024-11-12t11:14:03z",
        "2024-11-12T11:14:03.123456+01:00",
        "2024-11-12T11:14:03,5Z",
        "2024-11-12T11:14:03.123456789Z",
        "2024-11-12T11:14+0100",
        "2024-11-12T11:14:03-05",
    ],
)
def test_a_moment_with_a_zone_is_a_date(date: str) -> None:
    assert _read(date=date)["date"] == date


@pytest.mark.parametrize(
    "date",
    [
        "2024-11-12",
        "2024-11-12T11:14:03",
        "2024-13-12T11:14:03Z",
        "2024-11-12T25:00:00Z",
        "1731410043",
        "12/11/2024",
        "٢٠٢٤-11-12T11:14:03Z",
        "2024-11-12T11:14:03+99:00",
        "",
    ],
)
def test_anything_else_is_not(date: str) -> None:
    with pytest.raises(InvalidEvent, match="^date is not"):
        _read(date=date)


@pytest.mark.parametrize("raw", [b"[]", b'"x"', b"1", b"null"])
def test_only_an_object_is_an_event(raw: bytes) -> None:
    with pytest.raises(InvalidEvent, match="not a JSON object"):
        read_event(raw)
