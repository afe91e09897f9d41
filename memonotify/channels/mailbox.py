"""One mail address as a person writes it, parsed strictly: `name@example.com` or `Treasury <name@example.com>`.

Comes in: text from the configuration or a rendered message. Goes out: a Mailbox with a domain in ASCII (IDNA 2008),
ready for the envelope and for a header. One text is one address: what a template puts in can add no second one. Quoted
local parts are not taken; hardly a server has one, and they are where parsers disagree. Facts: RFC 5321 §4.1.2,
RFC 5322 §3.4, RFC 2047 §5, RFC 6531.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import idna

from memonotify.channels.header_text import clean

_MAX_NAME: Final = 200
_MAX_ADDRESS: Final = 254
_LOCAL = re.compile("[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\\-\u00a1-\u1fff\u2c00-\ud7ff\uf900-\ufdff\U00010000-\U000effff]+")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LITERAL = re.compile(r"\[[0-9A-Fa-f.:]+\]|\[IPv6:[0-9A-Fa-f.:]+\]")
_BREAKS = re.compile(r"[\r\n\0\x85\u2028\u2029]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
# 45 bytes become 60 characters of base64, and 72 with the frame: below the 75 that RFC 2047 §2 allows.
_WORD_BYTES: Final = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An address with its display name. `local` alone may hold more than ASCII; it then needs SMTPUTF8."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """The address as it stands in the envelope."""
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether every server takes it."""
        return self.local.isascii()

    def header(self) -> str:
        """Return it as it stands in a header field, the display name encoded where it needs to be."""
        return f"{_phrase(self.name)} <{self.address}>" if self.name else self.address


@lru_cache(maxsize=1024)
def parse_mailbox(text: str) -> Mailbox:
    """Return the one address that `text` is.

    Raises:
        ValueError: it is none, or more than one; the text says what is wrong with it.
    """
    name, address = "", text.strip()
    if _BREAKS.search(address):
        raise ValueError("it goes over more than one line")
    if address.endswith(">"):
        name, mark, address = address[:-1].rpartition("<")
        if not mark:
            raise ValueError("it ends with > but has no <")
    local, mark, domain = address.strip().rpartition("@")
    if not mark:
        raise ValueError("it has no @")
    if not _LOCAL.fullmatch(local):
        raise ValueError("what stands before the @ is no mailbox's name")
    mailbox = Mailbox(name=_display_name(name), local=local, domain=_ascii_domain(domain))
    if len(mailbox.address.encode()) > _MAX_ADDRESS:
        raise ValueError("it is too long")
    return mailbox


def _display_name(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return clean(text, max_characters=_MAX_NAME)


def _ascii_domain(domain: str) -> str:
    if _LITERAL.fullmatch(domain):
        return domain
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("what stands after the @ is no domain") from error
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise ValueError("what stands after the @ is no domain")
    return domain.lower()


def _phrase(name: str) -> str:
    """Return a display name for a header: as it is, quoted, or encoded (RFC 5322 §3.2.5, RFC 2047 §5 (3))."""
    if not name.isascii() or "=?" in name:
        return encoded_words(name)
    if _ATOMS.fullmatch(name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def encoded_words(text: str) -> str:
    """Return `text` as RFC 2047 encoded words of UTF-8, one a line; no character is split between two of them."""
    words: list[bytes] = []
    word = b""
    for character in text:
        encoded = character.encode()
        if len(word) + len(encoded) > _WORD_BYTES:
            words.append(word)
            word = b""
        word += encoded
    words.append(word)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode('ascii')}?=" for word in words)
