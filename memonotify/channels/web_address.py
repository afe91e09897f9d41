"""A receiver's web address: checked once, extended by a message's `path`, and its parts that may be credentials.

Comes in: the channel's `url` as a Secret, and per message a path. Goes out: an `httpx.URL` on the same host. The Slack
and the HTTP channel call it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

import httpx

from memonotify.config.checks import Refusal, added_path
from memonotify.errors import Reason, SendError
from memonotify.secret import Secret

# What may stand in a path as it is (RFC 3986 §3.3), and %, so that what a template has encoded stays encoded once.
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
# httpx encodes what no host may hold, so that a slip of the pen would be asked of the resolver.
_NO_HOST = re.compile("%")
_MIN_SEGMENT = 8


def parse_address(secret: Secret) -> httpx.URL:
    """Return the address.

    Raises:
        SendError: CONFIGURATION, where it is not http:// or https:// with a host. The text never shows it.
    """
    try:
        url = httpx.URL(secret.reveal()).copy_with(fragment=None)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise SendError(Reason.CONFIGURATION, "the url is not a web address") from None
    if url.scheme not in {"http", "https"} or not url.host or _NO_HOST.search(url.host):
        raise SendError(Reason.CONFIGURATION, "the url must begin with https:// or http:// and name a host")
    return url


def with_path(url: httpx.URL, path: str) -> httpx.URL:
    """Return `url` with `path` appended to its path; its query stays. `?` and `#` in `path` are encoded.

    Raises:
        SendError: TEMPLATE, where the path could leave the address it is appended to.
    """
    try:
        added_path(path)
    except Refusal as refusal:
        raise SendError(Reason.TEMPLATE, f"`path` {refusal}") from None
    base, mark, query = url.raw_path.partition(b"?")
    appended = quote(_LONE_PERCENT.sub("%25", path.removeprefix("/")), safe=_PATH_SAFE, errors="replace").encode()
    return url.copy_with(raw_path=base.rstrip(b"/") + b"/" + appended + mark + query)


def secrets_of(url: httpx.URL) -> Iterable[str]:
    """Yield the address and what of it may be a credential: path segments, query values, user and password."""
    yield str(url)
    path = url.raw_path.decode("ascii")
    if len(path) >= _MIN_SEGMENT:
        yield path
    yield from (segment for segment in url.path.split("/") if len(segment) >= _MIN_SEGMENT)
    yield from url.params.values()
    if url.userinfo:
        yield url.userinfo.decode("ascii")
        yield url.password
        yield base64.b64encode(_userpass(url)).decode()


def basic_credentials(url: httpx.URL) -> bytes | None:
    """Return the `Authorization` value for the address's user and password (RFC 7617), or None where it has none."""
    return b"Basic " + base64.b64encode(_userpass(url)) if url.userinfo else None


def _userpass(url: httpx.URL) -> bytes:
    return f"{url.username}:{url.password}".encode()
