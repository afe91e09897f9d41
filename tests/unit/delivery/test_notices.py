from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from memonotify.config.values import EmailConfig, HttpConfig, OnFailure, SlackConfig
from memonotify.delivery.notices import LISTED, compose, payload
from memonotify.errors import Reason
from memonotify.model import Branch, Failure, FailureKind
from memonotify.secret import Secret

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COMMON: dict[str, Any] = {"concurrency": 1, "rate": None, "timeout_s": 10.0}


def email(name: str, *to: str) -> EmailConfig:
    return EmailConfig(
        name=name, type="email", host="h", port=25, security="none", from_="n@example.com", to=to, **COMMON
    )


def slack(name: str) -> SlackConfig:
    return SlackConfig(name=name, type="slack", url=Secret("https://hooks.example.com/secret"), **COMMON)


def http(name: str) -> HttpConfig:
    return HttpConfig(name=name, type="http", url=Secret("https://erp.example.com/secret"), **COMMON)


CONFIGS = {
    "mail": email("mail", "finance@example.com"),
    "slack": slack("slack"),
    "erp": http("erp"),
    "mail2": email("mail2"),
}

THROUGH_MAIL = OnFailure(channel="mail")


def failure(channel: str = "erp", **changes: Any) -> Failure:
    fields: dict[str, Any] = {
        "kind": FailureKind.DEAD_LETTER if channel else FailureKind.DECISION_FAILED,
        "workspace": "acme",
        "event_id": "event-1",
        "rule": "big",
        "channel": channel,
        "reason": Reason.REJECTED,
        "detail": "HTTP 400",
        "at": NOW,
        "seq": 1,
        "delivery_id": "dlv_1",
    }
    return Failure(**{**fields, **changes})


def told_through(*failures: Failure, configs=CONFIGS, on=THROUGH_MAIL, down=()) -> list[str]:
    notices = compose(failures, on_failure=on, configs=configs, serves=lambda name: name not in down, now=NOW)
    return [notice.notification.channel for notice in notices]


@pytest.mark.parametrize(
    ("blamed", "down", "through"),
    [
        ("erp", (), "mail"),
        ("", (), "mail"),
        ("mail", (), "slack"),
        ("mail", ("slack",), "erp"),
        ("mail", ("slack", "erp"), "slack"),
        ("erp", ("mail",), "slack"),
        ("erp", ("mail", "slack"), "mail"),
    ],
)
def test_a_failure_goes_through_a_channel_that_did_not_fail(blamed, down, through):
    assert told_through(failure(blamed), down=down) == [through]


def test_mail_without_recipients_serves_only_where_on_failure_names_them():
    configs = {"mail": CONFIGS["mail"], "mail2": CONFIGS["mail2"], "erp": CONFIGS["erp"]}
    assert told_through(failure("mail"), configs=configs) == ["erp"]
    to = OnFailure(channel="mail", to=("ops@example.com",))
    assert told_through(failure("mail"), configs=configs, on=to) == ["mail2"]


def test_where_there_is_no_other_channel_the_failed_one_tells():
    assert told_through(failure("mail"), configs={"mail": CONFIGS["mail"]}) == ["mail"]


def test_failures_of_two_channels_are_told_in_one_message_through_a_third():
    assert told_through(failure("mail"), failure("erp")) == ["slack"]


def test_people_hear_of_failures_before_a_machine_does_though_a_channel_of_theirs_failed_for_another_message():
    refused, other, third = failure("mail"), failure("erp2"), failure("slack")
    assert told_through(refused, other, third) == ["slack", "mail"]


def test_a_machine_that_is_configured_to_hear_hears_first():
    assert told_through(failure("mail"), on=OnFailure(channel="erp")) == ["erp"]


def test_where_every_channel_failed_each_is_told_through_another():
    configs = {"mail": CONFIGS["mail"], "slack": CONFIGS["slack"]}
    assert told_through(failure("mail"), failure("slack"), configs=configs) == ["slack", "mail"]


