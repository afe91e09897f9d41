"""When the watcher loads: once for all that changed within a moment, and only where a file is another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from pathlib import Path

import pytest
from fakes import ManualClock
from lanes import ManualPause
from structlog.testing import capture_logs

from memonotify.reloading.stamps import Stamps
from memonotify.reloading.watcher import LOOK_S, MOST_QUIET_S, QUIET_S, Look, Watcher, gathered

FILE, FOLDER = Path("/srv/rules/a.yaml"), Path("/srv/rules")


def look(version: int, folder: int = 1) -> Look:
    return Look(stamps={FILE: (version,)}, folders={FOLDER: (folder,)})


class Writing:
    """Looks that find a file being written: each entry is what one look finds; the last one stays."""

    def __init__(self, *versions: int) -> None:
        self.versions = list(versions)
        self.paused_s = 0.0

    async def look(self) -> Look:
        return look(self.versions.pop(0) if len(self.versions) > 1 else self.versions[0])

    async def pause(self, seconds: float) -> None:
        self.paused_s += seconds


async def test_a_file_that_is_quiet_is_taken_after_a_moment() -> None:
    writing = Writing(1)
    assert await gathered(writing.look, look(1), writing.pause) == look(1)
    assert writing.paused_s == QUIET_S


async def test_a_file_that_is_being_written_is_taken_when_it_is_finished() -> None:
    writing = Writing(2, 3, 4, 4)
    assert await gathered(writing.look, look(1), writing.pause) == look(4)
    assert writing.paused_s == pytest.approx(4 * QUIET_S)


async def test_a_file_that_is_never_finished_is_taken_all_the_same() -> None:
    writing = Writing(*range(2, 1000))
    await gathered(writing.look, look(1), writing.pause)
    assert MOST_QUIET_S <= writing.paused_s < MOST_QUIET_S + 2 * QUIET_S


class Files:
    """The watched files, a system that tells of changes, and a reloader that counts."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pause = ManualPause(self.clock)
        self.now = look(1)
        self.stamps: Stamps | None = look(1).stamps
        self.loads: list[Stamps] = []
        self.watched: list[tuple[Path, ...]] = []
        self.trouble: Exception | None = None
        self.hints: asyncio.Queue[None] = asyncio.Queue()
        self.watcher = Watcher(
            look=self.look, loaded=lambda: self.stamps, reload=self.reload, changes=self.changes, pause=self.pause
        )

    async def look(self) -> Look:
        return self.now

    async def reload(self) -> None:
        self.stamps = self.now.stamps
        self.loads.append(self.stamps)

    async def changes(self, folders: Collection[Path]) -> AsyncGenerator[object, None]:
        if self.trouble is not None:
            raise self.trouble
        self.watched.append(tuple(folders))
        while True:
            yield await self.hints.get()

    async def rest(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def later(self, seconds: float) -> None:
        """Let time pass, in small steps so that every sleep ends when it is due."""
        while seconds > 0:
            step = min(0.1, seconds)
            self.pause.advance(step)
            seconds -= step
            await self.rest()

    async def change(self, found: Look, *, is_told: bool = True) -> None:
        self.now = found
        if is_told:
            self.hints.put_nowait(None)
        await self.rest()


@pytest.fixture
async def files():
    files = Files()
    await files.watcher.start()
    await files.rest()
    yield files
    await files.watcher.stop(1)


async def test_nothing_is_loaded_where_nothing_changed(files: Files) -> None:
    await files.later(60)
    assert files.loads == []


async def test_a_change_that_is_told_is_loaded_when_it_is_over(files: Files) -> None:
    await files.change(look(2))
    assert files.loads == []
    await files.later(QUIET_S)
    assert files.loads == [look(2).stamps]


async def test_changes_within_a_moment_are_one_load(files: Files) -> None:
    for version in range(2, 8):
        await files.change(look(version))
        await files.later(QUIET_S / 2)
    assert files.loads == []
    await files.later(2 * QUIET_S)
    assert files.loads == [look(7).stamps]


async def test_a_hint_without_a_change_loads_nothing(files: Files) -> None:
    for _ in range(5):
        await files.change(look(1))
    await files.later(1)
    assert files.loads == []


async def test_a_file_that_came_and_went_loads_nothing(files: Files) -> None:
    await files.change(look(2))
    await files.change(look(1))
    await files.later(1)
    assert files.loads == []


async def test_a_change_that_nobody_tells_of_is_found_at_the_next_look(files: Files) -> None:
    await files.change(look(2), is_told=False)
    await files.later(LOOK_S + QUIET_S)
    assert files.loads == [look(2).stamps]


async def test_what_changes_during_a_load_is_loaded_after_it(files: Files) -> None:
    inner = files.reload

    async def reload() -> None:
        await inner()
        if len(files.loads) == 1:
            files.now = look(3)
            files.hints.put_nowait(None)

    files.watcher._reload = reload
    await files.change(look(2))
    await files.later(1)
    assert files.loads == [look(2).stamps, look(3).stamps]


async def test_a_folder_that_is_another_one_is_watched_anew(files: Files) -> None:
    await files.change(look(2, folder=2))
    await files.later(1)
    assert files.loads == [look(2).stamps]
    assert files.watched == [(FOLDER,)] * 2
    await files.change(look(3, folder=2))
    await files.later(1)
    assert files.loads[-1] == look(3).stamps


async def test_files_that_were_loaded_before_anybody_watched_are_looked_at_once_more(files: Files) -> None:
    files.stamps = None
    await files.later(LOOK_S + QUIET_S)
    assert files.loads == [look(1).stamps]


async def test_without_a_word_from_the_system_the_files_are_looked_at_and_that_is_said_once(files: Files) -> None:
    await files.watcher.stop(1)
    files.trouble = OSError("no space left on device (os error 28)")
    with capture_logs() as logs:
        await files.watcher.start()
        await files.later(3 * LOOK_S)
        await files.change(look(2), is_told=False)
        await files.later(2 * LOOK_S)
    assert files.loads == [look(2).stamps]
    (said,) = [log for log in logs if log["event"] == "watch_without_notifications"]
    assert "no space left" in said["detail"]


async def test_a_load_that_fails_ends_no_watching(files: Files) -> None:
    inner = files.reload
    failures = [RuntimeError("a fault of ours")]

    async def reload() -> None:
        if failures:
            raise failures.pop()
        await inner()

    files.watcher._reload = reload
    with capture_logs() as logs:
        await files.change(look(2))
        await files.later(1)
    assert [log["event"] for log in logs] == ["watcher_stumbled"]
    await files.later(LOOK_S + 1)
    assert files.loads == [look(2).stamps]
