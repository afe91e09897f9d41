"""The other sections of the configuration, a mapping in and a frozen value out. Called by `config.loader`."""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from memonotify.config import checks
from memonotify.config.addresses import ANY, named_networks, parse_listen, parse_network
from memonotify.config.channels import read_pem_path
from memonotify.config.durations import format_duration
from memonotify.config.fields import Fields, named
from memonotify.config.references import Resolved
from memonotify.config.suggest import did_you_mean
from memonotify.config.testfiles import is_test_file
from memonotify.config.values import (
    Admin,
    BankApi,
    ChannelConfig,
    EmailConfig,
    Listen,
    Network,
    OnFailure,
    Retry,
    Server,
    Tls,
    Workspace,
)
from memonotify.secret import Secret

MIN_RETENTION_S: Final = 90 * 86400.0
"""One event id per workspace is evaluated once for at least so long, so events are kept for at least so long."""

_SERVER: Final = Listen(host="127.0.0.1", port=8080)
_ADMIN: Final = Listen(host="127.0.0.1", port=9280)
_BANK: Final = "https://api.memo.bank"


def read_server(fields: Fields, folder: Path) -> Server:
    """Return the webhook's listener."""
    tls = fields.child("tls")
    certificate, key = (read_pem_path(tls, name, folder) for name in ("certificate", "key"))
    if certificate and key and tls.source.references.must_resolve:
        try:
            checks.certificate_chain(certificate, key)
        except checks.Refusal as refusal:
            tls.problem("certificate", f"`certificate` {refusal}", refusal.hint)
    return Server(
        listen=fields.parsed("listen", lambda text: parse_listen(text, folder), _SERVER),
        allowed_ips=_allowed(fields),
        trusted_proxies=_proxies(fields),
        tls=Tls(certificate=certificate, key=key) if certificate and key else None,
        body_timeout_s=fields.duration("body_timeout", 10.0),
        keep_alive_s=fields.duration("keep_alive", 15.0),
        max_backlog=fields.integer("max_backlog", 0) or None,
    )


def read_admin(fields: Fields, folder: Path, server: Server) -> Admin:
    """Return the admin listener, which cannot share the webhook's address."""
    listen = fields.parsed("listen", lambda text: parse_listen(text, folder), _ADMIN)
    is_any_free_one = listen.unix is None and listen.port == 0
    if listen == server.listen and not is_any_free_one:
        fields.problem("listen", f"`listen`: {listen} is where the webhook listens", "the two need an address each")
    return Admin(listen=listen, token=fields.secret("token", checks.token))


def read_workspaces(fields: Fields) -> tuple[Workspace, ...]:
    """Return the workspaces that have a name; one with problems elsewhere is among them."""
    found: dict[str, Workspace] = {}
    tokens: dict[str, str] = {}
    for workspace in fields.children("workspaces"):
        name = workspace.raw("name")
        mine = _tokens(workspace, name or "", tokens)
        api = _api(workspace.child("api")) if workspace.has("api") else None
        if name in found:
            workspace.problem("name", f"there are two workspaces `{name}`", "a name stands for one company")
        elif name is not None:
            found[name] = Workspace(name=name, tokens=mine, api=api)
    return tuple(found.values())


def read_retry(fields: Fields) -> Retry:
    """Return when to try again; the waits have to fit into each other."""
    retry = Retry(
        first_s=fields.duration("first", 5.0),
        max_s=fields.duration("max", 900.0),
        give_up_after_s=fields.duration("give_up_after", 86400.0),
    )
    if retry.first_s > retry.max_s:
        name = "first" if fields.has("first") else "max"
        fields.problem(name, f"`{name}`: the first wait is longer than the longest", _waits(retry))
    elif retry.first_s > retry.give_up_after_s:
        name = "give_up_after" if fields.has("give_up_after") else "first"
        fields.problem(name, f"`{name}`: it is given up before it is tried again", _waits(retry))
    return retry


def read_on_failure(fields: Fields, channels: Mapping[str, ChannelConfig], written: list[str]) -> OnFailure | None:
    """Return who hears of failures. `written` are the names of all channels, also of those that are broken."""
    to = fields.texts("to", checks.mail_address)
    name = fields.raw("channel")
    if name is None:
        return None
    channel = channels.get(name)
    if not written:
        # `channels` itself is missing, and that has been told.
        return None
    if name not in written:
        hint = did_you_mean(name, written) or ("channels are " + ", ".join(f"`{known}`" for known in written[:8]))
        fields.problem("channel", f"there is no channel `{name}`", hint)
    elif isinstance(channel, EmailConfig):
        if not channel.to and not channel.cc and not fields.has("to"):
            fields.problem("channel", f"`{name}` has no recipients of its own", "name them here with `to`")
    elif channel is not None and fields.has("to"):
        fields.problem("to", f"`to` is for mail, and `{name}` is of type {channel.type}", "remove it", key=True)
    return OnFailure(channel=name, to=to)


