"""What a window's figures mean for the event at hand, and a window's entries in memory. Pure.

In: what the other resources in the window make up, and what the event at hand adds. Out: the value that a rule's
expressions see. The engine calls `figure`; the backtest keeps `Entries` in the store's place.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Final

from memonotify.model import said_at
from memonotify.windowing import Figures, Measure, WindowEntry, WindowSpan

_EXACT: Final = Context(prec=60)
MAX_AMOUNT: Final = 2**63 - 1
"""What a database counts with, in the currency's smallest unit."""

Value = int | Decimal | bool


def figure(measure: Measure, others: Figures, *, counts: bool, amount: int, decimals: int) -> Value:
    """Return a window's value for an event.

    `others` are the other resources. `counts` says whether the event's own is one of those that the window counts, with
    `amount` of a currency that has so many `decimals`.
    """
    if measure is Measure.FIRST_SEEN:
        return others.count == 0
    if measure is Measure.COUNT:
        return others.count + counts
    return Decimal(others.amount + (amount if counts else 0)).scaleb(-decimals, _EXACT)


def moment_of(date: str, received_at: datetime) -> datetime:
    """Return when an event happened: as the bank says, but not after it came in. Where the bank gives no date, then.

    Late events count where they belong, and a clock of the bank's that is ahead moves nothing into the future.
    """
    try:
        return min((said_at(date) or received_at).astimezone(UTC), received_at)
    except OverflowError:
        return received_at


class Entries:
    """Windows' entries in memory, answering as the store does. It grows with what the windows count."""

    def __init__(self) -> None:
        self._by_resource: dict[tuple[str, str, str, str], WindowEntry] = {}
        self._by_key: dict[tuple[str, str, str], list[WindowEntry]] = {}

    def add(self, entry: WindowEntry) -> None:
        """Add an entry, in place of that of an earlier event about the same resource."""
        place = (entry.window, entry.workspace, entry.resource_type, entry.resource_id)
        before = self._by_resource.get(place)
        if before is not None:
            if before.event_seq > entry.event_seq:
                return
            self._by_key[before.window, before.workspace, before.key].remove(before)
        self._by_resource[place] = entry
        insort(self._by_key.setdefault((entry.window, entry.workspace, entry.key), []), entry, key=_at)

    def figures(self, span: WindowSpan) -> Figures:
        """Return what there is in a span."""
        entries = self._by_key.get((span.window, span.workspace, span.key), [])
        chosen = entries[bisect_right(entries, span.after, key=_at) : bisect_right(entries, span.until, key=_at)]
        others = [
            entry
            for entry in chosen
            if (entry.resource_type, entry.resource_id) != (span.resource_type, span.resource_id)
            and (span.measure is not Measure.SUM or entry.currency == span.currency)
        ]
        return Figures(count=len(others), amount=sum(entry.amount for entry in others))


def _at(entry: WindowEntry) -> datetime:
    return entry.at
