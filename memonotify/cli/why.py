"""`memonotify why`: why an event did or did not lead to messages, and why a rule stayed silent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import Moment, config_option, example, json_option, load_config_only, read_all
from memonotify.cli.tables import print_json
from memonotify.cli.trees import print_tree
from memonotify.errors import NotFound

if TYPE_CHECKING:
    from memonotify.admin.known import Known
    from memonotify.admin.operations import Operations
    from memonotify.config.values import Config

_SINCE: Final = timedelta(days=7)
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


@click.command(epilog=example("memonotify why 7f9c2a", "memonotify why --rule big-incoming-payment --since 7d"))
@config_option
@json_option
@click.option("--rule", metavar="NAME", help="This rule alone; without an event, why it stayed silent.")
@click.option("--workspace", metavar="NAME", help="Whose event it is, where several have one of that id.")
@click.option("--since", type=Moment(), help="With a rule alone: since when. Default: 7d.")
@click.option("--fetch", is_flag=True, help="Ask the bank what it says now, and tell what has changed.")
@click.option("--all", "unfold", is_flag=True, help="A line for each silent rule and each try.")
@click.argument("event_id", required=False)
def why(
    config_path: Path | None,
    as_json: bool,
    rule: str | None,
    workspace: str | None,
    since: datetime | None,
    fetch: bool,
    unfold: bool,
    event_id: str | None,
) -> None:
    """Tell why the event EVENT_ID did or did not lead to messages: what was fetched, what each rule concluded, and each
    try to send. The beginning of an id will do.

    With --rule in place of EVENT_ID: how often the rule looked, spoke and stayed silent, and why.
    """
    if event_id is None and rule is None:
        raise click.UsageError("Name an event, or a rule with --rule.")
    if event_id is not None and since is not None:
        raise click.UsageError("--since is for a rule alone, without EVENT_ID.")
    if event_id is None and (fetch or unfold):
        raise click.UsageError(f"{'--fetch' if fetch else '--all'} is for an event: name its EVENT_ID.")
    config = load_config_only(config_path, resolve=False).config
    asked = _Asked(config, config_path)
    if event_id is not None:
        _show_event(asked, event_id, rule, workspace, fetch=fetch, unfold=unfold, as_json=as_json)
    elif rule is not None:
        _show_rule(asked, rule, workspace, since or datetime.now(UTC) - _SINCE, as_json=as_json)


class _Asked:
    """Asks the daemon, or where none runs the store, with what the files say."""

    def __init__(self, config: Config, config_path: Path | None) -> None:
        self.config = config
        self._config_path = config_path

    def event(self, event_id: str, *, rule: str | None, workspace: str | None, fetch: bool) -> Any:
        async def direct(operations: Operations) -> Any:
            async with self._known(fetch=fetch) as known:
                return await operations.why_event(event_id, workspace=workspace, rule=rule, fetch=fetch, known=known)

        query = {"rule": rule, "workspace": workspace, "fetch": "true" if fetch else None}
        return Reach(self.config).get(f"/api/events/{event_id}/why", query, direct)

    def rule(self, name: str, *, workspace: str | None, since: datetime) -> Any:
        async def direct(operations: Operations) -> Any:
            async with self._known(fetch=False) as known:
                return await operations.why_rule(name, since=since, workspace=workspace, known=known)

        query = {"workspace": workspace, "since": since.isoformat()}
        return Reach(self.config).get(f"/api/rules/{quote(name, safe='')}/why", query, direct)

    @asynccontextmanager
    async def _known(self, *, fetch: bool) -> AsyncIterator[Known]:
        """What the daemon would know: the rules from their files, and where it is to be asked, the bank."""
        from memonotify.admin.known import Known

        loaded = read_all(self._config_path, resolve=False).loaded
        if loaded is None:
            click.echo("The rules are wrong, so what they look at now is not told: memonotify check", err=True)
        banks = self._banks() if fetch else {}
        try:
            yield Known(
                rules=loaded.rules.ruleset if loaded is not None else None,
                banks=banks,
                resource_types=self.config.resource_types,
            )
        finally:
            for bank in banks.values():
                await bank.close()

    def _banks(self) -> dict[str, Any]:
        from memonotify.clock import SystemClock
        from memonotify.memobank.client import BankClient
        from memonotify.metrics import Metrics

        config = load_config_only(self._config_path, resolve=True).config
        clock, metrics = SystemClock(), Metrics()
        return {
            workspace.name: BankClient(workspace.name, workspace.api, clock=clock, metrics=metrics)
            for workspace in config.workspaces
            if workspace.api is not None
        }


def _show_event(
    asked: _Asked, event_id: str, rule: str | None, workspace: str | None, *, fetch: bool, unfold: bool, as_json: bool
) -> None:
    from memonotify.cli.whytree import Telling, event_tree

    if not _EVENT_ID.fullmatch(event_id):
        raise NotFound("an event's id is 1 to 128 letters, digits, _ and -; memonotify events lists them")
    story = asked.event(event_id, rule=rule, workspace=workspace, fetch=fetch)
    if as_json:
        print_json(story)
        return
    telling = Telling(
        timezone=asked.config.timezone, recipients=_recipients(asked.config), unfold=unfold, about=rule or ""
    )
    print_tree(event_tree(story, telling))


def _show_rule(asked: _Asked, rule: str, workspace: str | None, since: datetime, *, as_json: bool) -> None:
    from memonotify.cli.unspokentree import rule_tree

    counts = asked.rule(rule, workspace=workspace, since=since)
    if as_json:
        print_json(counts)
    else:
        print_tree(rule_tree(counts, timezone=asked.config.timezone))


def _recipients(config: Config) -> dict[str, tuple[str, ...]]:
    from memonotify.config.values import EmailConfig

    return {name: one.to for name, one in config.channels.items() if isinstance(one, EmailConfig)}
