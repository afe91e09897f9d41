"""The one thread that writes, with group commit.

Operations of the event loop queue up here; while one transaction commits, the next batch builds, and all that waits
goes into one transaction. So an fsync is shared by everybody who waits for it, without a timer. A `Lane` is the SQL of
one kind of operation: it takes all arguments of its kind in the batch and answers each in turn. Operations that wait
at the same time have no order among themselves. `Store` calls `submit`; nothing else writes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from memonotify.errors import StoreError, StoreUnavailable, StoreUnusable
from memonotify.metrics import Metrics
from memonotify.model import Clock
from memonotify.store.backend import Backend
from memonotify.store.trouble import Trouble

Argument = TypeVar("Argument")
Result = TypeVar("Result")
Lane = Callable[[Connection, Sequence[Argument]], Sequence[Result]]
_Operation = tuple[Lane[Any, Any], Any, "asyncio.Future[Any]"]

_MAX_BATCH: Final = 512
_EAGER: Final = 16
"""So many waiting operations wake the thread at once: it commits beside a long turn of the loop, not after it."""

_BEAT_S: Final = 1.0
_CONFLICT_TRIES: Final = 5
"""So often a transaction that met another node's is begun anew, before the callers are told to come again."""

_CONFLICT_PAUSE_S: Final = 0.01
"""After the first of these, and longer after each: the other one has to get what it waited for, or they meet again."""


class Writer:
    """Owns the writing connection from `start` to `stop`.

    `connect` opens the connection; it is called in the thread, at the start and again after a failure that may have
    broken it. `before_commit` is called in the thread before each commit; a fault is injected by raising there.
    `whole` are lanes that write by one statement, which is a transaction by itself where nothing else goes with it:
    that spares two of the three times at which a commit waits for a busy loop to hand over the interpreter's lock.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        connect: Callable[[], Connection],
        clock: Clock,
        metrics: Metrics | None = None,
        before_commit: Callable[[], None] | None = None,
        whole: frozenset[Lane[Any, Any]] = frozenset(),
    ) -> None:
        self._backend = backend
        self._connect = connect
        self._clock = clock
        self._metrics = metrics
        self._before_commit = before_commit
        self._whole = whole
        self._trouble = Trouble(clock)
        self._waiting: deque[_Operation] = deque()
        self._signal = threading.Event()
        self._is_waking = False
        self._stopping = False
        self._beat = clock.monotonic()
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._thread: threading.Thread | None = None

    async def start(self, first: Callable[[Connection], None]) -> None:
        """Start the thread, connect, and run `first` on the connection; raises what these raise."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        started = self._loop.create_future()
        # A daemon thread: a second SIGTERM ends the process without waiting for a stuck disk.
        self._thread = threading.Thread(target=self._run, args=(first, started), name="store-writer", daemon=True)
        self._thread.start()
        await started

    def submit(self, lane: Lane[Argument, Result], argument: Argument) -> asyncio.Future[Result]:
        """Queue one operation; the future is done after the commit that holds it.

        It fails with StoreUnavailable where nothing could be written, and with StoreUnusable where never again will be.
        """
        loop = self._loop
        if loop is None or self._stopping:
            raise StoreUnavailable("the store is closed")
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((lane, argument, future))
        if len(self._waiting) == _EAGER:
            self._signal.set()
        elif not self._is_waking:
            # Once a turn of the loop, at its end: what arrives in one turn goes together.
            self._is_waking = True
            loop.call_soon(self._wake)
        return future

    def _wake(self) -> None:
        self._is_waking = False
        self._signal.set()

    def is_alive(self, within_s: float) -> bool:
        """Return whether the thread made progress, or waited for work, within the last seconds."""
        thread = self._thread
        return thread is not None and thread.is_alive() and self._clock.monotonic() - self._beat <= within_s

    async def stop(self) -> None:
        """Write what waits, close the connection and end the thread."""
        self._stopping = True
        self._signal.set()
        if self._ended is not None:
            await asyncio.shield(self._ended)
        self._thread = None

    def _run(self, first: Callable[[Connection], None], started: asyncio.Future[None]) -> None:
        try:
            self._connection = self._connect()
            first(self._connection)
        except Exception as error:  # noqa: BLE001 - handed to whoever called start
            self._disconnect()
            self._tell(_answer, started, self._backend.translate(error))
            self._tell(_answer, self._ended, None)
            return
        self._tell(_answer, started, None)
        while True:
            self._signal.wait(_BEAT_S)
            self._signal.clear()
            self._beat = self._clock.monotonic()
            self._trouble.beat()
            while batch := self._take():
                self._tell(_answer_all, batch, self._write(batch))
                self._beat = self._clock.monotonic()
            # What was queued in the instant before the end is still owed an answer.
            if self._stopping and not self._waiting:
                break
        self._disconnect()
        self._tell(_answer, self._ended, None)

    def _take(self) -> list[_Operation]:
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(len(waiting), _MAX_BATCH))]

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        assert self._loop is not None  # noqa: S101 - set before the thread starts
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop is closed: nobody is left to hear, and what was committed stays committed.
            self._stopping = True

    def _write(self, batch: list[_Operation]) -> list[Any]:
        """Return each operation's result, or the error that it failed with."""
        tries = 1
        while True:
            try:
                results = self._commit(batch)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                if self._metrics is not None:
                    self._metrics.store_errors.inc()
                is_conflict = self._backend.is_conflict(error)
                if is_conflict and tries < _CONFLICT_TRIES:
                    time.sleep(tries * _CONFLICT_PAUSE_S)
                    tries += 1
                    continue
                said = self._backend.translate(error)
                if isinstance(said, (StoreUnavailable, StoreUnusable)):
                    self._trouble.failed(said)
                if is_conflict or self._backend.is_passing(error):
                    self._disconnect()
                    return [said] * len(batch)
                if len(batch) == 1:
                    return [said]
                break
            self._trouble.worked()
            return results
        # One of them is at fault, and not the disk: alone, each gets what it deserves.
        return [self._write([operation])[0] for operation in batch]

    def _commit(self, batch: list[_Operation]) -> list[Any]:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        only = batch[0][0]
        if only in self._whole and all(lane == only for lane, _, _ in batch):
            if self._before_commit is not None:
                self._before_commit()
            taken = list(only(connection, [argument for _, argument, _ in batch]))
            if self._metrics is not None:
                self._metrics.store_commits.inc()
            return taken
        lanes: dict[Lane[Any, Any], list[int]] = {}
        for index, (lane, _, _) in enumerate(batch):
            lanes.setdefault(lane, []).append(index)
        results: list[Any] = [None] * len(batch)
        with connection.begin():
            for lane, indexes in lanes.items():
                answers = lane(connection, [batch[index][1] for index in indexes])
                for index, answer in zip(indexes, answers, strict=True):
                    results[index] = answer
            if self._before_commit is not None:
                self._before_commit()
        if self._metrics is not None:
            self._metrics.store_commits.inc()
        return results

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # It is thrown away because it failed: that it fails once more says nothing new.
            with contextlib.suppress(Exception):
                connection.close()


def _answer(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _answer_all(batch: Sequence[_Operation], results: Sequence[Any]) -> None:
    for (_, _, future), result in zip(batch, results, strict=True):
        if future.done():
            continue
        if isinstance(result, StoreError):
            # Each waiter raises its own: a shared one would gather everybody's traceback.
            future.set_exception(type(result)(*result.args))
        elif isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
