"""`memonotify report`: what a report would say now."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from memonotify.cli.options import Loaded, Moment, config_option, example, json_option, load_all
from memonotify.errors import MemonotifyError

if TYPE_CHECKING:
    from memonotify.model import Clock, NewDelivery
    from memonotify.rules.values import Rule
    from memonotify.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """What a report says: the figures that its messages see, and the messages."""

    data: dict[str, Any]
    messages: tuple[NewDelivery, ...]


@click.command(
    "report",
    epilog=example("memonotify report morning-report", "memonotify report morning-report --html report.html"),
)
@config_option
@json_option
@click.option("--workspace", metavar="NAME", help="Of which workspace. Default: the first that the rule matches.")
@click.option("--at", metavar="MOMENT", type=Moment(), help="As if it were due then. Default: now.")
@click.option(
    "--html", "html_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the first mail's HTML to FILE, its charts within.",
)  # fmt: skip
@click.option("--send", is_flag=True, help="Send the messages, for real.")
@click.argument("rule", metavar="RULE")
def report(
    config_path: Path | None,
    as_json: bool,
    workspace: str | None,
    at: datetime | None,
    html_file: Path | None,
    send: bool,
    rule: str,
) -> None:
    """Show what the report of RULE would say now: the bank and the store are asked, and nothing is sent.

    With --send, its messages are sent. That changes nothing of its schedule: the next one goes out all the same.
    """
    loaded = load_all(config_path, resolve=True)
    found = _rule(loaded, rule)
    shown = asyncio.run(_made(loaded, found, _workspace(loaded, found, workspace), at))
    if html_file is not None:
        _write_html(html_file, shown)
    if as_json:
        click.echo(json.dumps([shown.data], ensure_ascii=False, indent=2))
    else:
        _print(shown)
    if send and not asyncio.run(_send(loaded, shown.messages)):
        raise click.exceptions.Exit(1)


def _rule(loaded: Loaded, name: str) -> Rule:
    from memonotify.config.suggest import did_you_mean
    from memonotify.rules.faults import shown_names

    rules = {rule.name: rule for rule in loaded.rules.ruleset.rules}
    reports = [each.name for each in rules.values() if each.report is not None]
    if name in reports:
        return rules[name]
    what = "no report" if name in rules else "no rule of the configuration"
    raise MemonotifyError(f"{name} is {what} ({did_you_mean(name, reports) or shown_names('reports', reports)})")


def _workspace(loaded: Loaded, rule: Rule, name: str | None) -> str:
    from memonotify.rules.faults import shown_names
    from memonotify.rules.match import fits

    names = [one.name for one in loaded.config.config.workspaces if fits(rule.match.workspace, one.name)]
    if name is None and names:
        return names[0]
    if name is None or name not in names:
        raise MemonotifyError(f"{rule.name} is not of workspace {name} ({shown_names('workspaces', names)})")
    return name


async def _made(loaded: Loaded, rule: Rule, workspace: str, at: datetime | None) -> _Shown:
    from memonotify.clock import SystemClock
    from memonotify.memobank.client import BankClient
    from memonotify.metrics import Metrics
    from memonotify.reports.job import Compiling, period_of

    clock = SystemClock()
    config = loaded.config.config
    facts = config.workspace(workspace)
    api = facts.api if facts is not None else None
    bank = BankClient(workspace, api, clock=clock, metrics=Metrics()) if api is not None else None
    store = await _store(config.store, clock)
    try:
        compiling = Compiling(rule, workspace, bank=bank, store=store, clock=clock, locale=config.locale)
        due_at = at or clock.now()
        period = period_of(compiling.report, due_at, await _last_at(store, rule, workspace, due_at))
        data, days = await compiling.data(await compiling.asked(period), period)
        return _Shown(data=data, messages=await compiling.messages(data, days, due_at))
    finally:
        if bank is not None:
            await bank.close()
        if store is not None:
            await store.close()


async def _store(url: str, clock: Clock) -> Store | None:
    """Return the store, opened to read; None where there is none yet."""
    from memonotify.store.store import Store

    store = Store(url, clock=clock)
    if not store.exists():
        return None
    await store.open(read_only=True)
    return store


async def _last_at(store: Store | None, rule: Rule, workspace: str, due_at: datetime) -> datetime | None:
    for schedule in [] if store is None else await store.schedules():
        if (schedule.rule, schedule.workspace) == (rule.name, workspace) and schedule.last_at is not None:
            return schedule.last_at if schedule.last_at < due_at else None
    return None


def _write_html(path: Path, shown: _Shown) -> None:
    payload = next((one.notification.payload for one in shown.messages if one.notification.payload.get("html")), None)
    if payload is None:
        raise MemonotifyError("the report has no mail with HTML")
    html = str(payload["html"])
    for part in payload.get("inline") or ():
        html = html.replace(f"cid:{part['cid']}", f"data:{part['type']};base64,{part['content']}")
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise MemonotifyError(f"{path}: {error.strerror}") from None


def _print(shown: _Shown) -> None:
    for message in shown.messages:
        notification = message.notification
        click.echo(f"→ {click.style(notification.channel, bold=True)}")
        if notification.render_error:
            click.secho(f"  plain form, because: {notification.render_error}", fg="red")
        for name, value in notification.payload.items():
            _print_field(name, value)
        click.echo()
    if not shown.messages:
        click.echo("No message is due.")


def _print_field(name: str, value: Any) -> None:
    if name == "html":
        click.echo(f"  html: {len(value)} characters; --html FILE writes it")
        return
    if name == "inline":
        for part in value:
            click.echo(f"  inline: {part['name']} ({len(base64.b64decode(part['content']))} bytes)")
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, *rest = text.rstrip().split("\n")
    click.echo(f"  {name}: {first}")
    for line in rest:
        click.echo(f"    {line}".rstrip())


async def _send(loaded: Loaded, messages: tuple[NewDelivery, ...]) -> bool:
    from memonotify.cli.try_ import send_all

    return await send_all(loaded, messages, {})
