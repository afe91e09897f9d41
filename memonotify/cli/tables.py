"""Tables and JSON on the terminal, for the commands that list."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import click

from memonotify.cli.visible import json_visible

_COLOURS: Final = {
    "sent": "green",
    "evaluated": "green",
    "closed": "green",
    "pending": "yellow",
    "sending": "yellow",
    "received": "yellow",
    "half-open": "yellow",
    "held": "yellow",
    "alive": "green",
    "gone": "red",
    "dead": "red",
    "open": "red",
}


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    click.echo(json_visible(json.dumps(data, ensure_ascii=False, indent=2)))


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Print rows as a table as wide as the terminal; on a pipe whole, with tabs between the columns."""
    if not rows:
        click.echo(empty, err=True)
        return
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join(_plain(row.get(column)) for column in columns))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        narrow = column in ("state", "attempts", "breaker", "type", "pending", "sent", "dead")
        table.add_column(column.removesuffix("_at").replace("_", " "), overflow="fold", no_wrap=narrow)
    for row in rows:
        table.add_row(
            *(Text(_short(row.get(column)), style=_COLOURS.get(str(row.get(column)), "")) for column in columns)
        )
    Console().print(table)


def _plain(value: Any) -> str:
    return "" if value is None else str(value).replace("\t", " ").replace("\n", " ")


def _short(value: Any) -> str:
    """Return a moment as local time to the second, anything else as it is."""
    text = _plain(value)
    if len(text) >= 20 and text[10:11] == "T":
        try:
            return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            return text
    return text
