"""Texts of the configuration in, what they mean out, or a Refusal with a sentence. Called by the sections' readers, and
by the rules' readers for what both files may hold.

No sentence here repeats what may be a secret: an address of a receiver, a key, a token, a header's value.
"""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from memonotify.config.mailaddress import take_apart
from memonotify.config.suggest import did_you_mean


class Refusal(ValueError):  # noqa: N818 - a value that says no; readers of files turn it into a Problem
    """A text that cannot be taken. `args[0]` is the sentence, `hint` what to do."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


_LABEL: Final = r"[\w](?:[\w-]{0,61}[\w])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\.?$){_LABEL}(?:\.{_LABEL})*\.?")
_NAMED: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*" *|[^"<>@,;:\\()\[\]]*)<[^<>]*>')
_TOKEN68: Final = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e\t]*")
_OWN_HEADERS: Final = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding"),
        *("upgrade", "webhook-id", "webhook-timestamp", "webhook-signature"),
    }
)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_DOTS: Final = frozenset({"", ".", ".."})
_MAX_ADDED_PATH: Final = 8000
_RESOURCE_PATH: Final = re.compile(r"/v2(?:/[A-Za-z0-9_{}~.-]+)+")


def printable(text: str) -> str:
    """Return a text that has no control characters, or refuse it."""
    if not text.strip():
        raise Refusal("is empty")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise Refusal("holds a line break or a control character")
    return text


def token(text: str) -> str:
    """Return a token that fits into a header: ASCII without blanks (RFC 9110 §5.6), or refuse it."""
    if not text.strip():
        raise Refusal("is empty")
    if not _TOKEN68.fullmatch(text):
        raise Refusal("holds a blank, a line break or a character beyond ASCII")
    return text


def signing_secret(text: str) -> str:
    """Return a Standard Webhooks secret: `whsec_` and base64 (the scheme's specification), or refuse it."""
    hint = "`whsec_` and base64, as from: echo whsec_$(openssl rand -base64 32)"
    if not text.startswith("whsec_"):
        raise Refusal("does not begin with `whsec_`", hint)
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("is not base64 after `whsec_`", hint) from None
    if not key:
        raise Refusal("has nothing after `whsec_`", hint)
    return text


def private_key(text: str) -> str:
    """Return the PEM of an RSA key that can sign RS256, or refuse it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise Refusal("is protected by a passphrase", "remove it: openssl pkey -in old.pem -out new.pem") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Refusal("is not a private key in PEM form", "it begins with -----BEGIN PRIVATE KEY-----") from None
    if not isinstance(key, RSAPrivateKey):
        raise Refusal("is not an RSA key", "the bank takes RS256 signatures only")
    if key.key_size < 2048:
        raise Refusal(f"is an RSA key of {key.key_size} bits", "RS256 needs 2048 or more")
    return text


def http_url(text: str) -> str:
    """Return an http or https address, or refuse it without repeating it."""
    if any(character.isspace() or not character.isprintable() for character in text):
        raise Refusal("holds a blank or a control character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Refusal("is not an address", "https://host/path") from None
    if parts.scheme not in ("http", "https"):
        raise Refusal("does not begin with https:// or http://")
    if not parts.hostname or not _is_host(parts.hostname) or port == 0:
        raise Refusal("has no proper host", "https://host/path")
    if parts.fragment:
        raise Refusal("has a `#` part, which is never sent")
    return text


def base_url(text: str) -> str:
    """Return the bank's address without a slash at its end, or refuse it."""
    parts = urlsplit(http_url(text))
    if parts.username is not None or parts.password is not None:
        raise Refusal("holds a user name or password", "calls are signed with the key instead")
    if parts.path not in ("", "/") or parts.query:
        raise Refusal("has a path or a query", f"write `{parts.scheme}://{parts.netloc}`; /v2/ is added")
    return text.rstrip("/")


def is_in_the_clear(url: str) -> bool:
    """Whether an address leads over the network without encryption."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def is_file(path: Path) -> bool:
    """Whether there is a file, as far as this user may look."""
    try:
        return path.is_file()
    except OSError:
        return False


def certificate_chain(certificate: Path, key: Path) -> None:
    """Refuse a certificate and a key that a server cannot use together."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a password of ours, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError, ValueError):
        hint = "both are PEM files, the chain begins with the server's own, and the key has no passphrase"
        raise Refusal("and `key` cannot be used together", hint) from None


def certificates(path: Path) -> None:
    """Refuse a file without certificates in PEM form."""
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        raise Refusal("holds no certificates in PEM form", "they begin with -----BEGIN CERTIFICATE-----") from None


def host(text: str) -> str:
    """Return a host name or an address, or refuse it."""
    if not _is_host(text):
        hint = "the port has a key of its own" if re.fullmatch(r".+:[0-9]+", text) else ""
        raise Refusal(f"`{text[:80]}` is not the name of a host", hint)
    return text


def mail_address(text: str) -> str:
    """Return an address as people write it, `Name <local@host>` or `local@host` (RFC 5322), or refuse it.

    Stricter than what is taken when a mail is sent: a second address before the `<` would count as a name there, and
    its owner would get nothing.
    """
    if any(not character.isprintable() for character in text):
        raise Refusal("holds a line break or a control character")
    address = text.strip()
    if ("<" in address or ">" in address) and not _NAMED.fullmatch(address):
        raise _no_address(text)
    try:
        local = take_apart(address).local
    except ValueError:
        raise _no_address(text) from None
    if len(local) > 64 or "" in local.split("."):
        raise _no_address(text)
    return address


def _no_address(text: str) -> Refusal:
    hint = "name@example.com, or Name <name@example.com>"
    if "," in text:
        hint = "one address each; a name with a comma stands in quotes"
    return Refusal(f"`{text[:80]}` is not a mail address", hint)


def added_path(text: str) -> str:
    """Return a path that a message adds to its receiver's address, or refuse one with which it could leave it.

    A value within it is percent-encoded already: `..`, `.`, `//`, a backslash or a control character are refused
    encoded as well.
    """
    hint = "such as /payments/{{ resource.id }}"
    if len(text) > _MAX_ADDED_PATH:
        raise Refusal(f"is longer than {_MAX_ADDED_PATH} characters")
    if _SCHEME.match(text):
        raise Refusal("is an address of its own, and is added to the channel's", hint)
    # Decoded twice, and each segment without its parameters: some servers do either before they resolve the dots.
    plain = unquote(unquote(text))
    if _CONTROLS.search(plain):
        raise Refusal("holds a backslash or a control character", hint)
    segments = [segment.partition(";")[0] for segment in plain.removeprefix("/").removesuffix("/").split("/")]
    if plain not in ("", "/") and not _DOTS.isdisjoint(segments):
        raise Refusal("has a part that is empty, `.` or `..`", hint)
    return text


def header_name(text: str) -> str:
    """Return the name of a header that a user may set (RFC 9110 §5.1), or refuse it."""
    if not _HEADER_NAME.fullmatch(text):
        raise Refusal(f"`{text[:80]}` is not the name of a header", "letters, digits and `-`, such as X-Kind")
    if text.lower() in _OWN_HEADERS:
        raise Refusal(f"the header `{text}` is set by memonotify itself")
    return text


def header_value(text: str) -> str:
    """Return the value of a header, or refuse it without repeating it."""
    if not _HEADER_VALUE.fullmatch(text):
        raise Refusal("holds a line break, a control character or one beyond ASCII")
    return text


def resource_path(text: str) -> str:
    """Return the API path of a resource type, with `{id}` once, or refuse it."""
    hint = "such as /v2/invoices/{id}"
    if text.count("{id}") != 1:
        raise Refusal(f"`{text[:80]}` needs `{{id}}` once", hint)
    steps = text.replace("{id}", "id").split("/")
    if not _RESOURCE_PATH.fullmatch(text) or "{" in "".join(steps) or ".." in steps or "." in steps:
        raise Refusal(f"`{text[:80]}` is not a path of the bank's API", hint)
    return text


def locale(text: str) -> str:
    """Return a locale that Babel has data for, as `fr_FR`, or refuse it."""
    from babel import Locale, UnknownLocaleError
    from babel.localedata import locale_identifiers

    try:
        return str(Locale.parse(text.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        hint = did_you_mean(text, locale_identifiers()) or "such as fr_FR or en_GB"
        raise Refusal(f"`{text[:80]}` is not a known locale", hint) from None


def timezone(text: str) -> str:
    """Return the name of a time zone of the IANA database, or refuse it."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        hint = did_you_mean(text, sorted(available_timezones())) or "such as Europe/Paris"
        raise Refusal(f"`{text[:80]}` is not a known time zone", hint) from None
    return text


# User and password, one or several hosts (or none: the socket), the database's name, and what libpq lets be added.
_POSTGRES: Final = re.compile(r"(?:[^@/?#\s]*@)?[^@/?#\s]*/[^/?#\s]+(?:\?[^#\s]*)?")


def store_url(text: str, folder: Path) -> str:
    """Return the store's URL, a file in it absolute, or refuse it without repeating it."""
    scheme, separator, rest = text.partition("://")
    hint = "sqlite:///var/memonotify.db, or postgresql://user@host/database"
    if not separator:
        raise Refusal("is not the address of a store", hint)
    if scheme == "postgresql":
        if not _POSTGRES.fullmatch(rest):
            raise Refusal("is no address of a PostgreSQL database", "postgresql://user@host/database")
        return text
    if scheme.partition("+")[0] in ("postgresql", "postgres"):
        raise Refusal("a store on PostgreSQL begins with postgresql://", "postgresql://user@host/database")
    if scheme != "sqlite":
        raise Refusal(f"`{scheme[:40]}` is no kind of store", hint)
    path = rest.removeprefix("/")
    if not rest.startswith("/") or not path or path == ":memory:" or path.endswith("/"):
        raise Refusal("needs a file after sqlite:///", hint)
    if "?" in path or "#" in path or "\0" in path:
        raise Refusal("the store's path cannot hold `?` or `#`", hint)
    return f"sqlite:///{folder / path}"


def _is_host(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return bool(_HOST.fullmatch(text))
    return True
