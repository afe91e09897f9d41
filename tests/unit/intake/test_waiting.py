"""How long somebody may wait, with one timer for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from memonotify.intake.waiting import STEPS, Waiting


class Loop:
    """The seam to the event loop: timers that run when a test says so."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        self.timers.append((delay, callback))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def run(self, times: int = 1) -> None:
        for _ in range(times):
            due, self.timers = self.timers, []
            for _, callback in due:
                callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def given_up() -> list[str]:
    return []


@pytest.fixture
def waiting(loop: Loop, given_up: list[str]) -> Waiting[str]:
    return Waiting(10.0, given_up.append, loop.call_later)


def test_who_waits_too_long_is_given_up_once(waiting: Waiting[str], loop: Loop, given_up: list[str]) -> None:
    waiting.add("a")
    loop.run(STEPS)
    assert given_up == []
    loop.run()
    assert given_up == ["a"]
    loop.run(3 * STEPS)
    assert given_up == ["a"]


def test_each_is_given_up_in_its_own_time(waiting: Waiting[str], loop: Loop, given_up: list[str]) -> None:
    waiting.add("a")
    loop.run(3)
    waiting.add("b")
    loop.run(STEPS - 2)
    assert given_up == ["a"]
    loop.run(3)
    assert given_up == ["a", "b"]


def test_who_has_left_in_time_is_told_so_and_not_given_up(
    waiting: Waiting[str], loop: Loop, given_up: list[str]
) -> None:
    waiting.add("a")
    waiting.add("b")
    assert waiting.remove("a")
    loop.run(STEPS + 1)
    assert given_up == ["b"]
    assert not waiting.remove("b")


def test_nobody_is_given_up_before_the_limit_nor_a_step_after_it(waiting: Waiting[str], loop: Loop) -> None:
    waiting.add("a")
    [(delay, _)] = loop.timers
    assert delay * STEPS == pytest.approx(10.0)


def test_one_timer_serves_all_and_rests_where_nobody_waits(waiting: Waiting[str], loop: Loop) -> None:
    waiting.add("a")
    waiting.add("b")
    assert len(loop.timers) == 1
    waiting.remove("a")
    waiting.remove("b")
    loop.run()
    assert loop.timers == []
    waiting.add("c")
    assert len(loop.timers) == 1


def test_after_the_stop_nobody_is_given_up(waiting: Waiting[str], loop: Loop, given_up: list[str]) -> None:
    waiting.add("a")
    waiting.stop()
    loop.run(2 * STEPS)
    assert given_up == []
