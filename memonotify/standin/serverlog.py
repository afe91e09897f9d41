"""The log of the stand-in's HTTP servers.

Comes in: what aiohttp says of a request; goes out: the same, but of a request that it could not read only what kind of
error it is. A fault of the stand-in itself keeps its traceback: it is a tool for people at a terminal.
"""

from __future__ import annotations

import logging
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError


class _Unquoted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args = "a request was not well-formed: %s", (type(error).__name__,)
            record.exc_info = None
        return True


SERVER_LOG: Final = logging.getLogger("memonotify.standin")
SERVER_LOG.addFilter(_Unquoted())
