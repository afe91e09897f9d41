"""Finds out who really calls, and whether that address may. Pure; called by the intake's server for each request.

`Forwarded` is RFC 7239; `X-Forwarded-For` is its older, plainer cousin. Both are believed only as far as the chain of
trusted proxies reaches, walked from the right, because everything further left was written by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from memonotify.config.values import Network

Address = IPv4Address | IPv6Address

MAX_HOPS: Final = 32
_OWS: Final = " \t"
_PAIR: Final = re.compile(r'\s*([^\s;,="]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*))\s*')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")


def parse_address(text: str) -> Address | None:
    """Return the address in `text` (a port and brackets may stand around it), or None for anything else.

    An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is that IPv4 address.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _split_quoted(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append("".join(current))
            current = []
            continue
        current.append(character)
    parts.append("".join(current))
    return parts


def _forwarded_hops(lines: Iterable[str]) -> list[str]:
    # Line by line: a quote that a caller left open in its own line must not swallow the line that a proxy added.
    return [_named(element) for line in lines for element in _split_quoted(line, ",") if element.strip(_OWS)]


def _named(element: str) -> str:
    """Return for whom an element of Forwarded speaks, as it is written there; "" where that is not clear."""
    names = []
    for pair in _split_quoted(element, ";"):
        if not pair.strip(_OWS):
            continue
        match = _PAIR.fullmatch(pair)
        if match is None:
            # What cannot be read may hide what a proxy added: then the element names nobody, and nobody is not trusted.
            return ""
        if match[1].lower() == "for":
            names.append(match[3] if match[2] is None else _QUOTED_PAIR.sub(r"\1", match[2]))
    return names[0] if len(names) == 1 else ""


def _plain_hops(lines: Iterable[str]) -> list[str]:
    return [hop for line in lines for hop in line.split(",") if hop.strip(_OWS)]


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def client_address(
    peer: str | None, forwarded: Sequence[str], x_forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """Return the caller's address, or None where it cannot be known.

    `peer` is the address of the connection, None on a unix socket (whose peer is this machine, and so trusted).
    `forwarded` and `x_forwarded_for` are the lines of those headers; the first of them wins where both are there. Their
    empty elements are skipped (RFC 9110 §5.6.1), and a header without any other says nothing. The client is the
    rightmost address that is not a trusted proxy, and the leftmost where all are trusted.
    """
    nearest = None
    if peer is not None:
        nearest = parse_address(peer)
        if nearest is None or not _is_in(nearest, trusted):
            return nearest
    hops = _forwarded_hops(forwarded) or _plain_hops(x_forwarded_for)
    address = nearest
    for hop in reversed(hops[-MAX_HOPS:]):
        address = parse_address(hop)
        if address is None or not _is_in(address, trusted):
            return address
    return address if len(hops) <= MAX_HOPS else None


def is_allowed(address: Address | None, allowed: Sequence[Network] | None) -> bool:
    """Return whether a caller of this address may post; `allowed` None means anybody."""
    return allowed is None or (address is not None and _is_in(address, allowed))
