"""The message that tells of many: its words, what it says where they fail, and of whose resource there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from storeparts import START, an_event

from memonotify.engine.gathered import channel_type_of, group_message, rest_message
from memonotify.holding import Hold, Policy
from memonotify.model import Branch, Delivery, DeliveryState, Snapshot
from memonotify.store.held import Gathering, Held
from memonotify.templating.filters import Filters

FILTERS = Filters("en_GB", "Europe/Paris")
GATHERING = Gathering(
    seq=1,
    workspace="acme",
    rule="big",
    branch=Branch.NOTIFY,
    entry=0,
    channel="mail",
    policy=Policy.GROUP,
    key="k",
    opened_at=START,
    due_at=START,
    size=2,
)


def a_member(name: str, amount: int = 100, **payload: Any) -> Held:
    delivery = Delivery(
        id=f"d-{name}",
        identity=f"d-{name}",
        workspace="acme",
        event_id=name,
        rule="big",
        channel="mail",
        branch=Branch.NOTIFY,
        entry=0,
        payload={"subject": "s", "text": "t", **payload},
        state=DeliveryState.HELD,
        attempts=0,
        created_at=START,
        due_at=START,
    )
    event = replace(an_event(name), resource_id=f"r-{name}", body={"id": name, "resource_id": f"r-{name}"})
    shot = Snapshot(
        path=f"/v2/transactions/r-{name}",
        fetched_at=START,
        status=200,
        body={"amount": amount, "currency": "EUR", "reference": f"ref-{name}"},
    )
    hold = Hold(policy=Policy.GROUP, until=START)
    return Held(delivery=delivery, hold=hold, event=event, snapshots=(shot,))


def told(*members: Held) -> dict[str, Any]:
    new = group_message(GATHERING, members, None, None, resource_types={}, filters=FILTERS, at=START)
    return dict(new.notification.payload)


def test_without_a_rule_each_event_is_listed_with_the_total_for_the_first_ones_recipients() -> None:
    payload = told(a_member("a", 100), a_member("b", 250, to=["x@example.com"]))
    assert payload["to"] == ["x@example.com"]
    assert payload["subject"] == "big: 2 events, €3.50"
    assert "ref-a" in payload["text"]
    assert "ref-b" in payload["text"]


def test_a_member_whose_event_is_gone_is_still_counted() -> None:
    assert "2 events" in told(replace(a_member("a"), event=None), a_member("b"))["subject"]


@pytest.mark.parametrize(
    ("payload", "kind"),
    [({"subject": "s", "text": "t"}, "email"), ({"json": {}}, "http"), ({"body": ""}, "http"), ({"text": ""}, "slack")],
)
def test_the_kind_of_a_message_whose_entry_is_gone_is_known_by_its_shape(payload: dict[str, Any], kind: str) -> None:
    member = a_member("a")
    assert channel_type_of(replace(member, delivery=replace(member.delivery, payload=payload)), None) == kind


def test_two_gatherings_of_the_same_event_have_messages_of_their_own() -> None:
    members = [a_member("a"), a_member("b")]
    makings = [GATHERING, replace(GATHERING, seq=2), replace(GATHERING, opened_at=START + timedelta(seconds=1))]
    made = {
        group_message(each, members, None, None, resource_types={}, filters=FILTERS, at=START).id for each in makings
    }
    assert len(made) == 3


def test_the_rest_over_a_limit_counts_what_it_cannot_name() -> None:
    members = [a_member(f"e{number}") for number in range(3)]
    limited = replace(GATHERING, policy=Policy.LIMIT)
    names = [f"e{number}" for number in range(600)]
    new = rest_message(limited, members, 1203, names, per_s=3600, entry=None, at=START)
    text = new.notification.payload["text"]
    assert "1203 messages more than it allows within 1h" in text
    # 600 events of 3 messages that were read, 1200 messages that were not; 500 stand there.
    assert "… and 1300 more" in text
