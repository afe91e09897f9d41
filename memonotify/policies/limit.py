"""`limit`: at most so many messages within a sliding time; what is over it waits until there is room. Pure.

In: when the last messages of a key went, as remembered, the moment, what the rule says. Out: a verdict. The stages call
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitVerdict:
    """Whether a message passes; if so, what to `remember` until `expires_at`, else when there is `room_at`."""

    passes: bool
    room_at: datetime
    remember: str = ""
    expires_at: datetime | None = None


def limit(remembered: str | None, at: datetime, *, count: int, per_s: float) -> LimitVerdict:
    """Decide for one message of a key."""
    per = timedelta(seconds=per_s)
    # Moments ahead of the clock by more than the whole time come from one that was wrong.
    times = sorted(time for time in _read(remembered) if -per < at - time < per)
    if len(times) >= count:
        return LimitVerdict(passes=False, room_at=times[-count] + per)
    times.append(at)
    return LimitVerdict(
        passes=True,
        room_at=at,
        remember=" ".join(time.isoformat() for time in sorted(times)),
        expires_at=max(times) + per,
    )


def _read(remembered: str | None) -> list[datetime]:
    return [datetime.fromisoformat(text).astimezone(UTC) for text in (remembered or "").split()]
