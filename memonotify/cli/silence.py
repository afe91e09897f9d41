"""`memonotify silence`: hold back what matches for a while, list what is held back, end it early."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.group import CommandGroup
from memonotify.cli.moments import Moments
from memonotify.cli.options import config_option, example, json_option, load_config_only, read_all
from memonotify.cli.tables import print_json, print_rows
from memonotify.cli.untils import moment_of
from memonotify.errors import ControlError

if TYPE_CHECKING:
    from memonotify.admin.known import Known
    from memonotify.admin.operations import Operations
    from memonotify.config.values import Config

Json = dict[str, Any]

_NAMES: Final = ("rule", "channel", "workspace", "event_type")
_COLUMNS: Final = ("id", "state", "silences", "then", "ends_at", "held", "suppressed", "released", "author", "reason")
_FATES: Final = {
    "drop": "What it meets is not sent, and stays listed",
    "hold": "What it meets is held, and sent when it ends",
}


@click.group(
    cls=CommandGroup,
    epilog=example("memonotify silence add --rule big-credit --for 2h", "memonotify silence list"),
)
def silence() -> None:
    """Hold back what matches for a while, list what is held back, end it early."""


@silence.command(
    "add",
    epilog=example(
        'memonotify silence add --channel erp --until 18:00 --then hold --reason "ERP is down"',
        "memonotify silence add --event-type 'transfer_*' --field resource.currency=USD --for 2h",
    ),
)
@config_option
@json_option
@click.option("--rule", multiple=True, metavar="NAME", help="Messages of this rule.")
@click.option("--channel", multiple=True, metavar="NAME", help="Messages through this channel.")
@click.option("--workspace", multiple=True, metavar="NAME", help="Messages for events of this workspace.")
@click.option("--event-type", multiple=True, metavar="TYPE", help="Messages for events of this type.")
@click.option(
    "--field", "fields", multiple=True, metavar="PATH=VALUE", help="Where this field, as resource.currency, is VALUE."
)
@click.option("--for", "length", metavar="DURATION", help="For so long from now: 30m, 2h, 1d.")
@click.option("--until", metavar="WHEN", help="Until then: 18:00, a date, or an ISO 8601 date and time.")
@click.option(
    "--then",
    type=click.Choice(["drop", "hold"]),
    default="drop",
    show_default=True,
    help="What becomes of the messages: never sent, or sent when the silence ends.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why, for who reads the list.")
@click.option("--author", metavar="NAME", help="Who wants it. Default: the user who runs this.")
def add(
    config_path: Path | None,
    as_json: bool,
    length: str | None,
    until: str | None,
    fields: tuple[str, ...],
    then: str,
    reason: str,
    author: str | None,
    **names: tuple[str, ...],
) -> None:
    """Silence what matches: all of the options that are given must fit. Names may be globs; of an option that is
    given several times, one must fit, but for --field: all of them.
    """
    if not fields and not any(names.values()):
        raise click.UsageError(
            "Say what to silence, by --rule, --channel, --workspace, --event-type or --field; to silence everything: "
            "--rule '*'."
        )
    if (length is None) == (until is None):
        raise click.UsageError("Say how long: either --for or --until.")
    config = load_config_only(config_path, resolve=False).config
    body: Json = {name: list(names[name]) for name in _NAMES if names[name]}
    body |= {"fields": _fields(fields), "then": then, "reason": reason, "author": _user() if author is None else author}
    if length is not None:
        body["for"] = length
    elif until is not None:
        body["until"] = moment_of(until, timezone=config.timezone, now=datetime.now(UTC)).isoformat()
    added = _post(
        config, "/api/silences", body, lambda operations: _add_directly(operations, body, config, config_path)
    )
    if as_json:
        print_json([added])
    else:
        _tell_added(added, config.timezone)
    for note in added["notes"]:
        click.secho(note, fg="yellow", err=True)


@silence.command("list", epilog=example("memonotify silence list --all --json"))
@config_option
@json_option
@click.option("--all", "ended", is_flag=True, help="Also those that have ended.")
def list_silences(config_path: Path | None, as_json: bool, ended: bool) -> None:
    """List the silences in force: what for, until when, by whom, why, and how many messages each has met.

    held: they wait until it ends. suppressed: they are not sent. released: they were held, and went on.
    """
    config = load_config_only(config_path, resolve=False).config
    query = {"ended": "true" if ended else None}
    rows: list[Json] = Reach(config).get("/api/silences", query, lambda operations: operations.silences(ended=ended))
    if as_json:
        print_json(rows)
        return
    shown = [{**row, "silences": in_words(row)} for row in rows]
    print_rows(shown, _COLUMNS, empty="There are no silences." if ended else "Nothing is silenced.")


@silence.command("expire", epilog=example("memonotify silence expire sil_ab12cd34"))
@config_option
@json_option
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
def expire(config_path: Path | None, as_json: bool, ids: tuple[str, ...]) -> None:
    """End silences now. What they hold is sent; they stay listed by `memonotify silence list --all`."""
    config = load_config_only(config_path, resolve=False).config
    answer = _post(
        config, "/api/silences/expire", {"ids": list(ids)}, lambda operations: _expire_directly(operations, ids)
    )
    expired: list[Json] = answer["silences"]
    if as_json:
        print_json(expired)
    else:
        for one in expired:
            click.echo(f"{one['id']} has ended{_due(one['due'])}.")
    missed = [name for name in ids if name not in {one["id"] for one in expired}]
    for name in missed:
        click.echo(f"{name} is not a silence in force: memonotify silence list", err=True)
    if missed:
        raise click.exceptions.Exit(1)


def in_words(row: Mapping[str, Any]) -> str:
    """Return what a silence is for, such as `rule big-credit, channel erp or finance-mail, resource.currency=USD`."""
    words = [f"{name.replace('_', ' ')} {' or '.join(row[name])}" for name in _NAMES if row[name]]
    return ", ".join([*words, *(f"{path}={wanted}" for path, wanted in row["fields"].items())])


def _post(config: Config, path: str, body: Json, direct: Any) -> Any:
    try:
        return Reach(config).post(path, body, direct)
    except ValueError as error:
        raise ControlError(str(error)) from None


async def _add_directly(operations: Operations, body: Json, config: Config, config_path: Path | None) -> Json:
    from memonotify.admin.silences import order_of

    return await operations.add_silence(order_of(body), known=_known(config, config_path))


async def _expire_directly(operations: Operations, ids: tuple[str, ...]) -> Json:
    return {"silences": await operations.expire_silences(ids)}


def _known(config: Config, config_path: Path | None) -> Known:
    """What the daemon would know: the rules from their files."""
    from memonotify.admin.known import Known

    loaded = read_all(config_path, resolve=False).loaded
    if loaded is None:
        click.echo("The rules are wrong, so their names are not checked: memonotify check", err=True)
    return Known(
        rules=loaded.rules.ruleset if loaded is not None else None,
        workspaces=tuple(workspace.name for workspace in config.workspaces),
    )


def _tell_added(added: Json, timezone: str) -> None:
    name, ends_at = added["id"], added["ends_at"]
    click.echo(f"{name} silences {in_words(added)} until {Moments(timezone, ends_at).full(ends_at)} ({timezone}).")
    click.echo(f"{_FATES[added['then']]}: memonotify deliveries --silence {name}")
    click.echo(f"To end it sooner: memonotify silence expire {name}")


def _due(count: int) -> str:
    if not count:
        return ""
    return f"; {count} message{' that it held goes' if count == 1 else 's that it held go'} on now"


def _fields(given: tuple[str, ...]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for text in given:
        path, equals, wanted = text.partition("=")
        if not equals:
            raise click.UsageError(f"--field {text} has no =; write it as resource.currency=USD.")
        if fields.setdefault(path, wanted) != wanted:
            raise click.UsageError(f"--field {path} has two values, and no message has both; a glob fits several.")
    return fields


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container's user need not have a name.
        return ""
