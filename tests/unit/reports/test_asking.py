"""A report asks page by page, stops at a bound, and leaves the events their quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fakes import ManualClock

from memonotify.errors import FetchError, Reason
from memonotify.memobank.quota import Quota
from memonotify.model import Snapshot
from memonotify.reports.asking import LONGEST_WAIT_S, MOST_PAGES, Asking, Period

UNTIL = datetime(2026, 3, 2, 8, tzinfo=UTC)
PERIOD = Period(since=UNTIL - timedelta(days=1), until=UNTIL, chart_since=UNTIL - timedelta(days=7))


class ABank:
    """Answers with `pages` pages of each list, or raises what `failing` has for a path; `limit` calls a minute."""

    def __init__(self, clock: ManualClock, *, pages: int = 1, limit: int = 1000) -> None:
        self.quota = Quota()
        self.asked: list[tuple[str, dict[str, list[str]], float]] = []
        self.failing: dict[str, FetchError] = {}
        self._clock, self._pages, self._limit, self._left = clock, pages, limit, limit

    async def fetch(self, path: str) -> Snapshot:
        parts, now = urlsplit(path), self._clock.monotonic()
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query, now))
        if parts.path in self.failing:
            raise self.failing[parts.path]
        self.quota.begin()
        left = self._limit - sum(1 for _, _, at in self.asked if at // 60 == now // 60)
        headers = {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": str(60 - int(now % 60)),
        }
        self.quota.observe(headers, now=now)
        self.quota.end(answered=True)
        number = int(query.get("page_token", ["1"])[0])
        moment = (UNTIL - timedelta(hours=number)).isoformat()
        body: dict[str, Any] = {"results": [{"id": number, "execution_date": moment}]}
        if number < self._pages:
            body["next_page_token"] = str(number + 1)
        return Snapshot(path=path, fetched_at=self._clock.now(), status=200, body=body)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


def asking(bank: ABank | None, clock: ManualClock) -> Asking:
    async def pause(seconds: float) -> None:
        clock.advance(seconds)

    return Asking(bank, clock=clock, pause=pause)


async def test_every_page_is_read_by_its_token() -> None:
    bank = ABank(clock := ManualClock(), pages=3)
    asked = await asking(bank, clock).ask(PERIOD)
    assert asked.accounts is not None
    assert [account["id"] for account in asked.accounts] == [1, 2, 3]
    assert [query.get("page_token") for path, query, _ in bank.asked if path == "/v2/accounts"] == [None, ["2"], ["3"]]
    assert {query["size"][0] for _, query, _ in bank.asked} == {"100"}
    assert asked.known_since is None


async def test_movements_are_asked_for_from_the_chart_s_beginning_to_the_end_of_the_period() -> None:
    bank = ABank(clock := ManualClock())
    await asking(bank, clock).ask(PERIOD)
    query = next(query for path, query, _ in bank.asked if path == "/v2/transactions")
    assert (query["start_date"], query["end_date"]) == (["2026-02-23T08:00:00Z"], ["2026-03-02T08:00:00Z"])


async def test_a_list_without_end_is_cut_and_how_far_back_it_reaches_is_known() -> None:
    bank = ABank(clock := ManualClock(), pages=10_000, limit=10_000)
    asked = await asking(bank, clock).ask(PERIOD)
    assert len(asked.transactions or ()) == MOST_PAGES
    assert asked.known_since == UNTIL - timedelta(hours=MOST_PAGES)


async def test_half_of_the_quota_is_left_to_events() -> None:
    bank = ABank(clock := ManualClock(), pages=MOST_PAGES, limit=20)
    await asking(bank, clock).ask(PERIOD)
    by_window: dict[float, int] = {}
    for _, _, at in bank.asked:
        by_window[at // 60] = by_window.get(at // 60, 0) + 1
    assert max(by_window.values()) <= 10


async def test_a_quota_that_comes_back_too_late_is_not_waited_for() -> None:
    bank = ABank(clock := ManualClock(), pages=10_000, limit=10)
    asked = await asking(bank, clock).ask(PERIOD)
    assert clock.monotonic() <= LONGEST_WAIT_S
    assert asked.may_come is not None
    assert asked.may_come.reason is Reason.RATE_LIMITED


async def test_what_the_bank_does_not_give_is_missing_and_the_rest_is_there() -> None:
    bank = ABank(clock := ManualClock())
    bank.failing["/v2/accounts"] = FetchError(Reason.SERVER_ERROR, "the bank answered 503", status=503)
    asked = await asking(bank, clock).ask(PERIOD)
    assert asked.accounts is None
    assert asked.transactions is not None
    assert asked.missing == ["the balances are unknown: the bank answered 503"]
    assert asked.may_come is not None


async def test_what_is_refused_for_good_is_not_waited_for() -> None:
    bank = ABank(clock := ManualClock())
    bank.failing["/v2/accounts"] = FetchError(Reason.AUTH, "the bank answered 403", status=403)
    asked = await asking(bank, clock).ask(PERIOD)
    assert asked.missing == ["the balances are unknown: the bank answered 403"]
    assert asked.may_come is None


async def test_without_a_bank_everything_is_missing() -> None:
    asked = await asking(None, ManualClock()).ask(PERIOD)
    assert (asked.accounts, asked.transactions, asked.scheduled) == (None, None, None)
    assert len(asked.missing) == 3
