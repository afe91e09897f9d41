"""Puts edited rules in force while the daemon runs, and keeps in force what was good where an edit is wrong.

In: `reload`, from a command, a signal or the watcher. Out: the rules in force, a report of what changed, log lines,
metrics, and what the keeper writes. Everything that can fail is done in a thread before anything changes here; then the
rules are exchanged in one step. The app makes, starts and stops it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memonotify.config.values import Config
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Clock
from memonotify.reloading.keeping import Keeper, Shelf, breakage_of
from memonotify.reloading.report import CONFIG_CHANGED, LISTED, Reloaded, consequence
from memonotify.reloading.stamps import Stamps, folders_of, stamps_of
from memonotify.reloading.watcher import Changes, Look, Watcher, changes_in
from memonotify.rules.difference import Difference, difference
from memonotify.rules.inforce import files_read, let_go, load
from memonotify.rules.values import Ruleset
from memonotify.rules.versions import InForce


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a load brought and changed, the stamps of the files from before it, and a digest of the configuration's."""

    in_force: InForce
    difference: Difference
    stamps: Stamps
    config_digest: str


class Reloader:
    """The rules in force. `in_force` is what the start has loaded, `node` the name under which the store keeps it.

    `on_failures` hears of a failure that was written; `changes` and `pause` are handed to the watcher.
    """

    def __init__(
        self,
        config: Config,
        in_force: InForce,
        *,
        shelf: Shelf,
        node: str,
        clock: Clock,
        metrics: Metrics,
        on_failures: Callable[[], None],
        changes: Changes = changes_in,
        pause: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.in_force = in_force
        self._config = config
        self._metrics = metrics
        self._keeper = Keeper(shelf=shelf, node=node, clock=clock, on_failures=on_failures, pause=pause)
        self._watcher = Watcher(
            look=lambda: asyncio.to_thread(self._look),
            loaded=lambda: self._stamps,
            reload=lambda: self.reload("watch"),
            changes=changes,
            pause=pause,
        )
        self._stamps: Stamps | None = None
        self._config_digest = self._config_told = _digest(config.path)
        self._logged: dict[Path, str] = {}
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Reloaded] | None = None
        self._tasks: set[asyncio.Task[Reloaded]] = set()

    @property
    def ruleset(self) -> Ruleset:
        """The rules in force; another object after a reload, never changed in place."""
        return self.in_force.ruleset

    async def start(self) -> None:
        """Keep what the start has loaded, tell what is wrong with it, and begin to watch where that is configured."""
        self._announce(self.in_force)
        await self._keeper.keep(self.in_force)
        if self._config.watch:
            await self._watcher.start()

    async def stop(self, drain_s: float) -> None:
        """Stop watching and loading. A load that runs goes on in its thread, and is not used any more."""
        await self._watcher.stop(drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keeper.stop()

    def request(self, cause: str) -> None:
        """Load soon; what comes of it is in the log."""
        self._begin(cause)

    async def reload(self, cause: str) -> Reloaded:
        """Load the files as they are from now on, put what is good in force, and return what changed.

        Who asks while a load waits for its turn shares that load. `cause` is a word for the log.
        """
        return await asyncio.shield(self._begin(cause))

    def _begin(self, cause: str) -> asyncio.Task[Reloaded]:
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn(cause), name="reload")
            self._tasks.add(self._next)
            self._next.add_done_callback(self._ended)
        return self._next

    def _ended(self, task: asyncio.Task[Reloaded]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._metrics.reloads.labels("failed").inc()
            logger().error("reload_failed", error=type(error).__name__, exc_info=error)

    async def _in_turn(self, cause: str) -> Reloaded:
        async with self._turn:
            self._next = None
            # Beside the loop: many rules take seconds, and the webhook answers meanwhile.
            read = await asyncio.to_thread(self._read, self.in_force)
            replaced = [self.in_force]
            self.in_force = read.in_force
            self._stamps = read.stamps
            reloaded = Reloaded(
                in_force=read.in_force,
                difference=read.difference,
                remarks=self._remarks(read.config_digest),
            )
            self._say(reloaded, cause)
            await self._keeper.keep(read.in_force)
            await asyncio.to_thread(let_go, replaced)
            return reloaded

    def _read(self, before: InForce) -> _Read:
        # The stamps first: what changes while it is read has another one afterwards.
        stamps = stamps_of(files_read(self._config, before))
        digest = _digest(self._config.path)
        in_force = load(self._config, before)
        stamps |= stamps_of(files_read(self._config, in_force) - stamps.keys())
        changed = difference(before.ruleset, in_force.ruleset)
        return _Read(in_force=in_force, difference=changed, stamps=stamps, config_digest=digest)

    def _look(self) -> Look:
        files = files_read(self._config, self.in_force)
        return Look(stamps=stamps_of(files), folders=folders_of(self._config, files))

    def _remarks(self, config_digest: str) -> tuple[str, ...]:
        if config_digest == self._config_digest:
            self._config_told = config_digest
            return ()
        if config_digest != self._config_told:
            self._config_told = config_digest
            logger().warning("config_changed", file=str(self._config.path), hint="restart to use it")
        return (CONFIG_CHANGED,)

    def _say(self, reloaded: Reloaded, cause: str) -> None:
        self._metrics.reloads.labels("ok" if reloaded.is_well else "refused").inc()
        self._announce(reloaded.in_force)
        counts = _counts(reloaded.difference)
        rules, refused = len(reloaded.in_force.ruleset.rules), len(reloaded.in_force.refused)
        if cause == "watch" and reloaded.difference.is_empty:
            logger().debug("rules_unchanged", cause=cause, rules=rules, refused=refused)
        else:
            logger().info("rules_reloaded", cause=cause, rules=rules, refused=refused, **counts)

    def _announce(self, in_force: InForce) -> None:
        """Log each breakage once, and each file that is well again."""
        self._metrics.rules.set(len(in_force.ruleset.rules))
        self._metrics.files_refused.set(len(in_force.refused))
        breakages = {refused.path: breakage_of(refused) for refused in in_force.refused}
        for refused in in_force.refused:
            if self._logged.get(refused.path) == breakages[refused.path]:
                continue
            for problem in refused.problems[:LISTED]:
                logger().error(
                    "rule_file_refused",
                    file=refused.file,
                    problem=str(problem),
                    problems=len(refused.problems),
                    consequence=consequence(refused),
                )
        for path in self._logged.keys() - breakages.keys():
            logger().info("rule_file_well", file=str(path), is_there=path in in_force.versions)
        self._logged = breakages


def _counts(found: Difference) -> dict[str, int]:
    return {"added": len(found.added), "changed": len(found.changed), "removed": len(found.removed)}


def _digest(path: Path) -> str:
    """Return a digest of a file's bytes; empty where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
