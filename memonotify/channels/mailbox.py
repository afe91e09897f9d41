"""One mail address, ready for the envelope and for a header.

Comes in: text from the configuration or a rendered message. Goes out: a Mailbox. One text is one address: what a
template puts in can add no second one. Facts: RFC 5322 §3.4, RFC 2047 §5.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from memonotify.channels.header_text import clean
from memonotify.config.mailaddress import take_apart

_MAX_NAME: Final = 200
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
    name, local, domain = take_apart(text)
    return Mailbox(name=clean(name, max_characters=_MAX_NAME), local=local, domain=domain)


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
