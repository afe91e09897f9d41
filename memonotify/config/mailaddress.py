"""One mail address as a person writes it, taken apart strictly: `name@example.com` or `Treasury <name@example.com>`.

A text in, its three parts out, the domain in ASCII (IDNA 2008). The configuration and the rules check with it what the
mail channel takes apart with it, so what `check` lets pass is not refused when it is sent. Quoted local parts are not
taken; hardly a server has one, and they are where parsers disagree. Facts: RFC 5321 §4.1.2, RFC 5322 §3.4, RFC 6531.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_MAX_ADDRESS: Final = 254
_LOCAL = re.compile("[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\\-\u00a1-\u1fff\u2c00-\ud7ff\uf900-\ufdff\U00010000-\U000effff]+")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LITERAL = re.compile(r"\[[0-9A-Fa-f.:]+\]|\[IPv6:[0-9A-Fa-f.:]+\]")
_BREAKS = re.compile(r"[\r\n\0\x85\u2028\u2029]")


class MailAddress(NamedTuple):
    """The parts of an address. `name` is the display name as written, without its quotes."""

    name: str
    local: str
    domain: str


def take_apart(text: str) -> MailAddress:
    """Return the parts of the one address that `text` is.

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
    parts = MailAddress(name=_display_name(name), local=local, domain=_ascii_domain(domain))
    if len(f"{parts.local}@{parts.domain}".encode()) > _MAX_ADDRESS:
        raise ValueError("it is too long")
    return parts


def _display_name(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _ascii_domain(domain: str) -> str:
    if _LITERAL.fullmatch(domain):
        return domain
    if not domain.isascii():
        import idna

        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("what stands after the @ is no domain") from error
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise ValueError("what stands after the @ is no domain")
    return domain.lower()
