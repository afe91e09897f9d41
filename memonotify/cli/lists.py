"""`memonotify events` and `memonotify deliveries`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import Moment, config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json, print_rows
from memonotify.errors import ControlError

_since = click.option("--since", type=Moment(), help="Only those since then: 30m, 2h, 7d, or a date.")
_limit = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at the most."
)


@click.command(epilog=example("memonotify events --since 2h", "memonotify events --state received --json"))
@config_option
@json_option
@click.option("--state", type=click.Choice(["received", "evaluated"]), help="Only those in this state.")
@click.option("--rule", metavar="NAME", help="Only those that made a message of this rule.")
@click.option("--workspace", metavar="NAME", help="Only those of this workspace.")
@_since
@_limit
def events(
    config_path: Path | None,
    as_json: bool,
    state: str | None,
    rule: str | None,
    workspace: str | None,
    since: datetime | None,
    limit: int,
) -> None:
    """List events, newest first."""
    query = {"state": state, "rule": rule, "workspace": workspace, "since": since, "limit": limit}
    rows = _list(config_path, "events", query)
    if as_json:
        print_json(rows)
        return
    columns = ("received_at", "event_type", "workspace", "state", "id")
    print_rows(rows, columns, empty="There are no such events.")


@click.command(
    epilog=example("memonotify deliveries --state dead", "memonotify deliveries --id dlv_ab12cd34ef56gh78ij90kl12")
)
@config_option
@json_option
@click.option(
    "--state",
    type=click.Choice(["pending", "sending", "sent", "dead", "held", "told", "suppressed", "discarded"]),
    help="Only those in this state.",
)
@click.option("--rule", metavar="NAME", help="Only those of this rule.")
@click.option("--channel", metavar="NAME", help="Only those through this channel.")
@click.option("--event", "event_id", metavar="ID", help="Only those of this event.")
@click.option("--silence", metavar="ID", help="Only those that this silence held back.")
@click.option("--id", "delivery_id", metavar="ID", help="This one, with its message and every attempt, as JSON.")
@_since
@_limit
def deliveries(
    config_path: Path | None,
    as_json: bool,
    state: str | None,
    rule: str | None,
    channel: str | None,
    event_id: str | None,
    silence: str | None,
    delivery_id: str | None,
    since: datetime | None,
    limit: int,
) -> None:
    """List deliveries, newest first."""
    if delivery_id is not None:
        _show(config_path, delivery_id)
        return
    query = {
        "state": state,
        "rule": rule,
        "channel": channel,
        "event_id": event_id,
        "silence": silence,
        "since": since,
        "limit": limit,
    }
    rows = _list(config_path, "deliveries", query)
    if as_json:
        print_json(rows)
        return
    print_rows([_waiting(row) for row in rows], _columns(rows), empty="There are no such deliveries.")


def _waiting(row: dict[str, Any]) -> dict[str, Any]:
    waits = row.get("waits") or {}
    return row | {"waits_for": waits.get("policy"), "until_at": waits.get("until")}


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns of a list of deliveries: of waiting and of being told, where some wait or were told."""
    columns = ["created_at", "rule", "channel", "state"]
    if any(row["state"] not in ("held", "told", "suppressed") for row in rows):
        columns += ["attempts", "reason"]
    if any(row.get("waits") for row in rows):
        columns += ["waits_for", "until_at"]
    if any(row.get("told_in") for row in rows):
        columns.append("told_in")
    return [*columns, "id"]


def _list(config_path: Path | None, what: str, filters: dict[str, Any]) -> Any:
    from memonotify.admin.operations import Filters

    config = load_config_only(config_path, resolve=False).config
    since = filters["since"]
    query = filters | {"since": since.isoformat() if since else None}
    return Reach(config).get(f"/api/{what}", query, lambda operations: getattr(operations, what)(Filters(**filters)))


def _show(config_path: Path | None, delivery_id: str) -> None:
    config = load_config_only(config_path, resolve=False).config
    found = Reach(config).get(f"/api/deliveries/{delivery_id}", {}, lambda operations: operations.delivery(delivery_id))
    if found is None:
        raise ControlError("There is no such delivery")
    print_json(found)
