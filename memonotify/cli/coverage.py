"""`memonotify coverage`: what no rule handles, and what never spoke."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import Moment, config_option, example, json_option, load_all
from memonotify.cli.tables import print_json


@click.command(epilog=example("memonotify coverage", "memonotify coverage --since 30d --json"))
@config_option
@json_option
@click.option("--since", type=Moment(), help="What counts as never: since then. Default: as long as the store keeps.")
def coverage(config_path: Path | None, as_json: bool, since: datetime | None) -> None:
    """Show the event types that no rule handles, the rules that never spoke, and the channels that never delivered.

    Types that came and that no rule handles stand first, with how often they came.
    """
    from memonotify.rules.coverage import covered

    loaded = load_all(config_path, resolve=False)
    config = loaded.config.config
    seen: dict[str, Any] = Reach(config).get(
        "/api/coverage", {"since": since.isoformat() if since else None}, lambda operations: operations.seen(since)
    )
    found = covered(loaded.rules.ruleset, config, seen)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    types = found["event_types"]
    _heading("Event types that no rule handles", types)
    for row in types:
        click.echo(f"  {row['event_type']:<36} {_came(row['count'])}")
    _heading("Rules that never spoke", found["rules"])
    for row in found["rules"]:
        told = [row[name] for name, usual in (("mode", "live"), ("severity", "info")) if row[name] != usual]
        told += row["policies"]
        remark = f" ({', '.join(told)})" if told else ""
        click.echo(f"  {row['rule']}{remark}  {row['file']}:{row['line']}")
    _heading("Channels that never delivered", found["channels"])
    for name in found["channels"]:
        click.echo(f"  {name}")


def _heading(text: str, rows: list[Any]) -> None:
    click.secho(f"{text}: {len(rows) or 'none'}", bold=True)


def _came(count: int) -> str:
    return f"came {count} time{'s' if count != 1 else ''}" if count else "never came"
