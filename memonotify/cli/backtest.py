"""`memonotify backtest`: rules over the events of the past, against what was sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memonotify.cli.options import Loaded, Moment, config_option, example, json_option, load_all
from memonotify.errors import ControlError

if TYPE_CHECKING:
    from memonotify.engine.backtest import Backtest
    from memonotify.past import Selection
    from memonotify.store.store import Store

_DEFAULT = "30d"


@click.command(
    epilog=example("memonotify backtest rules/payments.yaml", "memonotify backtest draft.yaml --since 90d --rule taxes")
)
@config_option
@json_option
@click.option(
    "--since",
    type=Moment(),
    default=_DEFAULT,
    show_default=True,
    help="Events that came since then: 30m, 2h, 7d, or a date.",
)
@click.option("--until", type=Moment(), help="Only those that came before then.")
@click.option("--rule", metavar="NAME", help="Only this rule.")
@click.option(
    "--examples",
    type=click.IntRange(0, 10_000),
    default=3,
    show_default=True,
    help="How many messages to show for each rule: so many new, no longer sent, changed and the same.",
)
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
def backtest(
    config_path: Path | None,
    as_json: bool,
    since: datetime,
    until: datetime | None,
    rule: str | None,
    examples: int,
    files: tuple[Path, ...],
) -> None:
    """Show what the rules of FILE would have sent for the stored events, against what was sent.

    Nothing is sent or changed, and the bank is not asked: the rules see what it gave then. What was not kept is
    unknown, and counted. Ctrl-C shows what there is so far.
    """
    from memonotify.cli.backtestreport import print_report, rows
    from memonotify.cli.tables import print_json
    from memonotify.past import Selection

    loaded = load_all(config_path, resolve=False, files=files)
    backtest = _prepared(loaded, files, rule, examples)
    selection = Selection(since=since, until=until)
    events, is_whole = asyncio.run(_run(loaded.config.config.store, selection, backtest))
    backtest.finish(datetime.now(UTC) if is_whole else None)
    if not is_whole:
        done = backtest.events + backtest.unevaluated
        click.echo(f"Ended early: after {done:,} of {events:,} events. This is what there is so far.", err=True)
    if as_json:
        print_json(rows(backtest))
    else:
        print_report(backtest, loaded.rules.ruleset, since=since, until=until or datetime.now(UTC))
    if not is_whole:
        raise click.exceptions.Exit(1)


def _prepared(loaded: Loaded, files: tuple[Path, ...], rule: str | None, examples: int) -> Backtest:
    from memonotify.engine.backtest import Backtest
    from memonotify.policies.hours import hours_of
    from memonotify.rules.elsewhere import names_elsewhere
    from memonotify.rules.values import Ruleset

    config, ruleset = loaded.config.config, loaded.rules.ruleset
    names = frozenset(each.name for each in ruleset.rules)
    if rule is not None:
        if rule not in names:
            raise ControlError(f"{', '.join(map(str, files))} has no rule {rule!r}; it has {', '.join(sorted(names))}")
        ruleset = Ruleset(rules=tuple(each for each in ruleset.rules if each.name == rule))
    elsewhere = names_elsewhere(config, files, names)
    return Backtest(
        ruleset,
        concerns=_concerns(rule, elsewhere),
        resource_types=config.resource_types,
        with_api=frozenset(workspace.name for workspace in config.workspaces if workspace.api is not None),
        examples=examples,
        hours=hours_of(config),
    )


def _concerns(rule: str | None, elsewhere: frozenset[str]) -> Callable[[str], bool]:
    return (lambda name: name == rule) if rule is not None else (lambda name: name not in elsewhere)


async def _run(url: str, selection: Selection, backtest: Backtest) -> tuple[int, bool]:
    """Look at every event; return how many there are, and whether all were looked at."""
    from memonotify import logs
    from memonotify.cli.signals import on_signal
    from memonotify.clock import SystemClock
    from memonotify.store.store import Store

    logs.configure("critical")
    is_ended = asyncio.Event()
    on_signal(is_ended.set)
    store = Store(url, clock=SystemClock())
    await store.open(read_only=True)
    try:
        return await over(store, selection, backtest, is_ended)
    finally:
        await store.close()


async def over(store: Store, selection: Selection, backtest: Backtest, is_ended: asyncio.Event) -> tuple[int, bool]:
    """Look at the events of an open store until all are done or it is ended; return how many there are, and whether all
    were looked at."""
    from memonotify.cli.counting import progress
    from memonotify.engine.backtest import pages

    extent = await store.extent(selection)
    done = 0
    with progress("events") as tell:
        async for page in pages(store, selection, extent, with_decisions=backtest.has_memory):
            for past in page:
                backtest.look_at(past)
                done += 1
                # The loop gets a turn, and with it a signal.
                await asyncio.sleep(0)
                if is_ended.is_set():
                    return extent.count, False
            tell(done, extent.count)
    return extent.count, True
