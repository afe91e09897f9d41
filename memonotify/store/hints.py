"""Hints from the other nodes on PostgreSQL: that there are events nobody has yet. They spare a wait, never decide.

`listen` calls back for each notification, on the event loop, until it is cancelled. A notification that is lost costs
the second until the store is looked at anyway. Behind a pooler that hands each transaction to another session nothing
can be listened to; then there are no hints. Facts: https://www.postgresql.org/docs/current/sql-notify.html.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from memonotify.logs import logger

CHANNEL: Final = "memonotify"
NOTIFY: Final = f"NOTIFY {CHANNEL}"
_AGAIN_S: Final = 5.0


async def listen(connect: Callable[[], Any], failure: type[Exception], on_hint: Callable[[], None]) -> None:
    """Listen on a connection that `connect` makes (an awaitable of psycopg's), and on a new one where it breaks."""
    while True:
        try:
            async with await connect() as connection:
                if not await _is_own_session(connection):
                    logger().debug("no_hints", detail="a pooler stands before the database")
                    return
                await connection.execute(f"LISTEN {CHANNEL}")
                on_hint()
                async for _ in connection.notifies():
                    on_hint()
        except failure:
            await asyncio.sleep(_AGAIN_S)


async def _is_own_session(connection: Any) -> bool:
    """Return whether the session that answers is the one that was opened; a pooler invents the number it opens with."""
    row = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    return bool(row[0] == connection.info.backend_pid)
