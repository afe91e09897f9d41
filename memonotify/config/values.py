"""The configuration as frozen values. Comes from `config.loader`; everything below the loader reads only these.

Sizes are bytes, durations seconds. A `Secret` masks itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, Literal

from memonotify.model import Severity
from memonotify.secret import Secret

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where a server listens: a host and port (0: any free one), or a unix socket's path."""

    host: str = ""
    port: int = 0
    unix: Path | None = None

    def __str__(self) -> str:
        if self.unix is not None:
            return f"unix:{self.unix}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """A certificate chain and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The webhook's listener. `allowed_ips` is None where any caller is allowed; `max_backlog` None: no limit."""

    listen: Listen
    allowed_ips: tuple[Network, ...] | None
    trusted_proxies: tuple[Network, ...] = ()
    tls: Tls | None = None
    body_timeout_s: float = 10.0
    keep_alive_s: float = 15.0
    max_backlog: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The admin listener; without a token its API is closed and only the probes answer."""

    listen: Listen
    token: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BankApi:
    """How a workspace signs its calls to the bank. `base_url` has no path and no slash at the end."""

    base_url: str
    thumbprint: Secret
    secret: Secret
    private_key: Secret
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """One company. `api` is None where its rules never ask the bank."""

    name: str
    tokens: tuple[Secret, ...]
    api: BankApi | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `count` messages in any `per_s` seconds."""

    count: int
    per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """What every channel has: how many messages at once, how fast, and how long one may take."""

    name: str
    type: Literal["email", "slack", "http"]
    concurrency: int
    rate: Rate | None
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig(ChannelConfig):
    """A mail channel. `from_` and the recipients are addresses as a person writes them."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    from_: str
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    reply_to: str = ""
    username: str = ""
    password: Secret | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackConfig(ChannelConfig):
    """A Slack incoming webhook; its address is the credential."""

    url: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig(ChannelConfig):
    """An HTTP receiver. The address and header values may hold credentials, so both are secrets."""

    url: Secret
    method: str = "POST"
    headers: Mapping[str, Secret] = field(default_factory=dict)
    signing_secret: Secret | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a failed notification (and a failed fetch) is tried again, and when it is given up."""

    first_s: float = 5.0
    max_s: float = 900.0
    give_up_after_s: float = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFailure:
    """Who hears of dead letters and failed decisions. `to` replaces the mail channel's recipients."""

    channel: str
    to: tuple[str, ...] = ()


DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A quiet time that comes again: from `start` to `end`, minutes after midnight, on each of `days` (0 is Monday).

    An `end` beyond `DAY_MINUTES` is on the day after the one that the window belongs to. On the closed days of the
    calendars in `holidays`, the window holds for the whole day, whatever day of the week it is. `passes` are the
    severities that it does not keep quiet.
    """

    days: frozenset[int]
    timezone: str
    start: int = 0
    end: int = DAY_MINUTES
    holidays: tuple[str, ...] = ()
    passes: frozenset[Severity] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration. Paths are absolute; `store` is a SQLAlchemy URL with an absolute file."""

    path: Path
    server: Server
    admin: Admin
    store: str
    workspaces: tuple[Workspace, ...]
    locale: str
    timezone: str
    channels: Mapping[str, ChannelConfig]
    retry: Retry
    on_failure: OnFailure | None
    rules: tuple[str, ...]
    templates: Path
    retention_s: float = 90 * 86400.0
    resource_types: Mapping[str, str] = field(default_factory=dict)
    watch: bool = False
    hours: Mapping[str, tuple[Window, ...]] = field(default_factory=dict)

    def workspace(self, name: str) -> Workspace | None:
        """Return the workspace of that name."""
        return next((workspace for workspace in self.workspaces if workspace.name == name), None)
