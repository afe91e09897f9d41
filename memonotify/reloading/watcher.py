"""Loads the rules again when their files change: in place of a signal, where the configuration says `watch: true`.

In: what the operating system says of the folders (`changes`), and a look at the files every few seconds. Out: one
reload for all that changed within a moment. The app starts and stops it.

What the system says is only a hint to look. Whether to load is decided by the files' stamps, so that an editor's
temporary files load nothing, and a change that the system does not tell of (a network file system, a folder mounted
over another) is found at the next look.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memonotify.logs import logger
from memonotify.reloading.stamps import Stamp, Stamps

LOOK_S: Final = 5.0
"""How often the files are looked at even if nobody says that something changed."""

QUIET_S: Final = 0.2
"""Files that did not change for so long are taken to be written to their end."""

MOST_QUIET_S: Final = 3.0
"""After this, what is there is loaded, though it may still be changing."""

Changes = Callable[[Collection[Path]], AsyncGenerator[object, None]]
"""Yields whenever something in one of the folders may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at the files found: the files' stamps, and the folders to watch with what tells each apart."""

    stamps: Stamps
    folders: Mapping[Path, Stamp]


async def gathered(look: Callable[[], Awaitable[Look]], first: Look, pause: Callable[[float], Awaitable[Any]]) -> Look:
    """Return the files as they are when they have been quiet for a moment; `first` is what a look found just now."""
    waited_s = 0.0
    last = first
    while waited_s < MOST_QUIET_S:
        await pause(QUIET_S)
        waited_s += QUIET_S
        now = await look()
        if now.stamps == last.stamps:
            return now
        last = now
    return last


class Watcher:
    """Watches from `start` to `stop`.

    `look` looks at the files, `loaded` returns the stamps of the files that the last load has read (None: not known),
    `reload` loads them; `pause` waits for seconds.
    """

    def __init__(
        self,
        *,
        look: Callable[[], Awaitable[Look]],
        loaded: Callable[[], Stamps | None],
        reload: Callable[[], Awaitable[object]],
        changes: Changes,
        pause: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._look = look
        self._loaded = loaded
        self._reload = reload
        self._changes = changes
        self._pause = pause
        self._is_deaf = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name="watcher")

    async def stop(self, _drain_s: float) -> None:
        """End; a change that comes now is seen by the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except Exception:  # noqa: BLE001 - logged with its traceback; the watcher outlives it
                logger().exception("watcher_stumbled")
                await self._pause(LOOK_S)

    async def _watch(self) -> None:
        """Watch the folders that there are, until they are others or nothing is heard of them."""
        folders = (await self._look()).folders
        async with contextlib.aclosing(_Ear(self._changes(tuple(folders)))) as ear:
            # It listens before the first look, so nothing passes between the two.
            await ear.listen()
            while True:
                found = await self._look()
                if found.stamps != self._loaded():
                    found = await gathered(self._look, found, self._pause)
                    if found.stamps != self._loaded():
                        await self._reload()
                        found = await self._look()
                if found.folders != folders:
                    return
                await ear.wait(lambda: self._pause(LOOK_S))
                self._tell(ear.trouble)
                if ear.trouble:
                    await self._pause(LOOK_S)
                    return

    def _tell(self, trouble: str) -> None:
        """Say once that changes are not heard of, for as long as it lasts."""
        if trouble and not self._is_deaf:
            logger().warning("watch_without_notifications", detail=trouble, look_s=LOOK_S)
        self._is_deaf = bool(trouble)


class _Ear:
    """Hears of changes until it is closed. Where that fails, `trouble` says why."""

    def __init__(self, changes: AsyncGenerator[object, None]) -> None:
        self.trouble = ""
        self._changes = changes
        self._heard: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        self._heard = asyncio.create_task(self._hear())
        # Its first step, up to where it waits, is what begins to watch.
        await asyncio.sleep(0)

    async def _hear(self) -> None:
        try:
            await anext(self._changes)
        except StopAsyncIteration:
            self.trouble = "there is no folder to watch"
        except Exception as error:  # noqa: BLE001 - whatever it is, the files are looked at all the same
            self.trouble = str(error) or type(error).__name__

    async def wait(self, timer: Callable[[], Awaitable[Any]]) -> None:
        """Wait for a change, or for the timer."""
        if self._heard is None:
            return
        time = asyncio.ensure_future(timer())
        try:
            await asyncio.wait({time, self._heard}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            time.cancel()
            await asyncio.gather(time, return_exceptions=True)
        if self._heard.done() and not self.trouble:
            await self.listen()

    async def aclose(self) -> None:
        if self._heard is not None:
            self._heard.cancel()
            await asyncio.gather(self._heard, return_exceptions=True)
        await self._changes.aclose()


async def changes_in(folders: Collection[Path]) -> AsyncGenerator[object, None]:
    """Yield whenever the operating system says that something right in one of the folders changed."""
    from watchfiles import awatch

    if not folders:
        return
    heard = awatch(*folders, watch_filter=None, recursive=False, step=100, debounce=1000, ignore_permission_denied=True)
    async with contextlib.aclosing(heard):
        async for _ in heard:
            yield None
