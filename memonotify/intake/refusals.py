"""Logs refused requests and faults without letting a flood of them flood the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from memonotify.logs import logger
from memonotify.model import Clock

_EVERY_S: Final = 1.0


class _Seldom:
    """Lets one of each kind through in a second, and counts the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def let_through(self, kind: str) -> int | None:
        """Return how many were left out since the last one, or None where this one is left out too."""
        now = self._clock.monotonic()
        if now - self._last.get(kind, -_EVERY_S) < _EVERY_S:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._last[kind] = now
        return self._left_out.pop(kind, 0)


class RefusalLog:
    """One line a second and code at most; the next line says how many were left out in between.

    It is told the webhook's troubles; `answered` counts an answer by its status.
    """

    def __init__(self, clock: Clock, answered: Callable[[int], None]) -> None:
        self._seldom = _Seldom(clock)
        self.answered = answered

    def add(self, code: str, **fields: object) -> None:
        """Log a refusal of this code, or count it where the last line is younger than a second."""
        left_out = self._seldom.let_through(code)
        if left_out is not None:
            logger().warning("webhook_refused", code=code, left_out=left_out, **fields)

    def malformed(self, error: str, peer: str) -> None:
        """Log what was no HTTP request, by the class of its error."""
        self.add("bad_request", status=400, peer=peer or "unknown", error=error)

    def failed(self, error: str, place: str) -> None:
        """Log a fault of ours, by class and place."""
        left_out = self._seldom.let_through("failed")
        if left_out is not None:
            logger().error("webhook_error", error=error, at=place, left_out=left_out)

    def left(self, error: str) -> None:
        """Log a caller that went away in the middle of its request."""
        logger().debug("webhook_connection", error=error)


class AdminLog:
    """The same for the admin listener and the control socket."""

    def __init__(self, clock: Clock) -> None:
        self._seldom = _Seldom(clock)

    def malformed(self, error: str, peer: str) -> None:
        """Log what was no HTTP request, by the class of its error."""
        left_out = self._seldom.let_through("malformed")
        if left_out is not None:
            logger().warning("admin_refused", peer=peer or "unknown", error=error, left_out=left_out)

    def failed(self, error: str, place: str) -> None:
        """Log a fault of ours, by class and place."""
        left_out = self._seldom.let_through("failed")
        if left_out is not None:
            logger().error("admin_error", error=error, at=place, left_out=left_out)

    def left(self, error: str) -> None:
        """Say nothing: whoever asks may stop asking."""

    def answered(self, status: int) -> None:
        """Count nothing: these requests have no metric."""
