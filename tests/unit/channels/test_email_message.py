"""What a mail is made of: recipients, identity, encodings."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memonotify.channels.email_message import Letter, Letterhead, address, message_id
from memonotify.channels.mailbox import parse_mailbox
from memonotify.errors import Reason, SendError

LETTERHEAD = Letterhead(
    sender=parse_mailbox("Trésorerie <notify@exämple.com>"),
    to=("finance@example.com",),
    cc=("archive@example.com",),
    reply_to="desk@example.com",
)
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def letter(**payload: Any) -> Letter:
    return address({"subject": "s", "text": "t", **payload}, LETTERHEAD, identity="dlv_1", now=NOW)


def parsed(letter: Letter, *, utf8: bool = False) -> EmailMessage:
    message = email.message_from_bytes(letter.render(utf8=utf8), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def envelope(letter: Letter) -> list[str]:
    return [mailbox.address for mailbox in letter.recipients]


def test_the_channels_recipients_are_the_default() -> None:
    assert envelope(letter()) == ["finance@example.com", "archive@example.com"]
    message = parsed(letter())
    assert (message["To"], message["Cc"], message["Reply-To"]) == (
        "finance@example.com",
        "archive@example.com",
        "desk@example.com",
    )


def test_the_messages_recipients_replace_the_channels() -> None:
    made = letter(to=["Chef <cfo@example.com>"], cc=[], reply_to="x@example.com")
    assert envelope(made) == ["cfo@example.com"]
    message = parsed(made)
    assert (message["To"], message["Cc"], message["Reply-To"]) == ("Chef <cfo@example.com>", None, "x@example.com")


def test_one_address_is_taken_for_a_list_of_one() -> None:
    assert envelope(letter(to="cfo@example.com", cc="a@example.com")) == ["cfo@example.com", "a@example.com"]


def test_somebody_named_twice_is_told_once() -> None:
    assert envelope(letter(to=["a@example.com", "A <a@example.com>"], cc=["a@Example.com"])) == ["a@example.com"]


def test_an_address_that_is_none_is_a_refusal_of_its_own() -> None:
    made = letter(to=["a@example.com", "not an address", " "], cc=[])
    assert envelope(made) == ["a@example.com"]
    (refusal,) = made.refused
    assert refusal.recipient == "not an address"
    assert "it has no @" in refusal.detail


def test_only_ill_formed_recipients_are_a_rejection() -> None:
    with pytest.raises(SendError) as caught:
        letter(to=["nobody"], cc=[])
    assert caught.value.reason is Reason.REJECTED


def test_no_recipient_is_a_matter_of_configuration() -> None:
    with pytest.raises(SendError) as caught:
        letter(to=[], cc=[])
    assert caught.value.reason is Reason.CONFIGURATION


def test_an_ill_formed_reply_to_is_left_out() -> None:
    assert parsed(letter(reply_to="nobody"))["Reply-To"] is None


def test_the_identity_is_the_message_id_in_the_senders_domain() -> None:
    assert parsed(letter())["Message-ID"] == "<dlv_1@xn--exmple-cua.com>"


def test_an_identity_of_odd_characters_stays_one_of_its_own() -> None:
    assert message_id("a b>", "x.org") == "<a%20b%3E@x.org>"


def test_the_sender_shows_its_name() -> None:
    (sender,) = parsed(letter())["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Trésorerie", "notify@xn--exmple-cua.com")


def test_the_date_is_the_moment_of_sending() -> None:
    assert parsed(letter())["Date"].datetime == NOW


def test_a_critical_mail_is_of_high_importance_and_no_other() -> None:
    critical = parsed(letter(severity="critical"))
    assert (critical["Importance"], critical["X-Priority"]) == ("high", "1")
    for payload in ({}, {"severity": "info"}, {"severity": "warning"}):
        message = parsed(letter(**payload))
        assert (message["Importance"], message["X-Priority"]) == (None, None)


def test_short_ascii_goes_as_it_is() -> None:
    message = letter(text="one\ntwo").render()
    assert b"Content-Transfer-Encoding: 7bit" in message
    assert message.endswith(b"\r\n\r\none\r\ntwo\r\n")


def test_latin_text_is_quoted_printable_and_other_scripts_base64() -> None:
    assert parsed(letter(text="Payé : 12 €"))["Content-Transfer-Encoding"] == "quoted-printable"
    assert parsed(letter(text="Πληρωμή ολοκληρώθηκε"))["Content-Transfer-Encoding"] == "base64"


def test_only_the_text_makes_a_plain_mail_and_html_an_alternative() -> None:
    assert parsed(letter()).get_content_type() == "text/plain"
    message = parsed(letter(html="<p>é</p>"))
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


@given(st.text(max_size=3000), st.text(min_size=1, max_size=3000))
def test_both_bodies_read_as_they_were_written_in_lines_that_any_server_takes(text: str, html: str) -> None:
    made = letter(text=text, html=html)
    raw = made.render()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    for part, meant in zip(parsed(made).iter_parts(), (text, html), strict=True):
        assert lines(part.get_payload(decode=True).decode()) == lines(meant)


def lines(text: str) -> str:
    """Line ends alike, one at the end, controls replaced: what a mail may change about a text."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "".join("\ufffd" if (c < " " and c not in "\t\n") or c == "\x7f" else c for c in text)
    return text if text.endswith("\n") else text + "\n"


