"""The threads that read: a few connections that cannot write, so that no query ever holds up the loop or the writer.

`Store` calls `run` with a function over a connection; all its queries see one moment of the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine

from memonotify.errors import StoreUnavailable
from memonotify.store.backend import Backend

Result = TypeVar("Result")

CONNECTIONS: Final = 3


class Readers:
    """Owns the threads and the reading connections until `close`."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._engine: Engine = backend.reading_engine(CONNECTIONS)
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="store-reader")
        self._closed = False

    async def run(self, query: Callable[[Connection], Result]) -> Result:
        """Return what the query returns.

        Raises:
            StoreUnavailable: the database could not be read now, or the store is closed.
            StoreUnusable: the database is damaged.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._query, query)

    def _query(self, query: Callable[[Connection], Result]) -> Result:
        try:
            with self._engine.connect() as connection:
                return query(connection)
        except Exception as error:
            translated = self._backend.translate(error)
            if translated is error:
                raise
            raise translated from error

    async def close(self) -> None:
        """Wait for queries that run, then close the connections."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
            self._engine.dispose()
