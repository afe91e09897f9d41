"""What is kept of rule files, and that each breakage is told once, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes import ManualClock
from lanes import ManualPause
from structlog.testing import capture_logs

from memonotify.errors import Problem, StoreUnavailable
from memonotify.model import Failure, FailureKind, KeptFile
from memonotify.reloading.keeping import AGAIN_S, Keeper
from memonotify.rules.versions import InForce, Refused, Version

A, B = Path("/srv/rules/a.yaml"), Path("/srv/rules/b.yaml")


class Shelf:
    """A store in memory that can be away; `writes` holds what each write was about."""

    def __init__(self) -> None:
        self.files: dict[str, KeptFile] = {}
        self.writes: list[tuple[list[str], list[str], list[Failure]]] = []
        self.is_away = False

    async def kept_files(self, node: str) -> list[KeptFile]:
        self._demand()
        return list(self.files.values())

    async def keep_files(
        self, node: str, files: Sequence[KeptFile], *, gone: Sequence[str], told: Sequence[tuple[str, str, Failure]]
    ) -> None:
        self._demand()
        self.files.update({file.path: file for file in files})
        for path in gone:
            del self.files[path]
        self.writes.append(([file.path for file in files], list(gone), [failure for _, _, failure in told]))

    def _demand(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the disk is full")

    @property
    def told(self) -> list[Failure]:
        return [failure for _, _, failures in self.writes for failure in failures]


class Desk:
    def __init__(self) -> None:
        self.shelf = Shelf()
        self.clock = ManualClock()
        self.pause = ManualPause(self.clock)
        self.wakes = 0
        self.keeper = self.restarted()

    def restarted(self, node: str = "") -> Keeper:
        self.keeper = Keeper(shelf=self.shelf, node=node, clock=self.clock, on_failures=self.woken, pause=self.pause)
        return self.keeper

    def woken(self) -> None:
        self.wakes += 1


@pytest.fixture
async def desk():
    desk = Desk()
    yield desk
    await desk.keeper.stop()


def version(path: Path, text: str = "one", **templates: str) -> Version:
    return Version(path=path, text=text, templates=templates, rules=(), declared={})


def refused(path: Path, *lines: int, has_version: bool = True) -> Refused:
    problems = tuple(Problem(file=str(path), line=line, column=1, message="wrong") for line in lines)
    return Refused(path=path, problems=problems, has_version=has_version)


def in_force(*versions: Version, wrong: Sequence[Refused] = ()) -> InForce:
    return InForce(versions={each.path: each for each in versions}, refused=tuple(wrong))


async def test_good_versions_are_kept_with_their_templates(desk: Desk) -> None:
    await desk.keeper.keep(in_force(version(A, "text", foot="f"), version(B)))
    assert desk.shelf.files[str(A)] == KeptFile(path=str(A), text="text", templates={"foot": "f"})
    assert (desk.shelf.told, desk.wakes) == ([], 0)


async def test_only_what_changed_is_written(desk: Desk) -> None:
    await desk.keeper.keep(in_force(version(A), version(B)))
    await desk.keeper.keep(in_force(version(A), version(B)))
    await desk.keeper.keep(in_force(version(A), version(B, "two")))
    await desk.keeper.keep(in_force(version(B, "two")))
    await desk.restarted().keep(in_force(version(B, "two")))
    assert [(changed, gone) for changed, gone, _ in desk.shelf.writes] == [
        ([str(A), str(B)], []),
        ([str(B)], []),
        ([], [str(A)]),
    ]


async def test_a_breakage_is_told_once_with_file_place_and_what_follows(desk: Desk) -> None:
    for _ in range(3):
        await desk.keeper.keep(in_force(version(A), wrong=[refused(A, 3, 7)]))
    (failure,) = desk.shelf.told
    assert (failure.kind, failure.file, failure.event_id) == (FailureKind.FILE_REFUSED, str(A), "")
    assert failure.detail.splitlines() == ["its last good version stays in force", f"{A}:3:1: wrong", f"{A}:7:1: wrong"]
    assert desk.wakes == 1


async def test_another_breakage_of_the_file_is_told_as_well(desk: Desk) -> None:
    for line in (3, 4, 4):
        await desk.keeper.keep(in_force(version(A), wrong=[refused(A, line)]))
    assert len(desk.shelf.told) == 2


async def test_the_same_breakage_is_told_again_once_the_file_was_well(desk: Desk) -> None:
    for wrong in ([refused(A, 3)], [], [refused(A, 3)]):
        await desk.keeper.keep(in_force(version(A), wrong=wrong))
    assert len(desk.shelf.told) == 2


async def test_a_restart_tells_no_breakage_again(desk: Desk) -> None:
    state = in_force(version(A), wrong=[refused(A, 3)])
    await desk.keeper.keep(state)
    await desk.restarted().keep(state)
    assert len(desk.shelf.told) == 1


async def test_a_file_without_a_good_version_is_told_and_not_kept(desk: Desk) -> None:
    await desk.keeper.keep(in_force(wrong=[refused(A, 3, has_version=False)]))
    await desk.keeper.keep(in_force(wrong=[refused(A, 3, has_version=False)]))
    (failure,) = desk.shelf.told
    assert "none of its rules are in force" in failure.detail
    assert desk.shelf.files == {}


async def test_on_a_shared_store_the_node_is_named(desk: Desk) -> None:
    await desk.restarted("node-1").keep(in_force(version(A), wrong=[refused(A, 3)]))
    assert desk.shelf.told[0].detail.startswith("its last good version stays in force on node-1\n")


async def test_what_the_store_cannot_take_is_offered_until_it_can(desk: Desk) -> None:
    desk.shelf.is_away = True
    with capture_logs() as logs:
        await desk.keeper.keep(in_force(version(A), wrong=[refused(A, 3)]))
        for _ in range(3):
            desk.pause.advance(AGAIN_S)
            await asyncio.sleep(0.01)
        assert desk.shelf.writes == []
        desk.shelf.is_away = False
        desk.pause.advance(AGAIN_S)
        await asyncio.sleep(0.01)
    assert len(desk.shelf.told) == 1
    assert list(desk.shelf.files) == [str(A)]
    assert [log["event"] for log in logs] == ["rule_files_not_kept"]


async def test_what_is_newest_is_written_where_the_store_was_away_for_long(desk: Desk) -> None:
    desk.shelf.is_away = True
    await desk.keeper.keep(in_force(version(A)))
    desk.shelf.is_away = False
    # Something new is written at once, without waiting for the next try.
    await desk.keeper.keep(in_force(version(A, "two")))
    assert desk.shelf.files[str(A)].text == "two"
