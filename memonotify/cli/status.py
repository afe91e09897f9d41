"""`memonotify status`: one screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.moments import Moments
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json, print_rows


@click.command(epilog=example("memonotify status", "memonotify status --json"))
@config_option
@json_option
def status(config_path: Path | None, as_json: bool) -> None:
    """Show whether all is well and why not, the backlog, the channels and the last event.

    Exits with 1 where something is not well.
    """
    config = load_config_only(config_path, resolve=False).config
    data: dict[str, Any] = Reach(config).get("/api/status", {}, lambda operations: operations.status())
    if as_json:
        print_json(data)
    else:
        _print(data, config.timezone)
    if not data["well"]:
        raise click.exceptions.Exit(1)


def _print(data: dict[str, Any], timezone: str) -> None:
    if data["well"]:
        click.secho("All is well.", fg="green", bold=True)
    else:
        click.secho("Not well:", fg="red", bold=True)
        for reason in data["reasons"]:
            click.echo(f"  - {reason}")
    if data["running"]:
        click.echo(f"Version     {data['version']}, since {data['started_at']}")
        click.echo(f"Webhook     {data['webhook']}")
        click.echo(f"Admin       {data['admin']}")
        click.echo(f"Rules       {data['rules']}")
        for workspace in data["workspaces"]:
            click.echo(f"Bank        {workspace['name']}: clock {workspace['clock_offset_s']:+.1f} s")
    click.echo(f"Backlog     {data['backlog']}")
    click.echo(f"Last event  {data['last_event_at'] or 'none yet'}")
    if data["held"]:
        at = data["next_due_at"]
        next_at = f", the next goes on {Moments(timezone, at).full(at)} ({timezone})" if at else ""
        click.echo(f"Waiting     {data['held']} held by policies{next_at}: memonotify deliveries --state held")
    if data["silences"]:
        click.echo(f"Silences    {data['silences']} in force: memonotify silence list")
    click.echo("")
    columns = ("name", "type", "breaker", "pending", "held", "sent", "dead", "last_sent_at", "last_reason")
    print_rows(data["channels"], columns, empty="The configuration has no channels.")
