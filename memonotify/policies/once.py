"""`once`: the first message for a key speaks, later ones are told already. Pure.

In: what is remembered of the key, the moment, what the rule says. Out: a verdict, and what to remember from now on. The
engine's `decide` calls it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SAID: Final = "said"
WAITS: Final = "waits"
DROPPED: Final = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceVerdict:
    """Whether to speak; `wait_until` is when, where a better event is worth waiting for.

    `remember` is what to remember (None: as before), until `expires_at`. `overtakes`: what waits for the key is told by
    this message.
    """

    speaks: bool
    remember: str | None = None
    expires_at: datetime | None = None
    wait_until: datetime | None = None
    overtakes: bool = False
    detail: str = ""


def once(remembered: str | None, at: datetime, *, within_s: float, wait_s: float | None) -> OnceVerdict:
    """Decide for one event of a key. `wait_s` is None where this event is as good as any, or the preferred one."""
    within = timedelta(seconds=within_s)
    memory = None if remembered is None else _Memory.read(remembered)
    # A clock that was far ahead and was set right must not keep a key quiet until it gets there again.
    if memory is None or memory.kind == DROPPED or not -within < at - memory.since < within:
        return _first(at, within, wait_s)
    if memory.until is not None and at < memory.until and wait_s is None:
        until = memory.since + within
        return OnceVerdict(speaks=True, remember=said(memory.since), expires_at=until, overtakes=True)
    told = "is about to be told" if memory.until is not None and at < memory.until else "was told"
    return OnceVerdict(
        speaks=False, detail=f"once: it {told} already, for an event of {memory.since.isoformat(timespec='seconds')}"
    )


def _first(at: datetime, within: timedelta, wait_s: float | None) -> OnceVerdict:
    until = None if wait_s is None else at + timedelta(seconds=wait_s)
    memory = _Memory(kind=SAID if until is None else WAITS, since=at, until=until)
    return OnceVerdict(speaks=True, remember=memory.written(), expires_at=at + within, wait_until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """Since when a key is told; `until` where its message waits that long for a better event.

    One that waited and was DROPPED then is not told.
    """

    kind: str
    since: datetime
    until: datetime | None

    @classmethod
    def read(cls, text: str) -> _Memory:
        kind, since, *until = text.split(" ")
        waits = datetime.fromisoformat(until[0]) if kind == WAITS else None
        return cls(kind=kind, since=datetime.fromisoformat(since), until=waits)

    def written(self) -> str:
        moments = (self.since,) if self.until is None else (self.since, self.until)
        return " ".join((self.kind, *(moment.isoformat() for moment in moments)))


def said(since: datetime) -> str:
    """Return what is remembered of a key that was told at a moment."""
    return _Memory(kind=SAID, since=since, until=None).written()


def gone_on(remembered: str, *, is_told: bool) -> str | None:
    """Return what to remember once a message that waited has gone on, or was dropped then; None where nothing changes.

    Of several messages of the key, one that goes on is enough: it is told.
    """
    memory = _Memory.read(remembered)
    if memory.kind == SAID or (memory.kind == DROPPED and not is_told):
        return None
    return _Memory(kind=SAID if is_told else DROPPED, since=memory.since, until=None).written()
