"""`memonotify nodes`: the daemons on a store that several share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json, print_rows

_COLUMNS = ("name", "role", "state", "leads", "events", "version", "rules", "seen_at", "lease_until")


@click.command(epilog=example("memonotify nodes", "memonotify nodes --json"))
@config_option
@json_option
def nodes(config_path: Path | None, as_json: bool) -> None:
    """List the nodes on a store that several share: role, who leads, version, rules, lease, last heartbeat.

    Says so where the living nodes differ in version or rules. A node that is gone is listed for a day.
    """
    config = load_config_only(config_path, resolve=False).config
    rows: list[dict[str, Any]] = Reach(config).get("/api/nodes", {}, lambda operations: operations.nodes())
    if as_json:
        print_json(rows)
        return
    print_rows([_row(node) for node in rows], _COLUMNS, empty="No node has been on this store within a day.")
    for warning in _differences(rows):
        click.secho(warning, fg="yellow", err=True)


def _row(node: dict[str, Any]) -> dict[str, Any]:
    return {**node, "state": "alive" if node["alive"] else "gone", "leads": "leads" if node["leads"] else ""}


def _differences(rows: Sequence[dict[str, Any]]) -> list[str]:
    living = [node for node in rows if node["alive"]]
    warnings = []
    if len({node["rules"] for node in living}) > 1:
        warnings.append("The nodes do not run the same rules: bring the files to all, then reload each.")
    if len({node["version"] for node in living}) > 1:
        warnings.append("The nodes do not run the same version: finish the upgrade.")
    if living and not any(node["role"] != "worker" for node in living):
        warnings.append("No living node takes events in.")
    if living and not any(node["role"] != "intake" for node in living):
        warnings.append("No living node evaluates and sends.")
    return warnings
