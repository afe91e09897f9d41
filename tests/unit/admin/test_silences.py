"""What somebody may ask to be silenced, and what is said where it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from memonotify.admin.known import Known
from memonotify.admin.silences import demand_names, ids_of, new_silence, order_of, silence_json
from memonotify.errors import NotFound
from memonotify.model import Fate, HeldBack, Matchers

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULES: Any = SimpleNamespace(rules=(SimpleNamespace(name="big-credit"), SimpleNamespace(name="returns")))
KNOWN = Known(rules=RULES, workspaces=("acme", "other"))


def made(**body: object) -> Any:
    order = order_of({"rule": "big", "for": "2h", **body})
    return new_silence(order, now=NOW, random_bytes=lambda count: b"\x00\x44\x32\x14\xc7"[:count])


def test_an_order_is_read_with_names_alone_or_in_lists_and_fields_as_json_has_them() -> None:
    order = order_of(
        {
            "rule": "big",
            "channel": ["erp", "mail", "erp"],
            "fields": {"resource.amount": 12500, "resource.flag": True, "resource.note": None, "event.id": "e1"},
            "until": "2026-03-02T12:00:00+01:00",
            "then": "hold",
            "reason": " works ",
            "author": "ana",
        }
    )
    fields = (
        ("resource.amount", "12500"),
        ("resource.flag", "true"),
        ("resource.note", "null"),
        ("event.id", "e1"),
    )
    assert order.matchers == Matchers(rule=("big",), channel=("erp", "mail"), fields=fields)
    assert (order.until, order.for_s) == (datetime(2026, 3, 2, 11, 0, tzinfo=UTC), None)
    assert (order.then, order.reason, order.author) == (Fate.HOLD, "works", "ana")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "not an object"),
        ({"rules": "big", "for": "2h"}, "rules is not a key"),
        ({"for": "2h"}, "needs a rule, channel, workspace"),
        ({"rule": [], "fields": {}, "for": "2h"}, "needs a rule, channel, workspace"),
        ({"rule": "big"}, "say either for or until"),
        ({"rule": "big", "for": "2h", "until": "2026-03-02T12:00:00Z"}, "say either for or until"),
        ({"rule": "", "for": "2h"}, "rule is empty"),
        ({"rule": 3, "for": "2h"}, "rule is a text, or a list"),
        ({"rule": ["a"] * 101, "for": "2h"}, "at most 100"),
        ({"rule": "big", "for": "2"}, "needs a unit"),
        ({"rule": "big", "for": 2}, "for is a duration"),
        ({"rule": "big", "until": "noon"}, "not an ISO 8601 moment"),
        ({"rule": "big", "until": 5}, "not an ISO 8601 moment"),
        ({"rule": "big", "until": "2026-03-02T12:00:00"}, "no zone"),
        ({"rule": "big", "for": "2h", "then": "wait"}, "then is drop or hold"),
        ({"rule": "big", "for": "2h", "then": ["hold"]}, "then is drop or hold"),
        ({"rule": "big", "for": "2h", "reason": "x" * 1001}, "reason is a text of at most"),
        ({"fields": {"amount": 1}, "for": "2h"}, "amount is not a field"),
        ({"fields": {"resource": 1}, "for": "2h"}, "resource is not a field"),
        ({"fields": {"resource..x": 1}, "for": "2h"}, "is not a field"),
        ({"fields": {"resource.x": [1]}, "for": "2h"}, "one value"),
        ({"fields": [], "for": "2h"}, "fields is an object"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        order_of(body)


@pytest.mark.parametrize("body", [None, {}, {"ids": []}, {"ids": ["a"], "all": True}, {"ids": "a"}, {"ids": [1]}])
def test_silences_are_ended_by_their_ids_alone(body: object) -> None:
    with pytest.raises(ValueError, match="ids"):
        ids_of(body)
    assert ids_of({"ids": ["sil_a"]}) == ["sil_a"]


def test_a_silence_begins_now_and_has_an_id_that_can_be_typed() -> None:
    silence = made()
    assert (silence.id, silence.starts_at, silence.ends_at) == ("sil_abcdefgh", NOW, NOW + timedelta(hours=2))


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"for": "0s"}, "lies in the past"),
        ({"for": None, "until": "2026-03-02T09:00:00Z"}, "lies in the past"),
        ({"for": "367d"}, "a year at the most"),
        ({"for": "5000w"}, "a year at the most"),
        ({"for": None, "until": "9999-12-31T23:59:59Z"}, "a year at the most"),
    ],
)
def test_it_ends_in_the_future_and_within_a_year(end: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made(**end)
    made(**{"for": "366d"})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"rule": ("big-credt",)}, r"no rule big-credt \(did you mean `big-credit`\?\)"),
        ({"rule": ("returns", "nothing-like-it")}, "no rule nothing-like-it$"),
        ({"channel": ("epr",)}, r"no channel epr \(did you mean `erp`\?\)"),
        ({"workspace": ("acmee",)}, r"no workspace acmee \(did you mean `acme`\?\)"),
    ],
)
def test_a_name_that_nothing_has_is_refused(names: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(NotFound, match=said):
        demand_names(Matchers(**cast("Any", names)), ["erp", "mail"], KNOWN)


def test_a_glob_that_fits_nothing_and_a_type_that_is_not_published_are_told() -> None:
    matchers = Matchers(rule=("big-*", "x*"), channel=("erp",), workspace=("acme",), event_type=("transfer_confirmd",))
    assert demand_names(matchers, ["erp"], KNOWN) == [
        "No rule fits x* now.",
        "The bank has not published an event type that fits transfer_confirmd (did you mean `transfer_confirmed`?).",
    ]


def test_where_the_rules_are_not_known_their_names_are_taken_as_they_are() -> None:
    assert demand_names(Matchers(rule=("anything",), workspace=("any",)), [], Known()) == []


@pytest.mark.parametrize(("hours", "state"), [(-1, "pending"), (0, "active"), (1, "active"), (2, "ended")])
def test_a_list_says_whether_a_silence_is_in_force(hours: int, state: str) -> None:
    row = silence_json(made(), HeldBack(held=1, suppressed=2, released=3), now=NOW + timedelta(hours=hours))
    assert (row["state"], row["held"], row["suppressed"], row["released"]) == (state, 1, 2, 3)
