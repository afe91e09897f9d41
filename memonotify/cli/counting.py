"""How far a long command is: a bar on a terminal, now and then a line on a pipe, always on stderr.

Called by the commands that walk through stored events.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click

_LEAST: Final = 1000
"""Fewer are done at once: a line about them would be noise."""

_LINES: Final = 10
Tell = Callable[[int, int], None]


@contextmanager
def progress(what: str) -> Iterator[Tell]:
    """Give a function to be told how many are done, and of how many; `what` are they called, such as `events`."""
    if sys.stderr.isatty():
        yield from _bar(what)
    else:
        yield _Lines(what).tell


def _bar(what: str) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """Says each tenth."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = 0

    def tell(self, done: int, total: int) -> None:
        tenth = done * _LINES // total if total >= _LEAST else 0
        if tenth > self._told:
            self._told = tenth
            click.echo(f"{done:,} of {total:,} {self._what}", err=True)
