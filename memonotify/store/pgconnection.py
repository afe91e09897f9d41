"""A connection to PostgreSQL that does not wait for ever.

`PostgresBackend` makes it, in place of psycopg's own. Imported only where the store is on PostgreSQL.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from typing import Any

import psycopg


class PatientConnection(psycopg.Connection[Any]):
    """psycopg's connection, which raises OperationalError where a statement had no answer for `answer_s`.

    A server that is stopped, or a pooler that has none to give, keeps its side of the connection open: no timeout of
    the network's ever fires then, nor one of the server's own.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answer_s = math.inf

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """Do what psycopg does step by step, within the bound; past it the connection is closed."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        until_s = time.monotonic() + self.answer_s
        try:
            wanted = next(steps)
            while True:
                # Nothing is ready, every now and then: psycopg looks whether it was interrupted.
                is_ready = yield wanted
                if not is_ready and time.monotonic() >= until_s:
                    # Whatever it answers later nobody waits for any more.
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"the server gave no answer within {self.answer_s:g} s")
                wanted = steps.send(is_ready)
        except StopIteration as end:
            return end.value
