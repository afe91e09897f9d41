"""A replay's request: what it may say, and what is wrong with what it may not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from memonotify.admin.replaying import MOST_IDS, order_of


def test_every_key_of_a_body_is_read():
    order = order_of(
        {
            "since": "2026-03-02T09:00:00+00:00",
            "until": "2026-03-03T09:00:00Z",
            "workspace": "acme",
            "rule": "r",
            "resend": True,
            "label": "second",
            "stored": True,
            "send": True,
            "only": ["dlv_1"],
            "after": 7,
            "limit": 50,
        }
    )
    assert order.selection.since == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert order.selection.until == datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert (order.selection.workspace, order.rule, order.label) == ("acme", "r", "second")
    assert (order.resend, order.stored, order.send) == (True, True, True)
    assert (order.only, order.after, order.limit) == (frozenset({"dlv_1"}), 7, 50)


def test_nothing_is_sent_or_resent_unless_it_is_said():
    order = order_of({"ids": ["e1"]})
    assert (order.send, order.resend, order.stored, order.only) == (False, False, False, None)
    assert order.selection.event_ids == ("e1",)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "the body is not an object"),
        ({}, "name events under ids, or say since"),
        ({"ids": ["a"], "since": "2026-03-02T09:00:00Z"}, "name events under ids, or say since"),
        ({"ids": "a"}, "ids is a list of at most"),
        ({"ids": ["a"] * (MOST_IDS + 1)}, "ids is a list of at most"),
        ({"since": "yesterday"}, "since is not an ISO 8601 moment"),
        ({"since": "2026-03-02T09:00:00"}, "since has no zone"),
        ({"since": 3}, "since is a text"),
        ({"ids": ["a"], "label": "x"}, "label goes with resend"),
        ({"ids": ["a"], "label": "x y", "resend": True}, "label is 1 to 64"),
        ({"ids": ["a"], "send": "yes"}, "send is true or false"),
        ({"ids": ["a"], "after": -1}, "after is a whole number from 0 on"),
        ({"ids": ["a"], "limit": True}, "limit is a whole number from 1 on"),
        ({"ids": ["a"], "sned": True}, "sned is not a key of a replay"),
    ],
)
def test_what_is_wrong_in_a_body_is_said(body, said):
    with pytest.raises(ValueError, match=said):
        order_of(body)
