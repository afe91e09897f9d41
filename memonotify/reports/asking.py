"""What a report asks of the bank: accounts and transactions, page by page, leaving most of the quota to the events.

In: the bank's client and a period. Out: an Asked, with a sentence for whatever is missing in it. The job calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from memonotify.errors import FetchError, Reason
from memonotify.memobank.quota import Quota
from memonotify.model import Clock, Snapshot

Item = Mapping[str, Any]

PAGE: Final = 100
MOST_PAGES: Final = 20
"""Of one list: two thousand movements. A report is for people; who has more looks at the bank's own statement."""

KEPT_FOR_EVENTS: Final = 0.5
"""What a report leaves of the quota in each window, so that no event waits for it."""

LONGEST_WAIT_S: Final = 120.0
"""In all, for the quota."""


class Bank(Protocol):
    """What is used of the bank's client."""

    quota: Quota

    async def fetch(self, path: str) -> Snapshot: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """`since` is included, `until` is not. `chart_since` is where the chart begins: before `since`, or later."""

    since: datetime
    until: datetime
    chart_since: datetime

    @property
    def begins_at(self) -> datetime:
        """From when on transactions are needed."""
        return min(self.since, self.chart_since)


@dataclass(slots=True, kw_only=True)
class Asked:
    """What the bank gave; None: it did not. `known_since`: transactions before may be missing, since there were more
    than are read. `missing` says in sentences what is not there, `errors` are why, in the same order."""

    accounts: list[Item] | None = None
    transactions: list[Item] | None = None
    known_since: datetime | None = None
    scheduled: list[Item] | None = None
    missing: list[str] = field(default_factory=list)
    errors: list[FetchError] = field(default_factory=list)

    @property
    def may_come(self) -> FetchError | None:
        """The first error after which it is worth asking again."""
        return next((error for error in self.errors if error.is_retried), None)


@dataclass(frozen=True, slots=True)
class _Listed:
    items: list[Item]
    is_whole: bool


class Asking:
    """Asks one bank for one report. `pause` waits for seconds; no bank: all is missing."""

    def __init__(self, bank: Bank | None, *, clock: Clock, pause: Callable[[float], Awaitable[object]]) -> None:
        self._bank = bank
        self._clock = clock
        self._pause = pause
        self._patience_s = LONGEST_WAIT_S

    async def ask(self, period: Period) -> Asked:
        """Ask for everything; what cannot be had is missing. Never raises FetchError."""
        asked = Asked()
        accounts = await self._try(asked, "the balances are", "/v2/accounts", {})
        asked.accounts = None if accounts is None else accounts.items
        span = {"start_date": _written(period.begins_at), "end_date": _written(period.until)}
        movements = await self._try(asked, "the movements are", "/v2/transactions", span)
        if movements is not None:
            asked.transactions = movements.items
            if not movements.is_whole:
                asked.known_since = executed_at(movements.items[-1]) if movements.items else period.until
        to_come = {"start_date": _written(self._clock.now()), "order_by": "execution_date"}
        scheduled = await self._try(asked, "what is to come is", "/v2/transactions", to_come, most=2)
        asked.scheduled = None if scheduled is None else scheduled.items
        return asked

    async def _try(
        self, asked: Asked, what: str, path: str, query: Mapping[str, str], *, most: int = MOST_PAGES
    ) -> _Listed | None:
        try:
            return await self._pages(path, query, most)
        except FetchError as error:
            asked.missing.append(f"{what} unknown: {error.detail}")
            asked.errors.append(error)
            return None

    async def _pages(self, path: str, query: Mapping[str, str], most: int) -> _Listed:
        found: list[Item] = []
        more: dict[str, str] = {}
        for _ in range(most):
            body = await self._page(f"{path}?{urlencode({**query, 'size': str(PAGE), **more})}")
            found += [item for item in body["results"] if isinstance(item, dict)]
            token = body.get("next_page_token")
            if not isinstance(token, str) or not token:
                return _Listed(found, is_whole=True)
            more = {"page_token": token}
        return _Listed(found, is_whole=False)

    async def _page(self, target: str) -> Mapping[str, Any]:
        if self._bank is None:
            raise FetchError(Reason.CONFIGURATION, "the workspace has no api")
        wait_s = self._bank.quota.spare_wait_s(self._clock.monotonic(), KEPT_FOR_EVENTS)
        if wait_s > self._patience_s:
            raise FetchError(Reason.RATE_LIMITED, "the bank's quota is kept for events", retry_after_s=wait_s)
        if wait_s > 0:
            self._patience_s -= wait_s
            await self._pause(wait_s)
        body = (await self._bank.fetch(target)).body
        if not isinstance(body, dict) or not isinstance(body.get("results"), list):
            raise FetchError(Reason.INVALID_RESPONSE, "the bank's answer is no list")
        return body


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def executed_at(item: Item) -> datetime | None:
    """Return when a transaction is executed, None where that cannot be read."""
    text = item.get("execution_date")
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