def read_rules(fields: Fields, folder: Path, *, may_be_gone: bool) -> tuple[str, ...]:
    """Return the globs of the rule files, without those that are a problem: a path to nothing, or globs that match
    no rule file where nothing else gives rules, unless all `may_be_gone`. Otherwise a glob that matches nothing is a
    note; one that matches files of tests is none.
    """
    patterns: list[str] = []
    ruleless: dict[int, str] = {}
    empty: dict[int, str] = {}
    for index, resolved in fields.items("rules"):
        pattern = resolved.text
        if resolved.is_known:
            if not glob.has_magic(pattern) and not checks.is_file(folder / pattern):
                fields.problem(("rules", index), f"{named(('rules', index))}: there is no file `{pattern}`")
                continue
            files = _matching(pattern, folder)
            if not files:
                empty[index] = pattern
            if all(is_test_file(file) for file in files):
                ruleless[index] = pattern
        patterns.append(pattern)
    if may_be_gone or len(ruleless) < len(patterns):
        for index, pattern in empty.items():
            fields.note(("rules", index), f"no file matches `{pattern}`")
        return tuple(patterns)
    for index, pattern in ruleless.items():
        hint = f"looked for in {folder}; at least one file must be there"
        fields.problem(("rules", index), f"no rule files match `{pattern}`", hint)
    return ()


def _matching(pattern: str, folder: Path) -> list[str]:
    if not glob.has_magic(pattern):
        return [pattern]
    # Path.glob takes no absolute pattern, and these may be.
    return glob.glob(str(Path(glob.escape(str(folder))) / pattern), recursive=True)  # noqa: PTH207


def read_resource_types(fields: Fields) -> Mapping[str, str]:
    """Return the API paths of further resource types."""
    paths = {name: fields.text(name, checks.resource_path) for name in fields.names()}
    return MappingProxyType({name: path for name, path in paths.items() if path})


def read_retention(fields: Fields) -> float:
    """Return for how many seconds events are kept."""
    seconds = fields.duration("retention", MIN_RETENTION_S)
    if seconds < MIN_RETENTION_S:
        message = f"`retention` must be at least {format_duration(MIN_RETENTION_S)}"
        fields.problem("retention", message, "an event's id must be known for so long")
    return seconds


def _waits(retry: Retry) -> str:
    waits = (("first", retry.first_s), ("max", retry.max_s), ("give_up_after", retry.give_up_after_s))
    return ", ".join(f"{name} is {format_duration(seconds)}" for name, seconds in waits)


def _allowed(fields: Fields) -> tuple[Network, ...] | None:
    if fields.raw("allowed_ips") is None:
        return named_networks("memo-bank")
    items = list(fields.items("allowed_ips"))
    if any(resolved.text == ANY for _, resolved in items):
        if len(items) > 1:
            index = next(index for index, resolved in items if resolved.text == ANY)
            fields.problem(("allowed_ips", index), f"`{ANY}` stands alone", "remove it, or the others")
        return None
    found: list[Network] = []
    for index, resolved in items:
        if resolved.is_known:
            found += named_networks(resolved.text) or _network(fields, "allowed_ips", index, resolved)
    return tuple(found)


def _proxies(fields: Fields) -> tuple[Network, ...]:
    found: list[Network] = []
    for index, resolved in fields.items("trusted_proxies"):
        if resolved.is_known:
            networks = _network(fields, "trusted_proxies", index, resolved)
            if any(network.prefixlen == 0 for network in networks):
                fields.note(("trusted_proxies", index), "every caller may claim to come from any address")
            found += networks
    return tuple(found)


def _network(fields: Fields, name: str, index: int, resolved: Resolved) -> list[Network]:
    try:
        return [parse_network(resolved.text)]
    except checks.Refusal as refusal:
        fields.refuse((name, index), refusal, resolved)
        return []


def _tokens(workspace: Fields, name: str, seen: dict[str, str]) -> tuple[Secret, ...]:
    """Return a workspace's tokens. `seen` knows whose each one is: the same for two companies would mix them up."""
    mine: list[Secret] = []
    for index, resolved in workspace.items("tokens"):
        if resolved.is_known:
            try:
                checks.token(resolved.text)
            except checks.Refusal as refusal:
                workspace.refuse(("tokens", index), refusal, resolved)
                continue
            owner = seen.setdefault(resolved.text, name)
            if owner and owner != name:
                message = f"{named(('tokens', index))}: workspace `{owner}` has the same token"
                workspace.problem(("tokens", index), message, "each workspace needs a token of its own")
        secret = Secret(resolved.text)
        if secret in mine:
            workspace.note(("tokens", index), "the same token stands here twice")
        else:
            mine.append(secret)
    return tuple(mine)


def _api(fields: Fields) -> BankApi:
    url = fields.text("base_url", checks.base_url, _BANK)
    if checks.is_in_the_clear(url):
        fields.note("base_url", "calls to the bank go over the network in the clear", "use https://")
    return BankApi(
        base_url=url,
        thumbprint=_credential(fields, "thumbprint", checks.token),
        secret=_credential(fields, "secret", checks.printable),
        private_key=_credential(fields, "private_key", checks.private_key),
        timeout_s=fields.duration("timeout", 10.0),
    )


def _credential(fields: Fields, name: str, check: Callable[[str], str]) -> Secret:
    return fields.secret(name, check) or Secret("")
