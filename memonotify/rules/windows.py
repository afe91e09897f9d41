"""A window that a rule counts in, as a frozen value; the loader makes it, the engine reads it."""

from __future__ import annotations

from dataclasses import dataclass

from memonotify.rules.match import Match
from memonotify.templating.environment import Expression, Text
from memonotify.windowing import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What of the events that `match` fits, and for which `when` holds, is counted for each key `by`, over `within_s`.

    `amount` gives what is summed, where that is what it measures. `digest` follows from all that decides what is
    counted, and from nothing else: rules with the same window share what is kept.
    """

    name: str
    measure: Measure
    match: Match
    by: Text
    within_s: float
    digest: str
    when: Expression | None = None
    amount: Expression | None = None

    @property
    def parts(self) -> tuple[Expression | Text, ...]:
        """The texts that it reads events with."""
        return tuple(part for part in (self.by, self.when, self.amount) if part is not None)
