"""The job of a deadline: what was expected by then has come, or its rule speaks. `ExpectJobs` makes them of the rules.

In: an occasion of the scheduler. Out: the messages of a miss, taken through their stages, and what is remembered of the
deadline; or "not yet" while an event that may be the one still waits, or may still be on its way because nothing ran
here when the deadline was over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from memonotify.engine.asks import Asking
from memonotify.engine.evaluate import Hours, Memory, recalled
from memonotify.engine.expecting import deadlines
from memonotify.engine.stages import Passage, Step, in_step, stages
from memonotify.errors import RenderError
from memonotify.holding import Ending, Hold, Policy, StateChange
from memonotify.metrics import Metrics
from memonotify.model import (
    Branch,
    Clock,
    DeliveryState,
    Event,
    EventState,
    Mode,
    NewDelivery,
    Notification,
    delivery_id,
)
from memonotify.policies.deadlines import Period
from memonotify.policies.expect import KEPT, Course, Remembered, happened_at, remembered
from memonotify.policies.mode import SHADOW
from memonotify.rules.match import fits
from memonotify.rules.values import Entry, Rule, Ruleset
from memonotify.schedules import Made, NotYet, Occasion
from memonotify.templating.messages import annotate, with_severity

MOST_LOOKED_AT = 1000
"""So many events that wait are looked at, the newest first; of more, nobody needs to know the exact number."""

_OFF = "nothing ran here when the deadline was over: the bank may still repeat what it could not deliver"

Context = Mapping[str, Any]


class Shelf(Memory, Protocol):
    """What is used of the store."""

    async def policy_states(
        self, workspace: str, rule: str, policy: Policy, *, limit: int
    ) -> list[tuple[str, str]]: ...
    async def events(self, *, state: EventState | None, workspace: str | None, limit: int) -> list[Event]: ...


def context_of(
    rule: Rule, workspace: str, period: Period, *, last: Mapping[str, str] | None, waiting: int = 0
) -> Context:
    """Return the names that the messages of a miss see. `last` is the event that came before, `waiting` how many are
    not evaluated yet."""
    return {
        "expected": {
            "by": period.by.isoformat(),
            "since": period.since.isoformat(),
            "rule": rule.name,
            "last": last,
            "waiting": waiting,
        },
        "workspace": {"name": workspace},
    }


class Missing:
    """Writes the messages of one rule for one deadline that was missed. `changes` is what their stages remember.

    Its messages are made by a generator that asks, as `decide` is: the job answers from the store, a test from nothing.
    """

    def __init__(self, rule: Rule, workspace: str, context: Context, *, at: datetime) -> None:
        self._rule = rule
        self._workspace = workspace
        self._context = context
        self._at = at
        self.changes: list[StateChange] = []

    def messages(self, key: str, note: str) -> Asking[list[NewDelivery]]:
        """Return those of `notify`, and those of `escalate`, which wait. `key` is that of the deadline."""
        made = []
        for entry in self._rule.notify:
            new = self._message(entry, Branch.NOTIFY, key, note)
            if new is not None:
                made.append((yield from self._passed(new)))
        if any(new.state is not DeliveryState.SUPPRESSED for new in made):
            made += self._escalations(key, note)
        return made

    def _passed(self, new: NewDelivery) -> Asking[NewDelivery]:
        if self._rule.mode is Mode.SHADOW:
            return replace(new, state=DeliveryState.SUPPRESSED, detail=SHADOW)
        passage = Passage(
            name=self._rule.name,
            rule=self._rule,
            branch=new.branch,
            entry=new.entry,
            channel=new.notification.channel,
            workspace=self._workspace,
            event={},
            resource=None,
            at=self._at,
        )
        step: Step = yield from stages(passage)
        self.changes += step.changes
        return in_step(new, step)

    def _escalations(self, key: str, note: str) -> list[NewDelivery]:
        made = []
        for step in self._rule.escalate:
            until = self._at + timedelta(seconds=step.after_s)
            hold = Hold(policy=Policy.ESCALATE, until=until, ending=Ending(expect_key=key))
            for entry in step.entries:
                new = self._message(entry, Branch.ESCALATE, key, note)
                if new is not None:
                    made.append(
                        replace(new, state=DeliveryState.HELD, due_at=until, hold=hold, detail=Policy.ESCALATE.value)
                    )
        return made

    def _message(self, entry: Entry, branch: Branch, key: str, note: str) -> NewDelivery | None:
        """Make one message; None where its own `when` does not hold."""
        error, payload = "", None
        try:
            if entry.when is not None and not entry.when.holds(self._context):
                return None
            payload = entry.message.render(self._context)
        except RenderError as failed:
            error = f"message: {failed}"
        except Exception as failed:  # noqa: BLE001 - whatever a value does to the text, no alert is lost
            error = f"message: {type(failed).__name__} while it was evaluated"
        if payload is None:
            payload = entry.message.plain(_facts(self._context), error=error, rule=self._rule.name)
        if note:
            payload = annotate(entry.channel_type, payload, note)
        payload = with_severity(payload, self._rule.severity)
        return NewDelivery(
            id=delivery_id(self._workspace, key, self._rule.name, branch, entry.index, salt=Policy.EXPECT),
            workspace=self._workspace,
            event_id="",
            rule=self._rule.name,
            branch=branch,
            entry=entry.index,
            notification=Notification(channel=entry.channel, payload=payload, render_error=error),
            created_at=self._at,
            due_at=self._at,
        )


def _facts(context: Context) -> dict[str, Any]:
    """Return what the plain form says: the deadline in the place of an event."""
    expected = context["expected"]
    event = {"event_type": "has not come", "date": expected["by"]}
    return {"event": event, "resource": None, "workspace": context["workspace"]}


class ExpectJob:
    """One rule with `expect` in one workspace. `since` is when this process began: a deadline that was over before may
    have been missed only here."""

    makes_up = True

    def __init__(
        self,
        rule: Rule,
        workspace: str,
        *,
        store: Shelf,
        hours: Mapping[str, Hours],
        clock: Clock,
        metrics: Metrics,
        since: datetime,
    ) -> None:
        if rule.expect is None:
            raise ValueError(f"the rule {rule.name} expects nothing")
        self.rule = rule.name
        self.workspace = workspace
        self.digest = hashlib.sha256(f"expect\0{rule.expect.words}".encode()).hexdigest()
        self._of = rule
        self._deadlines = deadlines(rule.expect)
        self._store = store
        self._hours = hours
        self._clock = clock
        self._metrics = metrics
        self._since = since

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first moment behind another at which a deadline is judged."""
        return self._deadlines.due_after(moment)

    async def run(self, occasion: Occasion) -> Made | NotYet:
        """Judge a deadline.

        Raises:
            StoreError: the store cannot be asked now.
        """
        period = self._deadlines.period_due_at(occasion.due_at)
        if await self._store.policy_state(self.workspace, self.rule, Policy.EXPECT, period.key) is not None:
            # It came; or it is told already, by the words that the rule had before.
            return Made()
        if occasion.begun_at is not None and occasion.begun_at > period.since:
            return Made(changes=(self._remember(period, Course.SKIPPED),))
        waiting = await self._waiting(period)
        was_off = occasion.due_at < self._since
        if not occasion.is_last and (waiting or was_off):
            return NotYet(reason=f"{_events(waiting)} not evaluated yet" if waiting else _OFF)
        return await self._missed(period, waiting, _note(waiting, was_off=was_off))

    async def _missed(self, period: Period, waiting: int, note: str) -> Made:
        context = context_of(self._of, self.workspace, period, last=await self._last(period), waiting=waiting)
        missing = Missing(self._of, self.workspace, context, at=self._clock.now())
        made = await self._answered(missing.messages(period.key, note))
        for new in made:
            if new.notification.render_error:
                self._metrics.render_errors.labels(self.rule).inc()
        return Made(deliveries=tuple(made), changes=(self._remember(period, Course.MISSED), *missing.changes))

    async def _answered(self, making: Asking[list[NewDelivery]]) -> list[NewDelivery]:
        answer: object = None
        while True:
            try:
                ask = making.send(answer)
            except StopIteration as stop:
                made: list[NewDelivery] = stop.value
                return made
            answer = await recalled(ask, self._store, self._hours, self.workspace, self.rule, self._clock.now())

    def _remember(self, period: Period, course: Course) -> StateChange:
        return StateChange(
            workspace=self.workspace,
            rule=self.rule,
            policy=Policy.EXPECT,
            key=period.key,
            old=None,
            new=Remembered(course=course).text,
            expires_at=max(period.by, self._clock.now()) + KEPT,
        )

    async def _waiting(self, period: Period) -> int:
        """Count the events that are taken in but not evaluated, and may be the one that is expected."""
        match = self._of.match
        found = await self._store.events(state=EventState.RECEIVED, workspace=self.workspace, limit=MOST_LOOKED_AT)
        return sum(
            match.fits(event.event_type, event.resource_type, event.workspace)
            and period.holds(happened_at(event.date, event.received_at))
            for event in found
        )

    async def _last(self, period: Period) -> dict[str, str] | None:
        """Return the last event that came before, None where none is known."""
        known = await self._store.policy_states(self.workspace, self.rule, Policy.EXPECT, limit=MOST_LOOKED_AT)
        for key, text in known:
            one = remembered(text)
            if one is not None and one.event_id and key < period.key:
                return {"id": one.event_id, "date": one.date}
        return None


