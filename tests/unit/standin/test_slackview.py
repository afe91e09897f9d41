"""Slack messages are drawn as Slack draws them, and nothing that a payer writes becomes mark-up."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.defaults import shipped
from memonotify.standin.slackview import EMOJI, draw, mrkdwn, title


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*12 500,00 €* paid", "<strong>12 500,00 €</strong> paid"),
        ("_late_ and ~gone~", "<em>late</em> and <del>gone</del>"),
        ("2 * 3 * 4 and snake_case_name", "2 * 3 * 4 and snake_case_name"),
        ("`a *b* <c>`", "<code>a *b* &lt;c&gt;</code>"),
        ("```\nfirst\n*second*\n```", "<pre>first\n*second*</pre>"),
        ("one\ntwo", "one<br>two"),
        ("&gt; said", "<span class=quote>said</span>"),
        (":moneybag: and :no_such_name:", "💰 and :no_such_name:"),
        (
            "*<https://bank.example/_a_?b=1&amp;c=2|open *it*>*",
            (
                '<strong><a href="https://bank.example/_a_?b=1&amp;c=2" target="_blank" rel="noopener noreferrer">'
                "open *it*</a></strong>"
            ),
        ),
        ("<!date^1392734382^{date}|2 March>", "2 March"),
    ],
)
def test_mark_up_is_drawn_as_slack_draws_it(text: str, shown: str) -> None:
    assert mrkdwn(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("&lt;!channel&gt;", "&lt;!channel&gt;"),
        ("Martin &amp; Fils &lt;b&gt;", "Martin &amp; Fils &lt;b&gt;"),
        ("&amp;lt;b&amp;gt;", "&amp;lt;b&amp;gt;"),
        ("&lt;https://evil.example|bank&gt;", "&lt;https://evil.example|bank&gt;"),
        ('"\' onclick="x', '"\' onclick="x'),
    ],
)
def test_what_a_payer_wrote_stays_text(text: str, shown: str) -> None:
    assert mrkdwn(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel>", "@channel"),
        ("<@U024BE7LH>", "@U024BE7LH"),
        ("<@U1|alice>", "@alice"),
        ("<#C1|treasury>", "#treasury"),
        ("<!subteam^S1|@finance>", "@finance"),
    ],
)
def test_a_mention_that_would_ping_stands_out(text: str, shown: str) -> None:
    assert mrkdwn(text) == f"<span class=mention>{shown}</span>"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "x"])
def test_only_addresses_of_the_web_mail_and_telephone_become_links(address: str) -> None:
    assert "<a" not in mrkdwn(f"<{address}|click>")


def test_a_link_cannot_leave_its_attribute() -> None:
    drawn = mrkdwn('<https://x.example/"onmouseover="alert(1)|a">')
    assert drawn.startswith('<a href="https://x.example/&#34;onmouseover=&#34;alert(1)" ')


def test_a_link_to_nothing_is_drawn_as_it_is_written() -> None:
    assert mrkdwn("<|>") == "&lt;|&gt;"


def test_placeholders_cannot_be_forged() -> None:
    assert mrkdwn("\ue0000\ue001 `code`") == "0 <code>code</code>"


@given(st.text(alphabet="<>&|!@#*_~`:/\"' \nahtps.\ue000\ue0010;lg", max_size=80))
def test_no_text_makes_tags_of_its_own(text: str) -> None:
    tags = set(re.findall(r"</?([a-zA-Z!][^\s>]*)", mrkdwn(text)))
    assert tags <= {"a", "strong", "em", "del", "code", "pre", "br", "span"}


def test_blocks_are_drawn_one_by_one() -> None:
    drawn = draw(
        {
            "text": "what a notification shows",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": ":bank: *On hold*"}},
                {
                    "type": "section",
                    "text": {"type": "mrkdwn", "text": "*one*"},
                    "fields": [{"type": "mrkdwn", "text": "_two_"}],
                },
                {"type": "divider"},
                {
                    "type": "context",
                    "elements": [{"type": "image", "alt_text": "logo"}, {"type": "mrkdwn", "text": "3"}],
                },
                {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Open"}}]},
                {"type": "rich_text", "elements": []},
            ],
        }
    )
    assert drawn == (
        "<p class=header>🏦 *On hold*</p>"
        "<p><strong>one</strong></p><div class=fields><div><em>two</em></div></div>"
        "<hr><p class=context>[logo] 3</p>"
        "<p><span class=button>Open</span></p>"
        "<p class=context>[rich_text]</p>"
    )


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        "text",
        {},
        {"text": None},
        {"blocks": "no list"},
        {"blocks": [None, 1, "x", [], {"type": []}]},
        {"blocks": [{"type": "section", "fields": 7}, {"type": "context", "elements": None}, {"type": "header"}]},
        {"blocks": [{"type": "actions", "elements": [None, {"text": 3}]}, {"type": "section", "text": [1]}]},
    ],
)
def test_a_message_of_any_shape_is_drawn(message: Any) -> None:
    assert isinstance(str(draw(message)) + title(message), str)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"text": ":moneybag: *Martin &amp; Fils* paid <https://bank.example/1|open>"}, "💰 Martin & Fils paid"),
        ({"text": "<https://bank.example/1|open>"}, "open"),
        ({"text": "first\nsecond"}, "first"),
        ({"text": "&lt;!channel&gt; pays"}, "<!channel> pays"),
        (
            {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": ":bell: Blocks alone"}}]},
            "🔔 Blocks alone",
        ),
    ],
)
def test_a_title_is_one_line_without_mark_up(message: Any, line: str) -> None:
    assert title(message) == line


def test_every_emoji_of_the_shipped_rules_is_drawn() -> None:
    files = sorted(shipped("rules").rglob("*.yaml"))
    named = {name for file in files for name in re.findall(r"[\"} ]:([a-z_]+): ", file.read_text(encoding="utf-8"))}
    assert len(named) >= 8
    assert named <= EMOJI.keys()


def test_an_attachment_is_a_bar_in_its_colour_below_the_message() -> None:
    message = {"text": "Paid", "attachments": [{"color": "danger", "text": "*Critical* <b>"}]}
    assert draw(message) == "<p>Paid</p><p class='bar danger'><strong>Critical</strong> &lt;b&gt;</p>"
    assert title(message) == "Paid"


@pytest.mark.parametrize("attachments", [None, "x", [None], [{"color": "'><b>"}], [{"color": ["danger"]}]])
def test_an_attachment_of_any_shape_is_drawn_as_nothing_but_text(attachments: Any) -> None:
    shown = draw({"text": "Paid", "attachments": attachments})
    assert shown in ("<p>Paid</p>", "<p>Paid</p><p class='bar'></p>")
