"""The nouns of what happens at a time: a Schedule that the store keeps, and a Job that the scheduler runs for it.

A job is one rule in one workspace. The scheduler keeps a row for each, with its next moment; when that has come, it
runs the job and writes what the job made and the moment after it together. Reports are jobs; whatever else is due by
the clock is another kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from memonotify.holding import StateChange
from memonotify.model import Failure, NewDelivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What the store keeps of one job. `due_at` is the moment it runs for next, `try_at` when it is run: later where
    `attempts` have failed. `last_at` is the moment for which it ran last. `digest` changes whenever its moments do;
    `begun_at` is since when the job is known with it."""

    workspace: str
    rule: str
    digest: str
    due_at: datetime
    try_at: datetime
    attempts: int = 0
    last_at: datetime | None = None
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One run of a job. `due_at` is the moment it is for, however late it is `now`; `last_at` the one before, if any.

    With `is_last`, there is no other try: what is not there now is not there. `begun_at` is since when the job is known
    with its present moments, None where nobody noted it.
    """

    due_at: datetime
    last_at: datetime | None
    now: datetime
    is_last: bool
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a job made: messages, perhaps none, and what somebody must hear of. Where one of `changes` does
    not hold any more, nothing of it is written, and the job is run again. Ids of deliveries are derived from the
    workspace, the rule, `due_at` and the entry, so that a job that runs twice makes nothing twice."""

    deliveries: tuple[NewDelivery, ...] = ()
    failures: tuple[Failure, ...] = ()
    changes: tuple[StateChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """The job could not be done now, and may be later. `after_s` is how long to wait at least."""

    reason: str
    after_s: float = 0.0


class Job(Protocol):
    """One rule in one workspace that is due by the clock."""

    @property
    def workspace(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def makes_up(self) -> bool:
        """Whether each moment counts, however late: those that nothing ran for are made up for, one after the other."""
        ...

    def next_after(self, moment: datetime) -> datetime | None:
        """Return its first moment behind another, None where there is none any more."""
        ...

    async def run(self, occasion: Occasion) -> Made | NotYet:
        """Do it. NotYet is no answer where the occasion `is_last`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Realignment:
    """What brings the rows in step with the rules: new ones, those whose moments changed, and those whose rule is gone.

    A row is changed or removed only where it is still as it was read.
    """

    added: tuple[Schedule, ...] = ()
    changed: tuple[tuple[Schedule, Schedule], ...] = ()
    removed: tuple[Schedule, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether all is in step already."""
        return not (self.added or self.changed or self.removed)
