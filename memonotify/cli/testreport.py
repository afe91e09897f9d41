"""Tells a person how tests of rules ended: results and coverage in, lines on stdout. `memonotify test` calls."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from memonotify.cli.visible import visible
from memonotify.cli.worddiff import diff_lines, legend

if TYPE_CHECKING:
    from memonotify.engine.exercise import Exercise
    from memonotify.engine.testing import TestResult

_INDENT: Final = 10
_PIPE_WIDTH: Final = 80
_MIN_WIDTH, _MAX_WIDTH = 30, 110


def wants_colour(environ: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Whether to colour: on a terminal that can, unless NO_COLOR is set to anything."""
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Prints results, with or without colour; differences are as wide as `width` columns allow."""

    colour: bool
    width: int

    @classmethod
    def of_terminal(cls, *, no_color: bool) -> Report:
        """Return the report for where stdout leads to."""
        is_terminal = sys.stdout.isatty()
        columns = shutil.get_terminal_size().columns if is_terminal else _PIPE_WIDTH
        colour = not no_color and wants_colour(os.environ, is_terminal=is_terminal)
        return cls(colour=colour, width=min(max(columns - _INDENT, _MIN_WIDTH), _MAX_WIDTH))

    def result(self, result: TestResult) -> None:
        """Print how one test ended, and in what it falls short."""
        mark = self._styled("pass", "green") if result.passed else self._styled("FAIL", "red")
        self._line(f"{mark}  {visible(result.name)}" + ("" if result.passed else f"  ({result.file}:{result.line})"))
        for shortfall in result.shortfalls:
            self._line(f"      {visible(shortfall.text)}")
            for field in shortfall.fields:
                self._line(f"        {visible(field.field)}")
                for line in diff_lines(field.pieces, width=self.width, colour=self.colour):
                    self._line(f"{' ' * _INDENT}{line}")
        for note in result.notes:
            self._line(f"      note: {visible(note)}")

    def coverage(self, exercises: Sequence[Exercise], percentage: float, *, whole: bool) -> None:
        """Print how far the tests exercise the rules: what they miss, or of every rule where `whole`."""
        counts = [number for exercise in exercises for number in exercise.counts]
        if not counts and not whole:
            return
        covered = sum(map(bool, counts))
        self._line()
        self._line(f"Coverage {int(percentage)} %: {covered} of {len(counts)} `notify` and `resolved` speak in a test.")
        lines = [line for exercise in exercises for line in (_counted(exercise) if whole else _missed(exercise))]
        for said, exercise in lines:
            self._line(f"  {said}  ({exercise.rule.file}:{exercise.rule.line})")

    def summary(self, results: Sequence[TestResult]) -> None:
        """Print the one line that says whether all is well."""
        failed = sum(not result.passed for result in results)
        if any(shortfall.fields for result in results for shortfall in result.shortfalls):
            self._line(f"\nWords that differ: {legend(colour=self.colour)}")
        if not results:
            self._line("No tests. Rule files hold them under `tests:`, and files called `*.test.yaml` beside them.")
        elif failed:
            self._line(self._styled(f"{failed} of {len(results)} tests fell short.", "red"))
        else:
            self._line(self._styled(f"{_tests(len(results))} passed.", "green"))

    def _styled(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour, bold=True) if self.colour else text

    def _line(self, text: str = "") -> None:
        click.echo(text, color=self.colour)


def _tests(number: int) -> str:
    return f"{number} test{'' if number == 1 else 's'}"


def _missed(exercise: Exercise) -> Iterator[tuple[str, Exercise]]:
    name = exercise.rule.name
    if exercise.is_off:
        yield f"off: {name}", exercise
    elif not exercise.spoke:
        yield f"no test makes it speak: {name}", exercise
    if exercise.resolved == 0 and not exercise.is_off:
        yield f"no test makes it say that it is over: {name}", exercise


def _counted(exercise: Exercise) -> Iterator[tuple[str, Exercise]]:
    name = exercise.rule.name
    if exercise.is_off:
        yield f"{name}: off", exercise
        return
    over = "" if exercise.resolved is None else f", over in {exercise.resolved}"
    yield f"{name}: spoke in {_tests(exercise.spoke)}{over}, silent in {exercise.silent}", exercise
