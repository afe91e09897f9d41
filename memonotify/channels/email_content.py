"""What stands in a mail below its headers: text, HTML beside it with its pictures, and files.

Comes in: a message's text and HTML, pictures and attachments. Goes out: the headers that describe the content, and its
bytes. `email_message` calls it. Facts: RFC 2045-2047, RFC 2183 (Content-Disposition), RFC 2387 (multipart/related) and
RFC 2392 (cid).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

Headers = list[tuple[str, str]]

_MAX_LINE: Final = 76
# Neither base64 nor quoted-printable can hold `=_`, and a text that is sent as it is holds no line that begins with it.
_BOUNDARY: Final = "=_memonotify_"
_ALTERNATIVE: Final = f"{_BOUNDARY}alternative"
_MIXED: Final = f"{_BOUNDARY}mixed"
_RELATED: Final = f"{_BOUNDARY}related"
# What a mail's text cannot carry: every control but tab and line ends.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_END = re.compile("\r\n|\r|\n")
_LONG_LINE = re.compile(f"[^\n]{{{_MAX_LINE + 1}}}")
_UNFIT_NAME = re.compile("[^A-Za-z0-9._ -]+")
_MEDIA_TYPE = re.compile("[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,60}")
_UNFIT_CID = re.compile("[^A-Za-z0-9@._-]")
_MAX_NAME: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file. Of its name only ASCII letters, digits and `._ -` go out; a type that is none becomes plain octets."""

    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture that the HTML shows as `cid:` and its `cid`, of a type such as image/png."""

    cid: str
    name: str
    type: str
    content: bytes = field(repr=False)


def content(
    text: str, html: str | None, attachments: Sequence[Attachment] = (), pictures: Sequence[Picture] = ()
) -> tuple[Headers, bytes]:
    """Return the content's headers and bytes: the text, with HTML both as alternatives, the richer one last and its
    pictures with it; with attachments all of that as the first of several parts."""
    readable = _part(text, "plain")
    if html is not None:
        rich = _part(html, "html")
        if pictures:
            rich = _multipart("related", _RELATED, (rich, *map(_pictured, pictures)), '; type="text/html"')
        readable = _multipart("alternative", _ALTERNATIVE, (readable, rich))
    if not attachments:
        return readable
    return _multipart("mixed", _MIXED, (readable, *map(_attached, attachments)))


def _multipart(
    subtype: str, boundary: str, parts: Sequence[tuple[Headers, bytes]], more: str = ""
) -> tuple[Headers, bytes]:
    written = bytearray()
    for headers, body in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        written += f"--{boundary}\r\n{head}\r\n".encode() + body
    written += f"--{boundary}--\r\n".encode()
    return [("Content-Type", f'multipart/{subtype}; boundary="{boundary}"{more}')], bytes(written)


def _part(text: str, subtype: str) -> tuple[Headers, bytes]:
    """Return a text's headers and bytes: as it is where it is ASCII in short lines, else in one of two encodings."""
    text = _CONTROLS.sub("\ufffd", _LINE_END.sub("\n", text))
    if not text.endswith("\n"):
        text += "\n"
    if text.isascii() and _LONG_LINE.search(text) is None and f"--{_BOUNDARY}" not in text:
        return _described(subtype, "us-ascii", "7bit"), text.replace("\n", "\r\n").encode("ascii")
    encoded = text.replace("\n", "\r\n").encode("utf-8", "replace")
    quoted = binascii.b2a_qp(encoded, istext=True)
    # base64 is shorter for all but Latin scripts; in doubt the one that a person can read in the source.
    if len(quoted) <= 2 * len(encoded):
        return _described(subtype, "utf-8", "quoted-printable"), quoted
    return _described(subtype, "utf-8", "base64"), _in_lines(encoded)


def _described(subtype: str, charset: str, encoding: str) -> Headers:
    return [
        ("Content-Type", f'text/{subtype}; charset="{charset}"'),
        ("Content-Transfer-Encoding", encoding),
    ]


def _named(name: str) -> str:
    return _UNFIT_NAME.sub("-", name).strip(" .-")[-_MAX_NAME:] or "attachment"


def _typed(media_type: str) -> str:
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"


def _pictured(picture: Picture) -> tuple[Headers, bytes]:
    name = _named(picture.name)
    headers = [
        ("Content-Type", f'{_typed(picture.type)}; name="{name}"'),
        ("Content-ID", f"<{_UNFIT_CID.sub('-', picture.cid)}>"),
        ("Content-Disposition", f'inline; filename="{name}"'),
        ("Content-Transfer-Encoding", "base64"),
    ]
    return headers, _in_lines(picture.content)


def _attached(attachment: Attachment) -> tuple[Headers, bytes]:
    name, media_type = _named(attachment.name), _typed(attachment.type)
    headers = [
        # Both say the name: older programs look only at the first.
        ("Content-Type", f'{media_type}; name="{name}"'),
        ("Content-Disposition", f'attachment; filename="{name}"'),
        ("Content-Transfer-Encoding", "base64"),
    ]
    return headers, _in_lines(attachment.content)


def _in_lines(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