def _events(count: int) -> str:
    return "one event is" if count == 1 else f"{count} events are"


def _note(waiting: int, *, was_off: bool) -> str:
    if waiting:
        return f"{_events(waiting)} still not evaluated, and may be what was expected"
    return _OFF if was_off else ""


class ExpectJobs:
    """The jobs of the rules in force, made anew only where those are others."""

    def __init__(
        self,
        *,
        ruleset: Callable[[], Ruleset],
        workspaces: Sequence[str],
        store: Shelf,
        hours: Mapping[str, Hours],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._ruleset = ruleset
        self._workspaces = tuple(workspaces)
        self._store = store
        self._hours = hours
        self._clock = clock
        self._metrics = metrics
        self._since = clock.now()
        self._of: Ruleset | None = None
        self._made: tuple[ExpectJob, ...] = ()

    def __call__(self) -> Sequence[ExpectJob]:
        """Return them."""
        ruleset = self._ruleset()
        if ruleset is not self._of:
            self._made = tuple(
                self._job(rule, workspace)
                for rule in ruleset.rules
                if rule.expect is not None and rule.mode is not Mode.OFF
                for workspace in self._workspaces
                if fits(rule.match.workspace, workspace)
            )
            self._of = ruleset
        return self._made

    def _job(self, rule: Rule, workspace: str) -> ExpectJob:
        return ExpectJob(
            rule,
            workspace,
            store=self._store,
            hours=self._hours,
            clock=self._clock,
            metrics=self._metrics,
            since=self._since,
        )
