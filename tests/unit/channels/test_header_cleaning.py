"""No value can add a header, whatever a payer writes into it: property tests over mails and HTTP header values."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memonotify.channels import email_message
from memonotify.channels.email_message import Letterhead, address
from memonotify.channels.header_text import clean
from memonotify.channels.mailbox import parse_mailbox
from memonotify.errors import Reason, SendError

LETTERHEAD = Letterhead(
    sender=parse_mailbox("Treasury <notify@example.com>"), to=("finance@example.com",), cc=(), reply_to=""
)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PLAIN = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
]
ATTACKS = [
    "a\r\nX: y",
    "a\nX: y",
    "a\rX: y",
    "a\x00X: y",
    "a\u2028X: y",
    "a\u2029X: y",
    "a\x85X: y",
    "a\x0bX: y\x0cZ: y\x1c\x1d\x1e",
    "=?utf-8?q?=0AX: y?=",
    "=?utf-8?q?=0D=0AX:_y?=",
    "=?utf-8?b?CiBYOiB5?= =?utf-8?b?ClgtQTogYg==?=",
    "é =?utf-8?q?=0AX: y?=",
    "\r\n\r\nbody",
    "\ud800\r\nX: y",
]
# Text made of what attacks are made of, besides any text.
nasty = st.lists(
    st.sampled_from(
        ["\r", "\n", "\0", "\u2028", "\u2029", "\x85", "=?utf-8?q?", "=0A", "?=", "X: y", " ", ":", "é", "a"]
    ),
    max_size=30,
).map("".join)
values = st.one_of(nasty, st.text(st.characters(exclude_categories=[]), max_size=200))


def render(payload: dict[str, Any]) -> bytes:
    return address({"text": "hello", **payload}, LETTERHEAD, identity="dlv_1", now=NOW).render()


def names_by_every_parser(message: bytes) -> list[list[str]]:
    old = email.message_from_bytes(message)
    new = email.message_from_bytes(message, policy=email.policy.default)
    by_hand = [
        line.partition(b":")[0].decode()
        for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")
        if not line.startswith((b" ", b"\t"))
    ]
    return [old.keys(), new.keys(), by_hand]


@given(values)
def test_a_cleaned_value_is_one_line_for_any_reader(value: str) -> None:
    cleaned = clean(value)
    assert len(cleaned.splitlines()) <= 1
    assert len(cleaned) <= 500
    assert "\0" not in cleaned
    cleaned.encode()
    assert clean(cleaned) == cleaned


@given(values)
@example("=?utf-8?q?=0AX: y?=")
@example("x" * 5000)
def test_a_subject_adds_no_header_and_reads_as_it_was_cleaned(value: str) -> None:
    message = render({"subject": value})
    for names in names_by_every_parser(message):
        assert names == PLAIN
    assert str(make_header(decode_header(email.message_from_bytes(message)["Subject"]))) == clean(value)
    assert all(len(line) <= 998 for line in message.split(b"\r\n"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_on_a_subject_succeeds(attack: str) -> None:
    message = render({"subject": attack})
    assert names_by_every_parser(message) == [PLAIN] * 3
    again = email.message_from_bytes(message, policy=email.policy.default)["Subject"]
    assert "\n" not in again
    assert again == clean(attack)


@given(values)
def test_a_display_name_adds_no_header_and_no_recipient(value: str) -> None:
    try:
        message = render({"to": [f"{value} <a@example.com>"]})
    except SendError as error:
        assert error.reason in {Reason.REJECTED, Reason.CONFIGURATION}
        return
    for names in names_by_every_parser(message):
        assert names == PLAIN
    assert [
        box.addr_spec for box in email.message_from_bytes(message, policy=email.policy.default)["To"].addresses
    ] in (
        ["a@example.com"],
        # Where the name cannot be read as one, no other address may stand in its place.
        [],
    )


@given(values)
def test_an_address_adds_no_header(value: str) -> None:
    payload = {"to": ["a@example.com", value], "cc": [value], "reply_to": value}
    message = render(payload)
    for names in names_by_every_parser(message):
        assert set(names) <= {*PLAIN, "Cc", "Reply-To"}
        assert len(names) == len(set(names))


@given(st.text(min_size=1, max_size=100))
def test_an_identity_adds_no_header(identity: str) -> None:
    try:
        letter = address({"text": "x", "subject": "x"}, LETTERHEAD, identity=identity, now=NOW)
    except UnicodeEncodeError:
        return
    assert names_by_every_parser(letter.render()) == [PLAIN] * 3


@given(values, values)
def test_a_body_ends_in_no_header_or_part_of_its_own(text: str, html: str) -> None:
    message = email.message_from_bytes(render({"subject": "x", "text": text, "html": html + "x"}))
    parts = message.get_payload()
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    for part in parts:
        assert sorted(part.keys()) == ["Content-Transfer-Encoding", "Content-Type"]
        assert part.defects == []


def test_headers_that_read_back_differently_are_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_message, "clean", lambda value: value)
    with pytest.raises(SendError) as caught:
        render({"subject": "a\r\nX-Injected: y"})
    assert caught.value.reason is Reason.TEMPLATE


def test_headers_that_end_early_are_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email_message, "clean", lambda value: value)
    with pytest.raises(SendError):
        render({"subject": "a\r\n\r\nbody"})
