"""Slack's limits: what exceeds one is cut."""

from __future__ import annotations

from typing import Any

import pytest

from memonotify.channels.slack_limits import BLOCKS, TEXT_CHARACTERS, cut, fit


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_what_is_within_the_limits_stays_as_it_is() -> None:
    payload = {"text": "x" * TEXT_CHARACTERS, "blocks": [section("a")] * BLOCKS}
    assert fit(payload) == payload


def test_the_payload_itself_is_not_changed() -> None:
    block = section("x" * 4000)
    fit({"blocks": [block]})
    assert len(block["text"]["text"]) == 4000


def test_long_texts_are_cut_where_they_stand() -> None:
    long = "x" * 5000
    blocks = [
        section(long),
        {"type": "header", "text": {"type": "plain_text", "text": long}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": long}] * 12},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": long}] * 12},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": long}}] * 30},
    ]
    fitted = fit({"blocks": blocks})["blocks"]
    assert len(fitted[0]["text"]["text"]) == 3000
    assert len(fitted[1]["text"]["text"]) == 150
    assert [len(field["text"]) for field in fitted[2]["fields"]] == [2000] * 10
    assert [len(element["text"]) for element in fitted[3]["elements"]] == [2000] * 10
    assert [len(element["text"]["text"]) for element in fitted[4]["elements"]] == [75] * 25


def test_blocks_over_the_limit_are_counted_in_the_last_one() -> None:
    fitted = fit({"blocks": [section(str(number)) for number in range(60)]})["blocks"]
    assert len(fitted) == BLOCKS
    assert fitted[48]["text"]["text"] == "48"
    assert fitted[49]["elements"][0]["text"] == "… 11 more"


def test_an_empty_text_does_not_make_slack_refuse_the_message() -> None:
    assert fit({"blocks": [section(" ")]})["blocks"][0]["text"]["text"] == "–"


def test_an_escaped_character_is_not_cut_in_two() -> None:
    assert cut("ab&amp;cd", 6) == "ab…"
    assert cut("ab&amp;cd", 9) == "ab&amp;cd"


def test_blocks_of_another_shape_are_left_to_slack() -> None:
    odd = [
        "text",
        {"type": "section", "text": "no object"},
        {"type": "image", "elements": "none"},
        {"text": {"text": 1}},
    ]
    assert fit({"blocks": odd})["blocks"] == odd
    assert fit({"text": "x", "blocks": "odd"}) == {"text": "x"}


@pytest.mark.parametrize(("severity", "colour"), [("warning", "warning"), ("critical", "danger")])
def test_a_severity_is_a_coloured_bar_below_a_message_that_stays_as_it_is(severity: str, colour: str) -> None:
    message = {"text": "a", "blocks": [section("b")]}
    bar = {"color": colour, "text": severity.capitalize(), "fallback": severity.capitalize()}
    assert fit({**message, "severity": severity}) == {**message, "attachments": [bar]}


@pytest.mark.parametrize("severity", [None, "info", "unheard-of"])
def test_no_other_severity_adds_anything(severity: str | None) -> None:
    assert fit({"text": "a", "severity": severity}) == {"text": "a"}
