"""`memonotify retry` and `memonotify discard`: what becomes of dead letters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json

_dead = click.option("--dead", is_flag=True, help="All dead letters, narrowed by --rule and --channel.")
_rule = click.option("--rule", metavar="NAME", help="With --dead: only those of this rule.")
_channel = click.option("--channel", metavar="NAME", help="With --dead: only those through this channel.")
_ids = click.argument("ids", nargs=-1, metavar="ID…")


@click.command(epilog=example("memonotify retry dlv_ab12cd34ef56gh78ij90kl12", "memonotify retry --dead --channel erp"))
@config_option
@json_option
@_dead
@_rule
@_channel
@_ids
def retry(
    config_path: Path | None, as_json: bool, dead: bool, rule: str | None, channel: str | None, ids: tuple[str, ...]
) -> None:
    """Send dead letters again: those named, or all of them with --dead. Their time to give up starts anew."""
    _change(
        "retry",
        "will be sent again",
        config_path,
        as_json,
        {"ids": ids, "dead": dead, "rule": rule, "channel": channel},
    )


@click.command(epilog=example("memonotify discard dlv_ab12cd34ef56gh78ij90kl12", "memonotify discard --dead --yes"))
@config_option
@json_option
@_dead
@_rule
@_channel
@click.option("--yes", is_flag=True, help="With --dead: do not ask.")
@_ids
def discard(
    config_path: Path | None,
    as_json: bool,
    dead: bool,
    rule: str | None,
    channel: str | None,
    yes: bool,
    ids: tuple[str, ...],
) -> None:
    """Give dead letters up: those named, or all of them with --dead. They stay listed as discarded."""
    if dead and not yes:
        click.confirm("Give up all these dead letters?", abort=True, err=True)
    _change("discard", "given up", config_path, as_json, {"ids": ids, "dead": dead, "rule": rule, "channel": channel})


def _change(what: str, done: str, config_path: Path | None, as_json: bool, selection: dict[str, Any]) -> None:
    ids = selection["ids"]
    if bool(ids) == selection["dead"]:
        raise click.UsageError("Name the deliveries, or say --dead for all dead letters.")
    if ids and (selection["rule"] or selection["channel"]):
        raise click.UsageError("--rule and --channel go with --dead.")
    config = load_config_only(config_path, resolve=False).config
    body = selection | {"ids": list(ids)}
    answer = Reach(config).post(
        f"/api/deliveries/{what}", body, lambda operations: _direct(getattr(operations, what), body)
    )
    changed = answer["ids"]
    if as_json:
        print_json([{"id": one} for one in changed])
    else:
        click.echo(f"{len(changed)} deliver{'y' if len(changed) == 1 else 'ies'} {done}.")
    missed = [one for one in ids if one not in changed]
    for one in missed:
        click.echo(f"{one} is not a dead letter.", err=True)
    if missed:
        raise click.exceptions.Exit(1)


async def _direct(operation: Any, body: dict[str, Any]) -> dict[str, list[str]]:
    return {"ids": await operation(**body)}
