"""Where a server listens, and who may call it: texts in, `Listen` and networks out, or a Refusal. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from memonotify.catalogue import SANDBOX_ADDRESSES, WEBHOOK_ADDRESSES
from memonotify.config.checks import Refusal, host
from memonotify.config.suggest import did_you_mean
from memonotify.config.values import Listen, Network

ANY: Final = "any"
NAMED: Final = {"memo-bank": WEBHOOK_ADDRESSES, "memo-bank-sandbox": SANDBOX_ADDRESSES}
"""The names of published addresses that `allowed_ips` knows."""

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the NUL at the end.
_MAX_UNIX_PATH: Final = 103
_HOST_PORT: Final = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,6})")


def parse_listen(text: str, folder: Path) -> Listen:
    """Return where to listen; the path of a unix socket is relative to `folder`.

    Raises:
        Refusal: it is not `host:port`, `[IPv6]:port` or `unix:PATH`.
    """
    if text.startswith("unix:"):
        return _unix(text.removeprefix("unix:").removeprefix("//"), folder)
    found = _HOST_PORT.fullmatch(text)
    if found is None:
        raise Refusal(f"`{text[:80]}` is not host:port", _listen_hint(text))
    port = int(found["port"])
    if port > 65535:
        raise Refusal(f"there is no port {port}", "ports go from 0 (any free one) to 65535")
    name = found["six"] or found["host"]
    if not name or name == "*":
        raise Refusal(f"`{text}` names no host", f"0.0.0.0:{port} listens on every IPv4 address, [::]:{port} on IPv6")
    return Listen(host=host(name), port=port)


def parse_network(text: str) -> Network:
    """Return an address or a CIDR as a network; an IPv4 address in IPv6 form becomes the IPv4 address.

    Raises:
        Refusal: it is neither, or a CIDR has bits set behind its prefix.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        hint = did_you_mean(text, (*NAMED, ANY)) or "such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
        raise Refusal(f"`{text[:80]}` is not an address", hint) from None
    if "/" in text and str(network.network_address) != text.partition("/")[0] and not _is_same(text, network):
        raise Refusal(f"`{text}` has bits set behind its prefix", f"did you mean `{network}`?")
    return _unmapped(network)


def named_networks(name: str) -> tuple[Network, ...] | None:
    """Return the published addresses of that name, or None where it is not one."""
    addresses = NAMED.get(name)
    return None if addresses is None else tuple(ip_network(address) for address in addresses)


def _unix(path: str, folder: Path) -> Listen:
    if not path:
        raise Refusal("`unix:` needs a path", "unix:/run/memonotify/web.sock")
    whole = folder / path
    if "\0" in path or len(str(whole).encode()) > _MAX_UNIX_PATH:
        raise Refusal(f"the path of the socket is longer than {_MAX_UNIX_PATH} bytes")
    return Listen(unix=whole)


def _listen_hint(text: str) -> str:
    if re.fullmatch(r"[0-9]+", text):
        return f"did you mean `127.0.0.1:{text}`?"
    if text.count(":") > 1 and "[" not in text and "/" not in text:
        return "an IPv6 address stands in brackets: [::1]:8080"
    if text.startswith("/"):
        return f"did you mean `unix:{text[:80]}`?"
    if "://" in text:
        return "without http://"
    return "127.0.0.1:8080, [::1]:8080 or unix:/run/memonotify/web.sock"


def _is_same(text: str, network: IPv4Network | IPv6Network) -> bool:
    """Whether the CIDR says the network itself, in another spelling of IPv6."""
    try:
        return ip_network(text, strict=True) == network
    except ValueError:
        return False


def _unmapped(network: IPv4Network | IPv6Network) -> Network:
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network