def test_a_line_of_a_hundred_thousand_characters_is_wrapped() -> None:
    assert max(map(len, letter(text="x" * 100_000).render().split(b"\r\n"))) <= 998


def test_many_recipients_stand_one_a_line() -> None:
    raw = letter(to=[f"n{number}@example.com" for number in range(200)]).render()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_mailbox_outside_ascii_stands_in_the_headers_only_with_smtputf8() -> None:
    made = letter(to=["hélène@example.com", "a@example.com"], cc=[])
    assert made.needs_utf8
    assert "hélène".encode() in made.render(utf8=True)
    assert made.render(utf8=False).isascii()
    assert not letter().needs_utf8


PDF = b"%PDF-1.4\n\0\xff the proof\r\n.\r\n--=_memonotify_mixed--"


def a_file(content: bytes = PDF, **more: Any) -> dict[str, Any]:
    return {"what": "proof", "name": "proof-1.pdf", "type": "application/pdf", "content": content, **more}


def files(message: EmailMessage) -> list[tuple[str | None, str, bytes]]:
    # Not `get_content`: the library knows how to read the registered kinds only.
    return [(part.get_filename(), part.get_content_type(), content_of(part)) for part in message.iter_attachments()]


def content_of(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.mark.parametrize("html", [None, "<p>é</p>"])
def test_a_file_stands_beside_the_text_and_the_html(html: str | None) -> None:
    message = parsed(letter(html=html, attach=[a_file()]))
    assert message.get_content_type() == "multipart/mixed"
    readable, proof = message.iter_parts()
    assert readable.get_content_type() == ("multipart/alternative" if html else "text/plain")
    assert proof.get_content_disposition() == "attachment"
    assert files(message) == [("proof-1.pdf", "application/pdf", PDF)]
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().rstrip() == "t"


def test_several_files_keep_their_order() -> None:
    message = parsed(letter(attach=[a_file(name="a.pdf"), a_file(b"", name="b.pdf")]))
    assert [(name, content) for name, _, content in files(message)] == [("a.pdf", PDF), ("b.pdf", b"")]


def test_a_text_that_looks_like_a_boundary_ends_nothing() -> None:
    text = "--=_memonotify_mixed--\n--=_memonotify_alternative\nstill here"
    message = parsed(letter(text=text, html=text, attach=[a_file()]))
    assert len(list(message.iter_parts())) == 2
    plain = message.get_body(("plain",))
    assert plain is not None
    assert lines(plain.get_content()) == lines(text)
    assert len(files(message)) == 1


@given(name=st.text(max_size=300), media_type=st.text(max_size=100), content=st.binary(max_size=300))
@example(name="", media_type="0/0", content=b"")
def test_no_name_or_type_of_a_file_ends_its_header(name: str, media_type: str, content: bytes) -> None:
    raw = letter(attach=[a_file(content, name=name, type=media_type)]).render()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    ((read, kind, got),) = files(parsed(letter(attach=[a_file(content, name=name, type=media_type)])))
    assert got == content
    assert kind == (media_type if kind != "application/octet-stream" else kind)
    assert read
    assert all(character in SAFE for character in read)


SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._- "


@pytest.mark.parametrize(
    "name", ['a".pdf', "a\r\nBcc: x@example.com.pdf", "../../etc/passwd", "é\u202efdp.exe", "a;b=c", "=?utf-8?q?x?="]
)
def test_a_hostile_file_name_adds_no_header_and_leaves_no_folder(name: str) -> None:
    message = parsed(letter(attach=[a_file(name=name)]))
    (part,) = message.iter_attachments()
    assert part.keys() == ["Content-Type", "Content-Disposition", "Content-Transfer-Encoding"]
    assert part.defects == []
    read = part.get_filename()
    assert read is not None
    assert not {"/", "\\", '"', ";", "="} & set(read)
    assert not read.startswith(".")


def test_a_mail_that_is_too_large_with_its_file_goes_without_it_and_says_so() -> None:
    made = letter(text="t", html="<p>h</p>", attach=[a_file(b"x" * 3000)])
    message = email.message_from_bytes(made.render(taken_bytes=2500), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert list(message.iter_attachments()) == []
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        said = " ".join(body.get_content().split())
        assert "proof-1.pdf was left out: with it, the mail would be over the 2500 bytes that are taken" in said
    assert made.render() == made.render(taken_bytes=len(made.render()))


def test_a_mail_that_is_too_large_all_the_same_is_told() -> None:
    with pytest.raises(SendError) as caught:
        letter(text="é\n" * 2_000_000, attach=[a_file()]).render()
    assert caught.value.reason is Reason.TOO_LARGE


def test_ten_mebibytes_are_the_most() -> None:
    with pytest.raises(SendError) as caught:
        letter(text="é\n" * 2_000_000).render()
    assert caught.value.reason is Reason.TOO_LARGE


PICTURE = {"cid": "chart@memonotify", "name": "eur.png", "type": "image/png", "content": "iVBORw=="}


def test_a_picture_stands_beside_the_html_that_shows_it() -> None:
    message = parsed(letter(html='<img src="cid:chart@memonotify">', inline=[PICTURE]))
    text, related = message.iter_parts()
    assert (message.get_content_type(), text.get_content_type()) == ("multipart/alternative", "text/plain")
    assert (related.get_content_type(), related.get_param("type")) == ("multipart/related", "text/html")
    html, picture = related.iter_parts()
    assert html.get_content_type() == "text/html"
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<chart@memonotify>", "inline")
    assert picture.get_content() == b"\x89PNG"


def test_a_mail_without_html_has_no_picture() -> None:
    assert parsed(letter(inline=[PICTURE])).get_content_type() == "text/plain"


def test_pictures_and_attachments_go_together() -> None:
    attached = {"name": "proof.pdf", "type": "application/pdf", "content": b"%PDF-"}
    message = parsed(letter(html="<p>", inline=[PICTURE], attach=[attached]))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]


def test_the_id_of_a_picture_breaks_out_of_no_header() -> None:
    message = parsed(letter(html="<p>", inline=[{**PICTURE, "cid": "a>\r\nBcc: x@example.com", "name": '"\r\nX: y'}]))
    assert message["Bcc"] is None
    assert all(part["Bcc"] is None and part["X"] is None for part in message.walk())
