"""The `channels:` of the configuration: a name and its mapping in, a ChannelConfig out. Called by `config.loader`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, TypedDict, cast

from memonotify.config import checks
from memonotify.config.fields import Fields
from memonotify.config.suggest import closest
from memonotify.config.values import ChannelConfig, EmailConfig, HttpConfig, Rate, SlackConfig
from memonotify.secret import Secret

ChannelType = Literal["email", "slack", "http"]
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
_NOWHERE: Final = Secret("https://unknown.invalid")
_SOMEBODY: Final = "unknown@unknown.invalid"


class _Common(TypedDict):
    name: str
    type: ChannelType
    concurrency: int
    rate: Rate | None
    timeout_s: float


def read_channels(fields: Fields, folder: Path) -> Mapping[str, ChannelConfig]:
    """Return every channel whose kind can be told, also one with problems, so that rules can be held against it."""
    channels = {}
    for name in fields.names():
        channel = fields.child(name)
        # What a mistyped type is close to is the best guess there is; it has been reported already.
        kind = channel.raw("type") or closest(str(channel.written("type") or ""), _READERS)
        if isinstance(fields.raw(name), dict) and kind in _READERS:
            channels[name] = _READERS[kind](name, channel, folder)
    return MappingProxyType(channels)


def _email(name: str, fields: Fields, folder: Path) -> EmailConfig:
    security = cast("Literal['starttls', 'tls', 'none']", fields.raw("security") or "starttls")
    host = fields.text("host", checks.host)
    password = fields.secret("password", checks.printable)
    username = fields.text("username", checks.printable)
    for given, other in (("username", "password"), ("password", "username")):
        if fields.has(given) and not fields.has(other):
            fields.problem(given, f"`{given}` needs `{other}` beside it", key=True)
    if password is not None and security == "none" and host and not checks.is_loopback(host):
        fields.note("security", "the password goes over the network in the clear", "use starttls or tls")
    return EmailConfig(
        **_common(name, fields, "email", concurrency=2, timeout_s=30.0),
        host=host,
        port=fields.integer("port", _PORTS[security]),
        security=security,
        from_=fields.text("from", checks.mail_address),
        to=_recipients("to", fields),
        cc=_recipients("cc", fields),
        reply_to=fields.text("reply_to", checks.mail_address),
        username=username,
        password=password,
        ca_file=_ca_file(fields, folder),
    )


def _recipients(name: str, fields: Fields) -> tuple[str, ...]:
    """Return the addresses under a key; somebody where all of them are wrong, so that no rule seems to lack any."""
    found = fields.texts(name, checks.mail_address)
    return (_SOMEBODY,) if fields.has(name) and not found else found


def _slack(name: str, fields: Fields, folder: Path) -> SlackConfig:  # noqa: ARG001 - one signature for all kinds
    return SlackConfig(
        **_common(name, fields, "slack", concurrency=1, timeout_s=10.0, rate=Rate(count=1, per_s=1.0)),
        url=_url(fields),
    )


def _http(name: str, fields: Fields, folder: Path) -> HttpConfig:
    return HttpConfig(
        **_common(name, fields, "http", concurrency=8, timeout_s=10.0),
        url=_url(fields),
        method=fields.raw("method") or "POST",
        headers=_headers(fields.child("headers")),
        signing_secret=fields.secret("signing_secret", checks.signing_secret),
        ca_file=_ca_file(fields, folder),
    )


def _common(
    name: str, fields: Fields, kind: ChannelType, *, concurrency: int, timeout_s: float, rate: Rate | None = None
) -> _Common:
    limit = fields.child("rate")
    if limit.names():
        rate = Rate(count=limit.integer("count", 1), per_s=limit.duration("per", 1.0))
    return _Common(
        name=name,
        type=kind,
        concurrency=fields.integer("concurrency", concurrency),
        rate=rate,
        timeout_s=fields.duration("timeout", timeout_s),
    )


def _url(fields: Fields) -> Secret:
    url = fields.secret("url", checks.http_url)
    if url is not None and checks.is_in_the_clear(url.reveal()):
        fields.note("url", "messages go over the network in the clear", "use https://")
    return url or _NOWHERE


def _headers(fields: Fields) -> Mapping[str, Secret]:
    headers: dict[str, Secret] = {}
    seen: dict[str, str] = {}
    for name in fields.names():
        try:
            checks.header_name(name)
        except checks.Refusal as refusal:
            fields.problem(name, str(refusal), refusal.hint, key=True)
            continue
        if name.lower() in seen:
            message = f"the header `{name}` stands here twice"
            fields.problem(name, message, f"it is the same as `{seen[name.lower()]}`", key=True)
            continue
        seen[name.lower()] = name
        value = fields.secret(name, checks.header_value)
        if value is not None:
            headers[name] = value
    return MappingProxyType(headers)


def read_pem_path(fields: Fields, name: str, folder: Path) -> Path | None:
    """Return the absolute path of a PEM file; one that is not there is a problem where references must resolve."""
    text = fields.text(name, checks.printable)
    if not text:
        return None
    path = folder / text
    if fields.source.references.must_resolve and not checks.is_file(path):
        fields.problem(name, f"`{name}`: there is no file `{fields.raw(name)}`")
        return None
    return path


def _ca_file(fields: Fields, folder: Path) -> Path | None:
    path = read_pem_path(fields, "ca_file", folder)
    if path is not None and fields.source.references.must_resolve:
        try:
            checks.certificates(path)
        except checks.Refusal as refusal:
            fields.problem("ca_file", f"`ca_file` {refusal}", refusal.hint)
    return path


_READERS: Final[Mapping[str, Callable[[str, Fields, Path], ChannelConfig]]] = MappingProxyType(
    {"email": _email, "slack": _slack, "http": _http}
)
