"""Who may write: one process at a time holds an advisory lock on the file beside the database.

Takes the store's URL from the configuration. `Store.open` acquires, the commands ask `is_locked` to learn whether a
daemon runs and `control_socket` where to reach it. Imports nothing heavy.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from memonotify.errors import StoreInUse, StoreUnusable

_PREFIX: Final = "sqlite:///"
_RUN: Final = Path("/run/memonotify")
_TRIES: Final = 5
_PAUSE_S: Final = 0.05


def is_shared(url: str) -> bool:
    """Return whether a store's URL names a database that several daemons may write to."""
    return not url.startswith(_PREFIX)


def database_path(url: str) -> Path:
    """Return the file that a store's URL names.

    Raises:
        StoreUnusable: the URL is not `sqlite:///` and a file.
    """
    name = url.removeprefix(_PREFIX)
    if name == url or name in ("", ":memory:"):
        raise StoreUnusable(f"the store must be {_PREFIX} and a file's path, or postgresql:// and a server")
    return Path(name)


def lock_path(url: str) -> Path:
    """Return the file whose lock the writing process holds."""
    path = database_path(url)
    return path.with_name(path.name + ".lock")


def control_socket(url: str, config: Path) -> Path:
    """Return where the daemon of this configuration listens for commands: beside the store's file; where the store is a
    server, in /run/memonotify if that folder is there, else beside the configuration."""
    if is_shared(url):
        return (_RUN if _RUN.is_dir() else config.parent) / "memonotify.sock"
    path = database_path(url)
    return path.with_name(path.name + ".sock")


def is_locked(url: str) -> bool:
    """Return whether some process has the store, a file, open for writing."""
    try:
        descriptor = os.open(lock_path(url), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreUnusable(f"{lock_path(url)}: cannot be read ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class WriterLock:
    """The lock itself, held from `acquire` to `release`; the kernel lets go of it when the process dies."""

    def __init__(self, url: str) -> None:
        self._path = lock_path(url)
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; blocks for a quarter of a second at most.

        A command that asks `is_locked` holds the lock for an instant, so one refusal proves nothing.

        Raises:
            StoreInUse: another process holds it; the sentence names its process id.
            StoreUnusable: the lock's file cannot be made.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnusable(
                f"{self._path}: cannot be written ({error.strerror}); give the daemon's user a folder of its own"
            ) from error
        try:
            self._lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def _lock(self, descriptor: int) -> None:
        for remaining in range(_TRIES - 1, -1, -1):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not remaining:
                    raise StoreInUse(self._sentence(descriptor)) from None
                time.sleep(_PAUSE_S)
            else:
                return

    def _sentence(self, descriptor: int) -> str:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        process = f"process {holder}" if holder.isdigit() else "another process"
        database = self._path.with_name(self._path.name.removesuffix(".lock"))
        return f"{database} is in use by {process}: stop that one first, or give this one a store of its own"

    def release(self) -> None:
        """Let go of the lock. The file stays: removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()
