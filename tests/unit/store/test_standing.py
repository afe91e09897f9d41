"""The silences in force are answered from memory, and what was written is never overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from fakes import ManualClock

from memonotify.model import Fate, Matchers, Silence
from memonotify.store.standing import StandingSilences


def a_silence(name: str, start: datetime, *, hours: float = 1) -> Silence:
    return Silence(
        id=name,
        matchers=Matchers(rule=("big",)),
        starts_at=start,
        ends_at=start + timedelta(hours=hours),
        then=Fate.DROP,
        reason="",
        author="",
        created_at=start,
    )


class Table:
    """What the store would read; `during` is called while a read is under way."""

    def __init__(self, *silences: Silence) -> None:
        self.silences = silences
        self.reads = 0
        self.during: Callable[[], None] = lambda: None

    async def read(self, now: datetime) -> tuple[Silence, ...]:
        self.reads += 1
        found = tuple(silence for silence in self.silences if silence.ends_at > now)
        await asyncio.sleep(0)
        self.during()
        return found


async def test_many_questions_within_a_second_read_once() -> None:
    clock = ManualClock()
    table = Table(a_silence("sil_a", clock.now()))
    standing = StandingSilences(table.read, clock=clock)
    answers = await asyncio.gather(*(standing.at(clock.now()) for _ in range(20)))
    clock.advance(0.9)
    answers.append(await standing.at(clock.now()))
    assert set(answers) == {table.silences}
    assert table.reads == 1


async def test_after_a_second_it_is_read_again() -> None:
    clock = ManualClock()
    table = Table()
    standing = StandingSilences(table.read, clock=clock)
    assert await standing.at(clock.now()) == ()
    table.silences = (a_silence("sil_a", clock.now()),)
    clock.advance(1.0)
    assert await standing.at(clock.now()) == table.silences


async def test_what_begins_and_ends_meanwhile_is_in_force_and_is_not_without_being_read() -> None:
    clock = ManualClock()
    now = clock.now()
    soon = now + timedelta(milliseconds=200)
    table = Table(a_silence("sil_a", now, hours=0.3 / 3600), a_silence("sil_b", soon))
    standing = StandingSilences(table.read, clock=clock)
    names = []
    for _ in range(4):
        names.append([silence.id for silence in await standing.at(clock.now())])
        clock.advance(0.15)
    assert names == [["sil_a"], ["sil_a"], ["sil_b"], ["sil_b"]]
    assert table.reads == 1


async def test_one_that_is_written_while_another_question_reads_is_in_the_answer() -> None:
    clock = ManualClock()
    table = Table()
    standing = StandingSilences(table.read, clock=clock)

    def write() -> None:
        table.silences = (a_silence("sil_a", clock.now()),)
        table.during = lambda: None
        standing.forget()

    table.during = write
    assert await standing.at(clock.now()) == table.silences
    assert table.reads == 2


async def test_where_the_clock_is_set_back_what_had_ended_is_asked_for_again() -> None:
    clock = ManualClock()
    table = Table(a_silence("sil_a", clock.now()))
    standing = StandingSilences(table.read, clock=clock)
    assert await standing.at(clock.now() + timedelta(hours=2)) == ()
    assert await standing.at(clock.now()) == table.silences
