"""`memonotify doctor`: is everything that memonotify depends on well, and if not, what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json

if TYPE_CHECKING:
    from memonotify.config.values import Config
    from memonotify.doctor.findings import Finding

_COLOURS = {"ok": "green", "doubtful": "yellow", "ill": "red", "unknown": "cyan"}
_LAST_EVENTS = 50


@click.command(epilog=example("memonotify doctor", "memonotify doctor --json"))
@config_option
@json_option
def doctor(config_path: Path | None, as_json: bool) -> None:
    """Look at the clock, the bank's credentials, mail servers, Slack, receivers, the store, the disk and the proxy.

    Says of each that it is well, or what to do. Sends nothing, changes nothing, and works while the daemon runs. Exits
    with 1 where something is ill.
    """
    config = load_config_only(config_path, resolve=True).config
    findings = asyncio.run(_examined(config, _host(config), quiet=as_json))
    if as_json:
        print_json([finding.json() for finding in findings])
    if any(finding.health == "ill" for finding in findings):
        raise click.exceptions.Exit(1)


def _host(config: Config) -> list[Finding]:
    """Look at what the daemon, or the store where none runs, can say."""
    from memonotify.doctor import host
    from memonotify.errors import MemonotifyError

    reach = Reach(config)
    try:
        status: dict[str, Any] = reach.get("/api/status", {}, lambda operations: operations.status())
        events: list[dict[str, Any]] = reach.get("/api/events", {"limit": _LAST_EVENTS}, _last_events)
    except MemonotifyError as error:
        return [host.store("", str(error))]
    broken = next((reason for reason in status["reasons"] if reason.startswith("the store cannot")), "")
    return [
        *host.daemon(status),
        host.store(status.get("store") or config.store.partition("@")[2] or config.store, broken),
        *host.disk(status.get("free_bytes")),
        host.proxy([event["client"] for event in events if event["client"]], config.server.trusted_proxies),
    ]


async def _last_events(operations: Any) -> Any:
    from memonotify.admin.operations import Filters

    return await operations.events(Filters(limit=_LAST_EVENTS))


async def _examined(config: Config, host: list[Finding], *, quiet: bool) -> list[Finding]:
    found: list[Finding] = []
    for finding in host:
        found.append(finding)
        if not quiet:
            _print(finding)
    async for finding in _outside(config):
        found.append(finding)
        if not quiet:
            _print(finding)
    return found


async def _outside(config: Config) -> AsyncIterator[Finding]:
    from memonotify.channels.registry import build
    from memonotify.clock import SystemClock
    from memonotify.doctor import bank, receivers
    from memonotify.doctor.findings import Finding, Health, todo_for
    from memonotify.errors import SendError
    from memonotify.memobank.client import BankClient
    from memonotify.metrics import Metrics

    clock, metrics = SystemClock(), Metrics()
    for workspace in config.workspaces:
        if workspace.api is None:
            continue
        client = BankClient(workspace.name, workspace.api, clock=clock, metrics=metrics)
        try:
            for finding in await bank.examine(workspace.name, client):
                yield finding
        finally:
            await client.close()
    for name, settings in config.channels.items():
        try:
            channel = build(settings, clock=clock, metrics=metrics)
        except SendError as error:
            yield Finding(what=f"channel {name}", health=Health.ILL, seen=str(error), todo=todo_for(error.reason))
            continue
        try:
            yield await receivers.examine(channel)
        finally:
            await channel.close()


def _print(finding: Finding) -> None:
    click.echo(click.style(f"{finding.health:<9}", fg=_COLOURS[finding.health], bold=True) + f" {finding.what}")
    click.echo(f"          {finding.seen}")
    if finding.todo:
        click.echo(f"          → {finding.todo}")
