"""How far a long piece of work is: bars on a terminal, a line every few seconds anywhere else. All of it on stderr.

A command calls `update` with the name of a part and how much of it is done; `showing` gives what fits the place.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

EVERY_S: Final = 5.0
"""So often a line is written, at the most."""


class Showing(Protocol):
    """Takes how far the work is."""

    def update(self, part: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done of a part; parts come one after the other."""


class Lines:
    """Plain lines: one when a part is done, and one every few seconds before.

    `say` takes a line; `monotonic` counts seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._monotonic = monotonic
        self._part = ""
        self._began = (0.0, 0)
        self._is_over = False
        self._said_s = monotonic()

    def update(self, part: str, done: int, total: int) -> None:
        """Say it where it is time to."""
        now_s = self._monotonic()
        if part != self._part:
            self._part, self._began = part, (now_s, done)
            self._is_over = done >= total
        elif done >= total and not self._is_over:
            self._is_over = True
            self._line(f"{part}: {done} rows", now_s)
        if not self._is_over and now_s - self._said_s >= EVERY_S:
            self._line(f"{part}: {done} of {total} rows{self._left(done, total, now_s)}", now_s)

    def _line(self, line: str, now_s: float) -> None:
        self._say(line)
        self._said_s = now_s

    def _left(self, done: int, total: int, now_s: float) -> str:
        began_s, before = self._began
        if done <= before or now_s <= began_s:
            return ""
        return f", {_duration((total - done) * (now_s - began_s) / (done - before))} left"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


class _Bars:
    """A bar for each part, with counts and the time that is left."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def update(self, part: str, done: int, total: int) -> None:
        """Move the part's bar."""
        if part not in self._tasks:
            self._tasks[part] = self.progress.add_task(part, total=total)
        self.progress.update(self._tasks[part], completed=done, total=total)


@contextmanager
def showing(console: Console | None = None) -> Iterator[Showing]:
    """Give what shows progress on stderr, until the end; `console` in place of it, as in a test."""
    if console is None and not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console as StderrConsole

    bars = _Bars(console or StderrConsole(stderr=True))
    with bars.progress:
        yield bars
