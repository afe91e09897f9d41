"""What `memonotify backtest` prints: a table of the rules, examples, and what could not be told."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import click

from memonotify.admin.records import moment_text
from memonotify.cli.tables import print_rows
from memonotify.engine.backtest import Backtest, Example, Kind, Report
from memonotify.engine.contrast import Change
from memonotify.model import Mode
from memonotify.rules.values import Ruleset

_COLUMNS: Final = ("rule", "sends", "new", "gone", "changed", "same", "undecided")
_TITLES: Final = {Kind.NEW: "newly sent", Kind.GONE: "no longer sent", Kind.CHANGED: "changed", Kind.SAME: "the same"}
_MOST_CHANGES: Final = 4
"""Fields that are shown of the first changed message; of the others only that they are."""


def rows(backtest: Backtest) -> list[dict[str, Any]]:
    """Return one row of plain JSON data for each rule."""
    return [
        {
            "rule": report.rule,
            "in_file": report.is_ours,
            "events": report.events,
            "sends": report.sends,
            **{str(kind): report.kinds[kind] for kind in Kind},
            "undecided": report.undecided.total(),
            "unknown": dict(report.undecided),
            "together": report.together,
            "gathered": report.gathered,
            "waiting": report.waiting,
            "kept_back": {str(policy): number for policy, number in report.kept_back.most_common()},
            "textless": report.textless,
            "suppressed": report.suppressed,
            "failed": report.failed,
            "failure": report.first_failure,
            "plain": report.plain,
            "render_error": report.first_render_error,
            "examples": [_example(each) for kind in Kind for each in report.examples.get(kind, ())],
            "tellings": [
                {"at": moment_text(each.at), "channel": each.channel, "events": each.events} for each in report.tellings
            ],
        }
        for report in backtest.reports
    ]


def _example(each: Example) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "event_id": each.event_id,
        "received_at": each.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "channel": each.channel,
        "headline": each.headline,
        "changes": [{"field": one.field, "before": one.before, "after": one.after} for one in each.changes],
    }


def print_report(backtest: Backtest, ruleset: Ruleset, *, since: datetime, until: datetime) -> None:
    """Print all of it."""
    span = f"from {_day(since)} to {_day(until)}"
    click.echo(f"{_count(backtest.events, 'event')} {span}, {_count(len(ruleset.rules), 'rule')} in the file\n")
    told = rows(backtest)
    print_rows(told, _COLUMNS, empty="There are no rules.")
    for report in backtest.reports:
        _print_examples(report)
        _print_tellings(report)
    notes = [note for report in backtest.reports for note in _notes(report)]
    notes += [*_of_rules(ruleset, backtest), *_left_out(backtest)]
    if notes:
        click.echo("")
    for note in notes:
        click.echo(f"Note: {note}")


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _print_examples(report: Report) -> None:
    # What stays the same is counted; it needs no look.
    for kind in (Kind.NEW, Kind.GONE, Kind.CHANGED):
        found = report.examples.get(kind, [])
        if not found:
            continue
        more = report.kinds[kind] - len(found)
        name = click.style(report.rule, bold=True) + ("" if report.is_ours else " (a rule of no file any more)")
        click.echo(f"\n{name}: {_TITLES[kind]}" + (f", {more:,} more" if more else ""))
        for at, each in enumerate(found):
            line = each.headline or "(the text is not known)"
            click.echo(f"  {each.event_id}  {_day(each.received_at)}  {each.channel}: {line}")
            if at == 0:
                _print_changes(each.changes)


def _print_tellings(report: Report) -> None:
    if not report.together:
        return
    name, more = click.style(report.rule, bold=True), report.together - len(report.tellings)
    click.echo(f"\n{name}: told together" + (f", {more:,} more" if more else ""))
    for each in report.tellings:
        click.echo(f"  {_day(each.at)}  {each.channel}: one message for {each.events:,} events")


def _print_changes(changes: tuple[Change, ...]) -> None:
    for change in changes[:_MOST_CHANGES]:
        click.echo(f"      {change.field}")
        if change.before is not None:
            click.secho(f"      - {change.before}", fg="red")
        if change.after is not None:
            click.secho(f"      + {change.after}", fg="green")
    if len(changes) > _MOST_CHANGES:
        click.echo(f"      and {_count(len(changes) - _MOST_CHANGES, 'field')} more")


def _notes(report: Report) -> Iterable[str]:
    for what, count in report.undecided.items():
        yield f"for {_count(count, 'event')} {what}: rule {report.rule} could not be decided"
    if report.textless:
        yield (
            f"the text of {_count(report.textless, 'message')} of rule {report.rule} is not known, "
            "because what it says of the resource or a look-up was not kept"
        )
    if report.failed:
        yield f"rule {report.rule} fails for {_count(report.failed, 'event')}: {report.first_failure}"
    if report.plain:
        number = _count(report.plain, "message")
        yield f"{number} of rule {report.rule} would go in the plain form: {report.first_render_error}"
    if report.together:
        yield (
            f"of {_count(report.sends, 'message')} of rule {report.rule}, {report.together:,} would tell of "
            f"{_count(report.gathered, 'event')} together; compared is what is told of each event"
        )
    if report.kept_back:
        by = ", ".join(f"{number:,} by {policy}" for policy, number in report.kept_back.most_common())
        yield f"rule {report.rule} would keep back: {by}"
    if report.waiting:
        yield f"{_count(report.waiting, 'message')} of rule {report.rule} would still wait now: not compared"
    if report.suppressed:
        yield f"rule {report.rule} is in the shadow: it makes {_count(report.suppressed, 'message')} and sends none"


def _of_rules(ruleset: Ruleset, backtest: Backtest) -> Iterable[str]:
    tried = {report.rule for report in backtest.reports if report.is_ours}
    rules = [rule for rule in ruleset.rules if rule.name in tried]
    for rule in rules:
        if rule.mode is Mode.OFF:
            yield f"rule {rule.name} is off"
        if rule.escalate:
            yield f"escalations of rule {rule.name} are not counted"


def _left_out(backtest: Backtest) -> Iterable[str]:
    if backtest.unevaluated:
        waiting = _count(backtest.unevaluated, "event")
        yield f"{waiting} not evaluated yet, and left out"
