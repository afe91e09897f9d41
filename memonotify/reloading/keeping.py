"""Keeps the last good version of each rule file in the store, and has each breakage told once.

In: what is in force. Out: the rows that changed, and a failure for each breakage that nobody was told of yet, in one
transaction, so that neither a crash nor a restart tells twice. Where the store cannot be written, it is tried again.
The reloader calls it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from memonotify.errors import Reason, StoreError
from memonotify.logs import logger
from memonotify.model import Clock, Failure, FailureKind, KeptFile
from memonotify.reloading.report import LISTED, consequence
from memonotify.rules.versions import NOTHING, InForce, Refused

AGAIN_S: Final = 5.0
"""How long to wait where the store could not be written."""

KEEP_WAIT_S: Final = 5.0
"""Nobody waits longer than this for what is to be written; it is written all the same."""


class Shelf(Protocol):
    """What is used of the store."""

    async def kept_files(self, node: str, /) -> list[KeptFile]: ...
    async def keep_files(
        self, node: str, files: Sequence[KeptFile], /, *, gone: Sequence[str], told: Sequence[tuple[str, str, Failure]]
    ) -> None: ...


class Keeper:
    """Keeps the files of one node; `node` is empty where the store serves one. `on_failures` hears of a failure."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        node: str,
        clock: Clock,
        on_failures: Callable[[], None],
        pause: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._shelf = shelf
        self._node = node
        self._clock = clock
        self._on_failures = on_failures
        self._pause = pause
        self._kept: dict[str, KeptFile] | None = None
        self._told: dict[str, str] = {}
        self._wanted: InForce = NOTHING
        self._is_due = False
        self._task: asyncio.Task[None] | None = None
        self._wait: asyncio.Future[Any] | None = None
        self._tried = asyncio.Event()

    async def keep(self, in_force: InForce) -> None:
        """Write what changed; returns after the first attempt, or `KEEP_WAIT_S`, whether or not it is written then."""
        self._wanted = in_force
        self._is_due = True
        self._tried.clear()
        if self._wait is not None:
            self._wait.cancel()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="rule-files")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KEEP_WAIT_S):
                await self._tried.wait()

    async def stop(self) -> None:
        """Give up what is not written yet."""
        self._tried.set()
        doing = [each for each in (self._task, self._wait) if each is not None]
        for each in doing:
            each.cancel()
        await asyncio.gather(*doing, return_exceptions=True)
        self._task = None

    async def _work(self) -> None:
        is_waiting = False
        while self._is_due:
            self._is_due = False
            try:
                await self._write(self._wanted)
            except Exception as error:  # noqa: BLE001 - what is in force stays so, whatever is wrong with the store
                self._is_due = True
                if not is_waiting:
                    is_waiting = True
                    detail = str(error) if isinstance(error, StoreError) else type(error).__name__
                    logger().warning("rule_files_not_kept", detail=detail)
                self._tried.set()
                # Ended early where there is something newer to write.
                self._wait = asyncio.ensure_future(self._pause(AGAIN_S))
                await asyncio.wait([self._wait])
                self._wait = None
        self._tried.set()

    async def _write(self, in_force: InForce) -> None:
        if self._kept is None:
            self._kept = {file.path: file for file in await self._shelf.kept_files(self._node)}
            self._told = {file.path: file.breakage for file in self._kept.values() if file.breakage}
        breakages = {str(refused.path): breakage_of(refused) for refused in in_force.refused}
        wanted = _files(in_force, breakages)
        changed = [file for path, file in wanted.items() if self._kept.get(path) != file]
        gone = [path for path in self._kept if path not in wanted]
        told = [
            (str(refused.path), breakages[str(refused.path)], self._failure(refused))
            for refused in in_force.refused
            if self._told.get(str(refused.path)) != breakages[str(refused.path)]
        ]
        if changed or gone or told:
            await self._shelf.keep_files(self._node, changed, gone=gone, told=told)
        self._kept, self._told = wanted, breakages
        if told:
            self._on_failures()

    def _failure(self, refused: Refused) -> Failure:
        problems = [str(problem) for problem in refused.problems[:LISTED]]
        if len(refused.problems) > LISTED:
            problems.append(f"… and {len(refused.problems) - LISTED} more")
        node = f" on {self._node}" if self._node else ""
        return Failure(
            kind=FailureKind.FILE_REFUSED,
            workspace="",
            event_id="",
            rule="",
            channel="",
            reason=Reason.CONFIGURATION,
            detail="\n".join([f"{consequence(refused)}{node}", *problems]),
            at=self._clock.now(),
            file=refused.file,
        )


def breakage_of(refused: Refused) -> str:
    """Return a digest of what is wrong with a file: the same as long as the same is wrong at the same places."""
    digest = hashlib.sha256()
    for problem in refused.problems:
        digest.update(f"{problem.line}\0{problem.column}\0{problem.message}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _files(in_force: InForce, breakages: Mapping[str, str]) -> dict[str, KeptFile]:
    return {
        str(path): KeptFile(
            path=str(path),
            text=version.text,
            templates=dict(version.templates),
            breakage=breakages.get(str(path), ""),
        )
        for path, version in in_force.versions.items()
    }
