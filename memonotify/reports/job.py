"""A report as a job of the scheduler: one rule in one workspace. `ReportJobs` makes them of the rules in force.

Comes in: an occasion. Goes out: the messages, or "not yet" while the bank is away and there is still time. The figures
of a moment are those of the period that ends at it, however late it runs; balances are those of when it runs.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from memonotify.metrics import Metrics
from memonotify.model import Clock, Mode, NewDelivery
from memonotify.openitems import OpenItems
from memonotify.reports.asking import Asked, Asking, Bank, Period
from memonotify.reports.figures import Data, Days, by_day, figures
from memonotify.reports.writing import with_charts, written
from memonotify.rules.match import fits
from memonotify.rules.reports import Report
from memonotify.rules.values import Rule, Ruleset
from memonotify.schedules import Made, NotYet, Occasion
from memonotify.timetable import Timetable

CHART_DAYS: Final = 7
MOST_CHART_DAYS: Final = 31
"""A chart has at least a week, so that a day can be compared, and at most a month, so that it can be read."""

WIRES_SINCE: Final = timedelta(days=30)
"""A wire transfer that has waited longer for its document has long been given up by the bank."""

IsBusinessDay = Callable[[date, str], bool]
"""Whether a day is a business day of the calendar of that name."""

Pause = Callable[[float], Awaitable[object]]


class Openings(Protocol):
    """What is used of the store."""

    async def open_items(self, workspace: str, since: datetime) -> OpenItems: ...


def period_of(report: Report, due_at: datetime, last_at: datetime | None) -> Period:
    """Return the period of a report: so many days by the clock on the wall, or from the last one on, until `due_at`."""
    zone = ZoneInfo(report.timezone)
    until = due_at.astimezone(zone)
    since = until - timedelta(days=report.days or 1) if report.days or last_at is None else last_at
    days = min(max((due_at - since).days, CHART_DAYS), MOST_CHART_DAYS)
    first = datetime.combine(until.date() - timedelta(days=days - 1), time(), tzinfo=zone)
    return Period(since=since.astimezone(UTC), until=due_at, chart_since=first.astimezone(UTC))


class Compiling:
    """Makes the report of one rule in one workspace. `bank` is None where that has no API; `store` is None where there
    is none to ask yet."""

    def __init__(
        self,
        rule: Rule,
        workspace: str,
        *,
        bank: Bank | None,
        store: Openings | None,
        clock: Clock,
        locale: str,
        pause: Pause = asyncio.sleep,
    ) -> None:
        if rule.report is None:
            raise ValueError(f"the rule {rule.name} is no report")
        self.report = rule.report
        self._rule = rule
        self._workspace = workspace
        self._bank = bank
        self._store = store
        self._clock = clock
        self._locale = locale
        self._pause = pause

    async def asked(self, period: Period) -> Asked:
        """Ask the bank."""
        return await Asking(self._bank, clock=self._clock, pause=self._pause).ask(period)

    async def data(self, asked: Asked, period: Period) -> tuple[Data, Days]:
        """Return what messages see, and the days of the charts.

        Raises:
            StoreError: the store cannot be asked now.
        """
        now = self._clock.now()
        items = None if self._store is None else await self._store.open_items(self._workspace, now - WIRES_SINCE)
        found = figures(asked, items, period, globs=self.report.accounts, now=now)
        days = by_day(asked, found["accounts"], period, ZoneInfo(self.report.timezone))
        return with_charts(found, days, self._locale), days

    async def messages(self, data: Data, days: Days, due_at: datetime) -> tuple[NewDelivery, ...]:
        """Return the messages. They are written in a thread: a chart takes some hundredths of a second."""
        now = self._clock.now()
        return await asyncio.to_thread(
            written, self._rule, self._workspace, data, days, due_at=due_at, now=now, locale=self._locale
        )


class ReportJob:
    """One report rule in one workspace."""

    makes_up = False

    def __init__(
        self, rule: Rule, workspace: str, compiling: Compiling, metrics: Metrics, is_open: IsBusinessDay
    ) -> None:
        report = compiling.report
        self.rule = rule.name
        self.workspace = workspace
        words = f"report\0{report.schedule}\0{report.timezone}\0{report.business_days}"
        self.digest = hashlib.sha256(words.encode()).hexdigest()
        self._compiling = compiling
        self._metrics = metrics
        calendar = report.business_days
        opens = (lambda day: is_open(day, calendar)) if calendar else None
        self._timetable = Timetable(report.schedule, report.timezone, opens)

    def next_after(self, moment: datetime) -> datetime | None:
        """Return its first moment behind another."""
        return self._timetable.next_after(moment)

    async def run(self, occasion: Occasion) -> Made | NotYet:
        """Make the report; where the bank is away, not yet, or without what it did not give.

        Raises:
            StoreError: the store cannot be asked now.
        """
        period = period_of(self._compiling.report, occasion.due_at, occasion.last_at)
        asked = await self._compiling.asked(period)
        error = asked.may_come
        if error is not None and not occasion.is_last:
            return NotYet(reason=f"{error.reason}: {error.detail}", after_s=error.retry_after_s or 0.0)
        data, days = await self._compiling.data(asked, period)
        made = await self._compiling.messages(data, days, occasion.due_at)
        for new in made:
            if new.notification.render_error:
                self._metrics.render_errors.labels(self.rule).inc()
        return Made(deliveries=made)


class ReportJobs:
    """The jobs of the rules in force, made anew only where those are others."""

    def __init__(
        self,
        *,
        ruleset: Callable[[], Ruleset],
        banks: Mapping[str, Bank],
        store: Openings,
        is_business_day: IsBusinessDay,
        clock: Clock,
        metrics: Metrics,
        locale: str,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._ruleset = ruleset
        self._banks = banks
        self._store = store
        self._is_business_day = is_business_day
        self._clock = clock
        self._metrics = metrics
        self._locale = locale
        self._pause = pause
        self._of: Ruleset | None = None
        self._made: tuple[ReportJob, ...] = ()

    def __call__(self) -> Sequence[ReportJob]:
        """Return them."""
        ruleset = self._ruleset()
        if ruleset is not self._of:
            self._made = tuple(
                self._job(rule, workspace)
                for rule in ruleset.rules
                if rule.report is not None and rule.mode is not Mode.OFF
                for workspace in self._banks
                if fits(rule.match.workspace, workspace)
            )
            self._of = ruleset
        return self._made

    def _job(self, rule: Rule, workspace: str) -> ReportJob:
        compiling = Compiling(
            rule,
            workspace,
            bank=self._banks[workspace],
            store=self._store,
            clock=self._clock,
            locale=self._locale,
            pause=self._pause,
        )
        return ReportJob(rule, workspace, compiling, self._metrics, self._is_business_day)
