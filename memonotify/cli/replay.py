"""`memonotify replay`: stored events once more, by the rules in force."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memonotify.cli.counting import progress
from memonotify.cli.daemon import Direct, Reach
from memonotify.cli.options import Loaded, Moment, config_option, example, json_option, load_all
from memonotify.cli.tables import print_json, print_rows
from memonotify.errors import ControlError
from memonotify.past import GOES_OUT

if TYPE_CHECKING:
    from memonotify.admin.operations import Operations

PAGE: Final = 100
"""Events asked for at a time: each answer is a step of the progress bar."""

ANSWER_S: Final = 600.0
"""How long a page may take: the bank is asked for each of its events."""

_MOST_SHOWN: Final = 200
_COLUMNS: Final = ("event_id", "rule", "channel", "standing", "message")
_ROUTE: Final = "/api/replay"
Row = dict[str, Any]


@click.command(
    epilog=example(
        "memonotify replay 6f1c2b1e-7d3a-4a53-9a52-2f0e3a0d9b11",
        "memonotify replay --since 2h --rule returned-collection",
        "memonotify replay --since 2026-03-02 --until 2026-03-03 --resend --yes",
    )
)
@config_option
@json_option
@click.option("--since", type=Moment(), help="All events that came since then: 30m, 2h, 7d, or a date.")
@click.option("--until", type=Moment(), help="With --since: only those that came before then.")
@click.option("--rule", metavar="NAME", help="Only this rule.")
@click.option("--workspace", metavar="NAME", help="Only events of this workspace.")
@click.option("--resend", is_flag=True, help="Send what was sent already once more, as a message of its own.")
@click.option("--label", metavar="TEXT", default="", help="With --resend: under another label it goes once more again.")
@click.option("--stored", is_flag=True, help="Go by what the bank gave then, and do not ask it anew.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only show what would be sent.")
@click.argument("ids", nargs=-1, metavar="EVENT_ID…")
def replay(
    config_path: Path | None,
    as_json: bool,
    since: datetime | None,
    until: datetime | None,
    rule: str | None,
    workspace: str | None,
    resend: bool,
    label: str,
    stored: bool,
    yes: bool,
    dry_run: bool,
    ids: tuple[str, ...],
) -> None:
    """Evaluate stored events again with the rules in force, show what that sends, ask, and send it.

    What was sent already stays unless --resend; a dead letter stays in any case: `memonotify retry` sends it. Repeating
    a replay sends nothing twice. Rules with `fire: on_change` go by what they remembered then. Without a running
    daemon the bank is not asked.
    """
    _check(ids, since, until, resend=resend, label=label, yes=yes, dry_run=dry_run)
    loaded = load_all(config_path, resolve=False)
    body = {
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "rule": rule,
        "workspace": workspace,
        "resend": resend,
        "label": label or None,
        "stored": stored,
    }
    talk = _Talk(loaded, {key: value for key, value in body.items() if value not in (None, False)})
    rows, unknown = talk.plan(tuple(dict.fromkeys(ids)))
    going = [row for row in rows if row["standing"] in GOES_OUT]
    is_whole = True
    if not as_json:
        _print(rows, going)
    for one in unknown:
        click.echo(f"There is no event {one} in the store.", err=True)
    if going and not dry_run:
        _ask(len(going), yes=yes)
        written = talk.send(going)
        for row in rows:
            row["written"] = row["id"] in written
        if not as_json:
            click.echo(f"{_messages(len(written))} will be sent.")
        is_whole = len(written) == len(going)
        if not is_whole:
            missed = _messages(len(going) - len(written))
            click.echo(
                f"{missed} changed meanwhile or could not be made any more; see the same with --dry-run.", err=True
            )
    if as_json:
        print_json(rows)
    if unknown or not is_whole:
        raise click.exceptions.Exit(1)


def _check(
    ids: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    *,
    resend: bool,
    label: str,
    yes: bool,
    dry_run: bool,
) -> None:
    if bool(ids) == bool(since):
        raise click.UsageError("Name the events, or say --since for all that came since then.")
    if until and not since:
        raise click.UsageError("--until goes with --since.")
    if label and not resend:
        raise click.UsageError("--label goes with --resend.")
    if yes and dry_run:
        raise click.UsageError("--yes sends and --dry-run does not: say one of them.")


def _ask(messages: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ControlError("nothing was sent: there is nobody to ask here; --yes sends without a question")
    click.confirm(f"Send {_messages(messages)}?", abort=True, err=True)


class _Talk:
    """What is said to the daemon, or to the store where none runs, page by page."""

    def __init__(self, loaded: Loaded, body: Mapping[str, Any]) -> None:
        self._loaded = loaded
        self._body = dict(body)
        self._reach = Reach(loaded.config.config, answer_s=ANSWER_S)

    def plan(self, ids: Sequence[str]) -> tuple[list[Row], list[str]]:
        """Return what a replay would do, and which of the named events there are not."""
        rows: list[Row] = []
        found: list[str] = []
        waiting = 0
        with progress("events") as tell:
            for chunk in [{"ids": list(chunk)} for chunk in _chunks(ids)] or [{}]:
                for page in self._pages(chunk, sends=False):
                    rows += page["messages"]
                    found += page["events"]
                    waiting += len(page["unevaluated"])
                    tell(len(found), len(ids) or page["total"])
        if waiting:
            click.echo(f"{waiting} of these events wait for their first evaluation, and are left to it.", err=True)
        return rows, [one for one in ids if one not in set(found)]

    def send(self, going: Sequence[Row]) -> set[str]:
        """Have these messages written, and no other; return the ids of those that were."""
        wanted: dict[str, list[str]] = {}
        for row in going:
            wanted.setdefault(row["event_id"], []).append(row["id"])
        written: set[str] = set()
        done = 0
        try:
            with progress("events") as tell:
                for chunk in _chunks(list(wanted)):
                    only = [name for event in chunk for name in wanted[event]]
                    for page in self._pages({"ids": list(chunk), "only": only, "send": True}, sends=True):
                        written.update(row["id"] for row in page["messages"] if row["written"])
                    done += len(chunk)
                    tell(done, len(wanted))
        except BaseException:
            click.echo(
                f"Ended with {_messages(len(written))} written. The same command again goes on, and sends none twice.",
                err=True,
            )
            raise
        return written

    def _pages(self, chunk: Mapping[str, Any], *, sends: bool) -> Iterator[Any]:
        own = {key: value for key, value in self._body.items() if key not in ("since", "until") or "ids" not in chunk}
        after: int | None = 0
        while after is not None:
            page = self._page(own | dict(chunk) | {"after": after}, sends=sends)
            yield page
            after = page["after"]

    def _page(self, body: dict[str, Any], *, sends: bool) -> Any:
        body = body | {"limit": PAGE}
        return self._reach.post(_ROUTE, body, self._direct(body), read_only=not sends)

    def _direct(self, body: dict[str, Any]) -> Direct:
        """Return how the store itself is asked: by the stored snapshots, for the bank's secrets are the daemon's."""

        async def direct(operations: Operations) -> Any:
            from memonotify.admin.replaying import order_of, page_json
            from memonotify.clock import SystemClock
            from memonotify.engine.replay import Replayer

            config = self._loaded.config.config
            store: Any = operations.store
            replayer = Replayer(
                store=store,
                ruleset=lambda: self._loaded.rules.ruleset,
                banks={},
                with_api=frozenset(workspace.name for workspace in config.workspaces if workspace.api is not None),
                resource_types=config.resource_types,
                retry=config.retry,
                clock=SystemClock(),
                random=random.Random(),  # noqa: S311 - jitter of waits that a replay does not make
                stored_only=True,
            )
            try:
                return page_json(await replayer.replay(order_of(body)))
            except ValueError as error:
                raise ControlError(str(error)) from None

        return direct


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), PAGE):
        yield names[start : start + PAGE]


def _messages(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


def _print(rows: Sequence[Row], going: Sequence[Row]) -> None:
    # What goes out first: that is what is asked about.
    ordered = sorted(rows, key=lambda row: row["standing"] not in GOES_OUT)
    shown = [row | {"message": _message(row)} for row in ordered[:_MOST_SHOWN]]
    print_rows(shown, _COLUMNS, empty="The rules in force have nothing to say of these events.")
    if len(rows) > _MOST_SHOWN:
        click.echo(f"… and {len(rows) - _MOST_SHOWN:,} more; --json lists them all.")
    if rows:
        stay = len(rows) - len(going)
        click.echo(f"{_messages(len(going))} to send, {stay:,} {'stays' if stay == 1 else 'stay'}.")


def _message(row: Row) -> str:
    said, detail = row["headline"], row["detail"]
    return f"{said} ({detail})" if said and detail else said or detail
