"""Logs refused webhook requests without letting a flood of them flood the log."""

from __future__ import annotations

from typing import Final

from memonotify.logs import logger
from memonotify.model import Clock

_EVERY_S: Final = 1.0


class RefusalLog:
    """One line a second and code at most; the next line says how many were left out in between."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def add(self, code: str, **fields: object) -> None:
        """Log a refusal of this code, or count it where the last line is younger than a second."""
        now = self._clock.monotonic()
        if now - self._last.get(code, -_EVERY_S) < _EVERY_S:
            self._left_out[code] = self._left_out.get(code, 0) + 1
            return
        self._last[code] = now
        logger().warning("webhook_refused", code=code, left_out=self._left_out.pop(code, 0), **fields)
