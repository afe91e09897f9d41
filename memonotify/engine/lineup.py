"""Which of the messages that rules make now are those that they made then. Pure.

In: one event's stored deliveries and the messages that are due now. Out: a Lineup. The backtest tells by it what would
change, the replay what was sent already.

A message is known again by rule, branch, entry and channel. Where an entry was put in or taken out, the others have
moved: what is left over on both sides is paired by rule, branch and channel, in order. So a message does not count as
another one because of its neighbour, and a replay sends none again for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memonotify.model import Branch, Delivery, NewDelivery

Place = tuple[str, Branch, int, str]
_Course = tuple[str, Branch, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A message that is due now, and the deliveries of it that there are: one, or more where it was sent again."""

    now: NewDelivery
    then: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """`met` has every message that is due now, in order; `gone` the deliveries that none of them is."""

    met: tuple[Met, ...]
    gone: tuple[tuple[Delivery, ...], ...]


def lined_up(then: Sequence[Delivery], now: Sequence[NewDelivery]) -> Lineup:
    """Pair the messages of one event."""
    left = _by_place(then)
    found: dict[int, tuple[Delivery, ...]] = {}
    for index, new in enumerate(now):
        same = left.pop((new.rule, new.branch, new.entry, new.notification.channel), None)
        if same is not None:
            found[index] = same
    for index, new in enumerate(now):
        if index not in found:
            place = _first(left, (new.rule, new.branch, new.notification.channel))
            if place is not None:
                found[index] = left.pop(place)
    return Lineup(
        met=tuple(Met(now=new, then=found.get(index, ())) for index, new in enumerate(now)),
        gone=tuple(left.values()),
    )


def _by_place(then: Iterable[Delivery]) -> dict[Place, tuple[Delivery, ...]]:
    found: dict[Place, tuple[Delivery, ...]] = {}
    for old in sorted(then, key=lambda each: (each.rule, each.branch, each.entry)):
        place = (old.rule, old.branch, old.entry, old.channel)
        found[place] = (*found.get(place, ()), old)
    return found


def _first(left: Iterable[Place], course: _Course) -> Place | None:
    return next((place for place in left if (place[0], place[1], place[3]) == course), None)
