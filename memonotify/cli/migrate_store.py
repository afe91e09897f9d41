"""`memonotify migrate-store`: everything of one store into another."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.progress import showing
from memonotify.cli.tables import print_json, print_rows
from memonotify.errors import ConfigError, MemonotifyError, StoreUnavailable

if TYPE_CHECKING:
    from memonotify.cli.progress import Showing
    from memonotify.store.comparing import Compared
    from memonotify.store.moving import Report, Step

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_DIGITS: Final = 16


class StoreUrl(click.ParamType[str]):
    """The address of a store, a relative file of it absolute: `sqlite:///PATH` or `postgresql://USER@HOST/DATABASE`."""

    name = "store"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from memonotify.config.checks import store_url

        try:
            return store_url(str(value), Path.cwd())
        except ValueError as error:
            # What was given is not repeated: it may hold a password.
            self.fail(f"{error}. A store is sqlite:///PATH or postgresql://USER@HOST/DATABASE.", param, ctx)


@click.command(
    epilog=example(
        "memonotify migrate-store sqlite:///var/memonotify.db \\", "      postgresql://memonotify@db.example/memonotify"
    )
)
@config_option
@json_option
@click.option("--verify-only", is_flag=True, help="Copy nothing; compare the two stores.")
@click.argument("source", metavar="FROM", type=StoreUrl())
@click.argument("target", metavar="TO", type=StoreUrl())
def migrate_store(config_path: Path | None, as_json: bool, verify_only: bool, source: str, target: str) -> None:
    """Copy everything of the store FROM into the store TO, and compare both row by row.

    What waits to be evaluated or sent goes on there. Stop every daemon on both first. TO has to be empty, or to hold
    what an earlier run left: it can be ended at any moment, and the same command goes on with it. Until all is equal,
    no daemon starts on TO. FROM stays as it is.
    """
    next_step = _next_step(config_path, target)
    from memonotify.clock import SystemClock
    from memonotify.store.moving import compare, move

    began_s = time.monotonic()
    copied: dict[str, int] = {}
    try:
        with _ended_by_signal() as check, showing() as shown:
            if verify_only:
                tables = compare(source, target, report=_reporting(shown, check))
            else:
                moved = move(source, target, at=SystemClock().now(), report=_reporting(shown, check))
                copied, tables = moved.copied, moved.tables
    except StoreUnavailable as error:
        if verify_only:
            raise
        raise StoreUnavailable(f"{error}; when that is over, the same command goes on where this one was") from error
    except KeyboardInterrupt:
        raise MemonotifyError(
            "ended before all was compared; nothing was changed"
            if verify_only
            else "ended before it was done; what was copied stays, and the same command goes on from there"
        ) from None
    rows = [_row(table, copied.get(table.table)) for table in tables]
    is_equal = all(table.is_equal for table in tables)
    if as_json:
        print_json({"equal": is_equal, "seconds": round(time.monotonic() - began_s, 1), "tables": rows})
    else:
        shorter = [{**row, "digest": row["digest"][:_DIGITS]} for row in rows]
        columns = ("table", "rows", "digest") if verify_only else ("table", "rows", "copied", "digest")
        print_rows(shorter, columns, empty="")
    if not is_equal:
        raise MemonotifyError(_differences(tables, verify_only=verify_only))
    if not as_json:
        click.echo("Both stores hold the same." if verify_only else f"{_DONE}\n{next_step}\n{_OLD}")


_DONE: Final = "All is there, compared row by row."
_OLD: Final = "Keep the old store until all is well, but start no daemon on it: it would send again what waits in it."


def _next_step(config_path: Path | None, target: str) -> str:
    """Return what is to be done with the configuration, if there is one, before the daemon starts on the new store.

    Raises:
        ConfigError: the one that was named is wrong or not there.
    """
    try:
        config = load_config_only(config_path, resolve=False).config
    except ConfigError:
        if config_path is not None:
            raise
        return "Now write the new address into config.yaml under `store`, and start `memonotify serve`."
    if config.store == target:
        return f"{config.path} names it already: start `memonotify serve`."
    return f"Now write the new address into {config.path} under `store`, and start `memonotify serve`."


def _reporting(shown: Showing, check: Callable[[], None]) -> Report:
    def report(step: Step) -> None:
        check()
        shown.update(f"{step.doing} {step.table}", step.done, step.total)

    return report


@contextmanager
def _ended_by_signal() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt once a signal has come; a second signal does so at once.

    Between two transactions nothing is half done, and no database has to be told that a statement was cut.
    """
    told: list[int] = []

    def note(number: int, _frame: Any) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)
        click.echo("Ending after what is under way; once more ends at once.", err=True)

    def check() -> None:
        if told:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _row(table: Compared, copied: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"table": table.table, "rows": table.source.rows, "digest": table.source.digest}
    if copied is not None:
        row["copied"] = copied
    if not table.is_equal:
        row |= {
            "rows_there": table.target.rows,
            "digest_there": table.target.digest,
            "difference": table.difference,
        }
    return row


def _differences(tables: tuple[Compared, ...], *, verify_only: bool) -> str:
    lines = ["the stores differ:"]
    for table in tables:
        if not table.is_equal:
            counts = f"{table.source.rows} rows in FROM, {table.target.rows} in TO"
            lines.append(f"  {table.table}: {table.difference} ({counts})")
    if not verify_only:
        lines.append(
            "TO stays marked as unfinished. Where a daemon ran on FROM since the first run, take an empty store as TO."
        )
    return "\n".join(lines)
