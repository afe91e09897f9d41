"""`memonotify retry`, `discard` and `release`: what becomes of dead letters, and of messages that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.moments import Moments
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json
from memonotify.errors import ControlError

_ALL: Final = {"dead": "dead letters", "held": "that wait"}

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
    """Give deliveries up: those named, dead or waiting, or with --dead all dead letters. They stay listed as discarded.

    One that waits leaves the group that it waits in.
    """
    if dead and not yes:
        click.confirm("Give up all these dead letters?", abort=True, err=True)
    _change("discard", "given up", config_path, as_json, {"ids": ids, "dead": dead, "rule": rule, "channel": channel})


@click.command(epilog=example("memonotify release dlv_ab12cd34ef56gh78ij90kl12", "memonotify release --held --yes"))
@config_option
@json_option
@click.option("--held", is_flag=True, help="All that wait but escalations, narrowed by --rule and --channel.")
@click.option("--rule", metavar="NAME", help="With --held: only those of this rule.")
@click.option("--channel", metavar="NAME", help="With --held: only those through this channel.")
@click.option("--yes", is_flag=True, help="With --held: do not ask.")
@_ids
def release(
    config_path: Path | None,
    as_json: bool,
    held: bool,
    rule: str | None,
    channel: str | None,
    yes: bool,
    ids: tuple[str, ...],
) -> None:
    """Send messages that wait now: those named, or all of them with --held. Each goes as it was made, past the
    policies, silences and quiet hours that are still ahead of it.
    """
    if held and not yes:
        click.confirm("Send all that wait now?", abort=True, err=True)
    _change(
        "release",
        "will be sent now",
        config_path,
        as_json,
        {"ids": ids, "held": held, "rule": rule, "channel": channel},
        all_of="held",
    )


def _change(
    what: str, done: str, config_path: Path | None, as_json: bool, selection: dict[str, Any], *, all_of: str = "dead"
) -> None:
    ids = selection["ids"]
    if bool(ids) == selection[all_of]:
        raise click.UsageError(f"Name the deliveries, or say --{all_of} for all {_ALL[all_of]}.")
    if ids and (selection["rule"] or selection["channel"]):
        raise click.UsageError(f"--rule and --channel go with --{all_of}.")
    config = load_config_only(config_path, resolve=False).config
    reach = Reach(config)
    body = selection | {"ids": list(ids)}
    answer = reach.post(f"/api/deliveries/{what}", body, lambda operations: _direct(getattr(operations, what), body))
    changed = answer["ids"]
    if as_json:
        print_json([{"id": one} for one in changed])
    else:
        click.echo(f"{len(changed)} deliver{'y' if len(changed) == 1 else 'ies'} {done}.")
    missed = [one for one in ids if one not in changed]
    for one in missed:
        click.echo(_why_not(what, one, _found(reach, one), config.timezone), err=True)
    if missed:
        raise click.exceptions.Exit(1)


def _found(reach: Reach, delivery_id: str) -> Any:
    """Return the delivery of that id as it is now, None where there is none."""
    try:
        path = f"/api/deliveries/{quote(delivery_id, safe='')}"
        return reach.get(path, {}, lambda operations: operations.delivery(delivery_id))
    except ControlError:
        return None


def _why_not(what: str, name: str, row: Any, timezone: str) -> str:
    """Say why a delivery was left as it is, and what can be done with it."""
    if row is None:
        return f"There is no delivery {name}."
    fault = f"{name} {'does not wait' if what == 'release' else 'is not a dead letter'}"
    match row["state"]:
        case "held" if row["waits"] is not None:
            until = row["waits"]["until"]
            return (
                f"{fault}: it waits for {row['waits']['policy']} until {Moments(timezone, until).full(until)}; "
                f"memonotify release {name} sends it now."
            )
        case "told":
            return f"{fault}: it was told in {row['told_in']}."
        case "suppressed":
            return f"{fault}: it was suppressed ({row['detail']}); memonotify replay {row['event_id']} may send it."
        case "dead":
            return f"{fault}: it is a dead letter; memonotify retry {name} sends it again."
        case "sent":
            return f"{fault}: it was sent."
        case "discarded":
            return f"{fault}: it was given up."
    return f"{fault}: it is about to be sent."


async def _direct(operation: Any, body: dict[str, Any]) -> dict[str, list[str]]:
    return {"ids": await operation(**body)}
