"""From a payload to a mail: who gets it, and the bytes that go over the wire.

Comes in: `{"to", "cc", "reply_to", "subject", "text", "html", "attach", "inline", "severity", "recipients"}` and what
the channel knows; `inline` are pictures that the HTML shows, in base64. Goes out: a Letter, which renders itself to
bytes. The mail channel calls it. The headers are written here rather than by `email.message`, at a tenth of the cost,
and read back by the standard library's parser: a message whose headers are not exactly the ones meant is never sent.
Facts: RFC 5322, RFC 3834 (Auto-Submitted), RFC 2156 (Importance).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.parser import BytesHeaderParser
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

from memonotify.channels.email_content import Attachment, Picture, content
from memonotify.channels.header_text import clean
from memonotify.channels.mailbox import Mailbox, encoded_words, parse_mailbox
from memonotify.errors import Reason, SendError
from memonotify.model import Refusal, Severity
from memonotify.templating.messages import annotate

MAX_BYTES: Final = 10 * 1024 * 1024
_LARGE_BYTES: Final = 256 * 1024
_PARSER = BytesHeaderParser()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What the channel gives to each of its mails."""

    sender: Mailbox
    to: tuple[str, ...]
    cc: tuple[str, ...]
    reply_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail, addressed. `recipients` is the envelope; `refused` are addresses that are none."""

    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: Mailbox | None
    recipients: tuple[Mailbox, ...]
    refused: tuple[Refusal, ...]
    message_id: str
    date: str
    subject: str
    text: str
    html: str | None
    attachments: tuple[Attachment, ...] = ()
    is_important: bool = False
    pictures: tuple[Picture, ...] = ()

    @property
    def needs_utf8(self) -> bool:
        """Whether an address has more than ASCII before its @, so that only SMTPUTF8 can carry it."""
        return not all(box.is_ascii for box in (self.sender, *self.to, *self.cc, *self.recipients))

    @property
    def is_large(self) -> bool:
        """Whether writing it takes so long that the event loop should not wait for it."""
        return sum(len(attachment.content) for attachment in self.attachments) > _LARGE_BYTES

    def render(self, *, utf8: bool = False, taken_bytes: int = MAX_BYTES) -> bytes:
        """Return the whole message with CRLF line ends; without `utf8` the headers leave out what is not ASCII.

        Where it is larger than `taken_bytes`, what the server takes, it goes without its attachments and says so.

        Raises:
            SendError: TEMPLATE, where the headers read back are not the headers meant; TOO_LARGE over 10 MiB.
        """
        message = self._written(utf8=utf8)
        taken_bytes = min(taken_bytes, MAX_BYTES)
        if self.attachments and len(message) > taken_bytes:
            return self._lightened(taken_bytes).render(utf8=utf8)
        if len(message) > MAX_BYTES:
            raise SendError(Reason.TOO_LARGE, f"the mail has {len(message)} bytes; {MAX_BYTES} are the most")
        return message

    def _written(self, *, utf8: bool) -> bytes:
        content_headers, body = content(self.text, self.html, self.attachments, self.pictures)
        headers = [*self._headers(utf8=utf8), *content_headers]
        head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
        _check(head, headers)
        return head + b"\r\n" + body

    def _lightened(self, taken_bytes: int) -> Letter:
        names = ", ".join(attachment.name for attachment in self.attachments)
        note = f"{names} was left out: with it, the mail would be over the {taken_bytes} bytes that are taken"
        noted = annotate("email", {"text": self.text, "html": self.html}, note)
        return replace(self, text=noted["text"], html=noted["html"], attachments=())

    def _headers(self, *, utf8: bool) -> Iterable[tuple[str, str]]:
        yield "From", self.sender.header()
        reply_to = (self.reply_to,) if self.reply_to is not None else ()
        for name, boxes in (("To", self.to), ("Cc", self.cc), ("Reply-To", reply_to)):
            shown = [box.header() for box in boxes if utf8 or box.is_ascii]
            if shown:
                yield name, ",\r\n ".join(shown)
        yield "Subject", _unstructured(self.subject)
        yield "Date", self.date
        yield "Message-ID", self.message_id
        yield "Auto-Submitted", "auto-generated"
        # Exchange answers with absence notes unless told not to; it does not look at the standard's header.
        yield "X-Auto-Response-Suppress", "All"
        if self.is_important:
            yield "Importance", "high"
            # Several mail programs look at this older one alone.
            yield "X-Priority", "1"
        yield "MIME-Version", "1.0"


def address(payload: Mapping[str, Any], letterhead: Letterhead, *, identity: str, now: datetime) -> Letter:
    """Return the mail that `payload` describes; `to`, `cc` and `reply_to` replace the channel's.

    Addresses that are none become refusals, so that one bad address keeps the mail from nobody else. `recipients`,
    where present, are the envelope alone: the headers keep saying whom the whole message went to.

    Raises:
        SendError: CONFIGURATION, where there is no recipient at all; REJECTED, where all of them are ill-formed.
    """
    refused: dict[str, Refusal] = {}
    to = _mailboxes(_given(payload, "to", letterhead.to), refused)
    cc = _mailboxes(_given(payload, "cc", letterhead.cc), refused)
    recipients = [*to, *cc]
    if payload.get("recipients"):
        refused.clear()
        recipients = _mailboxes(payload["recipients"], refused)
    if not recipients and refused:
        raise SendError(Reason.REJECTED, next(iter(refused.values())).detail)
    if not recipients:
        raise SendError(Reason.CONFIGURATION, "the mail has no recipient: give the rule's entry or the channel a `to`")
    reply_to = _mailboxes([payload.get("reply_to") or letterhead.reply_to], {})
    return Letter(
        sender=letterhead.sender,
        to=tuple(to),
        cc=tuple(cc),
        reply_to=reply_to[0] if reply_to else None,
        recipients=tuple({box.address: box for box in recipients}.values()),
        refused=tuple(refused.values()),
        message_id=message_id(identity, letterhead.sender.domain),
        date=format_datetime(now),
        subject=clean(str(payload.get("subject", ""))),
        text=str(payload.get("text", "")),
        html=str(payload["html"]) if payload.get("html") else None,
        attachments=tuple(
            Attachment(name=str(file["name"]), type=str(file["type"]), content=file["content"])
            for file in payload.get("attach") or ()
        ),
        is_important=payload.get("severity") == Severity.CRITICAL,
        pictures=tuple(
            Picture(
                cid=str(file["cid"]),
                name=str(file["name"]),
                type=str(file["type"]),
                content=base64.b64decode(file["content"]),
            )
            for file in payload.get("inline") or ()
        ),
    )


def message_id(identity: str, domain: str) -> str:
    """Return the `Message-ID` of an identity: the same one on every try (RFC 5322 §3.6.4)."""
    return f"<{quote(identity, safe='')}@{domain}>"


def _given(payload: Mapping[str, Any], name: str, otherwise: Sequence[str]) -> Sequence[str]:
    value = payload.get(name)
    if value is None:
        return otherwise
    return [value] if isinstance(value, str) else value


def _mailboxes(texts: Iterable[str], refused: dict[str, Refusal]) -> list[Mailbox]:
    """Parse each text, leaving blank ones out; those that are no address are added to `refused`."""
    boxes: list[Mailbox] = []
    for text in texts:
        text = str(text).strip()
        if not text:
            continue
        try:
            boxes.append(parse_mailbox(text))
        except ValueError as error:
            shown = clean(text, max_characters=100)
            detail = f"{shown!r} is no mail address: {error}"
            refused[text] = Refusal(recipient=shown, reason=Reason.REJECTED, detail=detail)
    return boxes


def _unstructured(value: str) -> str:
    """Return a subject for its header. What looks like an encoded word is encoded, so that it is read as written."""
    return value if value.isascii() and "=?" not in value else encoded_words(value)


def _check(head: bytes, expected: Sequence[tuple[str, str]]) -> None:
    """Read the headers back with the standard library's parser."""
    parsed = _PARSER.parsebytes(head + b"\r\n")
    meant = [(name, value.encode().decode("ascii", "surrogateescape")) for name, value in expected]
    # raw_items gives the values as they were read, not as Header objects made of them.
    if list(parsed.raw_items()) != meant or parsed.defects or parsed.get_payload():
        raise SendError(Reason.TEMPLATE, "the mail's headers read back differ from the ones written; it was not sent")