def test_a_notice_is_a_failures_delivery_and_names_channel_rule_event_and_reason():
    to = OnFailure(channel="mail", to=("ops@example.com",))
    (notice,) = compose([failure()], on_failure=to, configs=CONFIGS, serves=lambda _: True, now=NOW)
    assert (notice.branch, notice.workspace, notice.event_id) == (Branch.FAILURE, "acme", "event-1")
    assert notice.notification.payload["to"] == ["ops@example.com"]
    text = notice.notification.payload["text"]
    assert all(word in text for word in ("erp", "big", "event-1", "acme", "rejected", "HTTP 400", "dlv_1"))
    assert "memonotify retry" in text


def test_two_notices_about_the_same_event_are_two_messages():
    ids = {
        compose(
            [failure(seq=seq)], on_failure=OnFailure(channel="mail"), configs=CONFIGS, serves=lambda _: True, now=NOW
        )[0].id
        for seq in (1, 2)
    }
    assert len(ids) == 2


@pytest.mark.parametrize("channel_type", ["email", "slack"])
def test_a_long_list_is_cut_and_the_rest_counted(channel_type):
    many = [failure(event_id=f"event-{number}") for number in range(LISTED + 7)]
    text = payload(many, channel_type, ())["text"]
    assert f"event-{LISTED - 1}" in text
    assert f"event-{LISTED} " not in text
    assert "7 more" in text


def test_the_notice_to_a_machine_is_json_with_a_count():
    many = [failure(event_id=f"event-{number}") for number in range(LISTED + 7)]
    body = payload(many, "http", ())["json"]
    assert (body["count"], len(body["failures"])) == (LISTED + 7, LISTED)
    assert body["failures"][0] == {
        "kind": "dead_letter",
        "channel": "erp",
        "rule": "big",
        "workspace": "acme",
        "event_id": "event-0",
        "reason": "rejected",
        "detail": "HTTP 400",
        "delivery": "dlv_1",
        "file": "",
        "at": NOW.isoformat(),
    }


def test_no_answer_of_a_receiver_can_ping_a_slack_channel():
    text = payload([failure(detail="<!channel> & more")], "slack", ())["text"]
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; &amp; more" in text


def test_a_rule_that_failed_is_told_without_a_channel():
    text = payload([failure("", detail="resource.amount is missing", delivery_id="")], "email", ())["text"]
    assert "channel:" not in text
    assert "resource.amount is missing" in text
    assert "retry" not in text


REFUSED = failure(
    channel="",
    kind=FailureKind.FILE_REFUSED,
    workspace="",
    event_id="",
    rule="",
    reason=Reason.CONFIGURATION,
    detail="its last good version stays in force\nrules/a.yaml:3:5: unknown key `mtch`",
    file="rules/a.yaml",
)


def test_a_file_that_is_refused_is_told_with_its_problems_and_what_to_do():
    (notice,) = compose([REFUSED], on_failure=THROUGH_MAIL, configs=CONFIGS, serves=lambda _: True, now=REFUSED.at)
    payload = notice.notification.payload
    assert payload["subject"] == "memonotify: rules/a.yaml is wrong and was not put in force"
    assert payload["text"].startswith(
        "rules/a.yaml is wrong.\n  its last good version stays in force\n  rules/a.yaml:3:5: unknown key `mtch`\n"
    )
    assert "memonotify reload puts it in force" in payload["text"]
    assert "dead letters" not in payload["text"]


def test_a_file_is_named_among_other_failures_and_in_json():
    (notice,) = compose(
        [failure(), REFUSED],
        on_failure=OnFailure(channel="erp2"),
        configs={**CONFIGS, "erp2": http("erp2")},
        serves=lambda _: True,
        now=REFUSED.at,
    )
    told = notice.notification.payload["json"]
    assert told["summary"] == "memonotify: 2 failures (erp, rules/a.yaml)"
    assert [each["file"] for each in told["failures"]] == ["", "rules/a.yaml"]
