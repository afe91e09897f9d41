"""Progress: plain lines now and then, bars on a terminal."""

from __future__ import annotations

import io

import pytest
from fakes import ManualClock
from rich.console import Console

from memonotify.cli.progress import Lines, showing


class Said:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lines: list[str] = []
        self.shown = Lines(self.lines.append, self.clock.monotonic)

    def after(self, seconds: float, part: str, done: int, total: int) -> None:
        self.clock.advance(seconds)
        self.shown.update(part, done, total)


def test_a_line_comes_every_few_seconds_with_the_time_that_is_left() -> None:
    said = Said()
    for done in (1_000, 2_000, 3_000, 4_000, 5_000, 6_000):
        said.after(2, "copying events", done, 20_000)
    assert said.lines == [
        "copying events: 3000 of 20000 rows, 34 s left",
        "copying events: 6000 of 20000 rows, 28 s left",
    ]


def test_a_part_that_is_done_is_told_once() -> None:
    said = Said()
    for done in (0, 10, 10):
        said.after(0, "comparing events", done, 10)
    assert said.lines == ["comparing events: 10 rows"]


def test_a_part_with_nothing_left_to_do_is_not_told() -> None:
    said = Said()
    for part, total in (("copying events", 0), ("copying failures", 7)):
        said.after(9, part, total, total)
    assert said.lines == []


@pytest.mark.parametrize(("done", "left"), [(99_000, "1 s"), (50_000, "1 min 40 s"), (1_000, "2 h 45 min")])
def test_the_time_left_is_told_in_units_that_people_use(done: int, left: str) -> None:
    said = Said()
    said.after(0, "copying events", 0, 100_000)
    said.after(100, "copying events", done, 100_000)
    assert said.lines == [f"copying events: {done} of 100000 rows, {left} left"]


def test_a_terminal_gets_bars_with_counts(capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()
    with showing(Console(file=screen, force_terminal=True, width=100)) as shown:
        shown.update("copying events", 5, 20)
        shown.update("copying events", 20, 20)
        shown.update("comparing events", 7, 20)
    assert "copying events" in screen.getvalue()
    assert "20/20" in screen.getvalue()
    assert "7/20" in screen.getvalue()
    assert capsys.readouterr() == ("", "")


def test_a_pipe_gets_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with showing() as shown:
        shown.update("copying events", 0, 1)
        shown.update("copying events", 1, 1)
    assert capsys.readouterr() == ("", "copying events: 1 rows\n")
