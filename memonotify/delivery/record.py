"""What a lane tells the outside: metrics by result, and one log line for each settled delivery.

In: results, settlements, errors. Out: counters, and structured lines whose event words are stable: `delivery_sent`,
`delivery_retry`, `delivery_dead`, `delivery_kept`, `delivery_lease_lost`, `channel_down`, `channel_up`,
`channel_fault`, `lane_stumbled`. Of an error nobody expected only its type and place are told, never its text: that may
hold an address or a credential.
"""

from __future__ import annotations

import traceback

from prometheus_client import Counter

from memonotify.errors import CallError, Reason, StoreError
from memonotify.logs import logger
from memonotify.metrics import Metrics
from memonotify.model import Delivery, DeliveryState, NewDelivery, Receipt, Settlement


class Record:
    """The record of one channel. Metric children are looked up once."""

    def __init__(self, metrics: Metrics, channel: str) -> None:
        self._metrics = metrics
        self._channel = channel
        self._log = logger().bind(channel=channel)
        self._attempts: dict[str, Counter] = {}
        self._states: dict[str, Counter] = {}
        self._seconds = metrics.attempt_seconds.labels(channel)
        self._breaker_open = metrics.breaker_open.labels(channel)
        self._breaker_open.set(0)

    def attempted(self, result: Receipt | CallError, seconds: float) -> None:
        """Count one attempt."""
        word = result.reason.value if isinstance(result, CallError) else "ok"
        counter = self._attempts.get(word)
        if counter is None:
            counter = self._attempts[word] = self._metrics.attempts.labels(self._channel, word)
        counter.inc()
        self._seconds.observe(seconds)

    def settled(self, outcome: Settlement) -> None:
        """Count and log a settlement that is written, and each part of it."""
        delivery, attempt = outcome.delivery, outcome.attempt
        if outcome.state is DeliveryState.SENT:
            self._end(DeliveryState.SENT)
            self._log.info("delivery_sent", **_which(delivery), attempt=attempt.number, status=attempt.status)
        elif outcome.state is DeliveryState.DEAD:
            self._end(DeliveryState.DEAD)
            self._log.error("delivery_dead", **_which(delivery), **_why(attempt.number, attempt.reason, attempt.detail))
        else:
            self._log.warning(
                "delivery_retry",
                **_which(delivery),
                **_why(attempt.number, attempt.reason, attempt.detail),
                due_at=outcome.due_at.isoformat() if outcome.due_at else None,
            )
        for part in outcome.parts:
            self._part(part)

    def _part(self, part: NewDelivery) -> None:
        why = _why(part.attempts, part.reason, part.detail)
        if part.state is DeliveryState.DEAD:
            self._end(DeliveryState.DEAD)
            self._log.error("delivery_dead", **_which(part), **why)
        else:
            self._log.warning("delivery_retry", **_which(part), **why, due_at=part.due_at.isoformat())

    def kept(self, outcome: Settlement, error: StoreError) -> None:
        """Log that the store could not take a settlement and that it is kept."""
        self._log.warning("delivery_kept", **_which(outcome.delivery), state=outcome.state.value, error=str(error))

    def lost(self, outcome: Settlement) -> None:
        """Log that a settlement came too late: somebody else holds the delivery by now."""
        self._log.warning("delivery_lease_lost", **_which(outcome.delivery), state=outcome.state.value)

    def breaker(self, *, is_open: bool, reason: Reason | None) -> None:
        """Show that the channel is taken to be down, or to be well again."""
        self._breaker_open.set(int(is_open))
        if is_open:
            self._log.error("channel_down", reason=reason.value if reason else None)
        else:
            self._log.info("channel_up")

    def faulted(self, error: BaseException) -> None:
        """Log an error that a channel must not raise."""
        self._log.error("channel_fault", error=type(error).__name__, at=_place(error))

    def stumbled(self, error: BaseException) -> None:
        """Log an error in the lane itself; a store that is away is told in its own words."""
        text = {"detail": str(error)} if isinstance(error, StoreError) else {"at": _place(error)}
        self._log.error("lane_stumbled", error=type(error).__name__, **text)

    def _end(self, state: DeliveryState) -> None:
        counter = self._states.get(state)
        if counter is None:
            counter = self._states[state] = self._metrics.settled.labels(self._channel, state.value)
        counter.inc()


def _which(delivery: Delivery | NewDelivery) -> dict[str, str]:
    return {"delivery": delivery.id, "event_id": delivery.event_id, "rule": delivery.rule}


def _why(attempt: int, reason: Reason | None, detail: str) -> dict[str, str | int | None]:
    return {"attempt": attempt, "reason": reason.value if reason else None, "detail": detail}


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
