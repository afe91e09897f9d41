"""The figures of a report: exact, by currency, and never 0 where nothing is known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from memonotify.openitems import OpenItems
from memonotify.reports.asking import Asked, Period
from memonotify.reports.figures import MOVEMENTS_SHOWN, by_day, figures
from memonotify.reports.job import MOST_CHART_DAYS, period_of
from memonotify.rules.reports import Report

UNTIL = datetime(2026, 3, 10, 7, tzinfo=UTC)
PERIOD = Period(since=UNTIL - timedelta(days=1), until=UNTIL, chart_since=datetime(2026, 3, 3, 23, tzinfo=UTC))
NOTHING = OpenItems(dead=0, held=0, waiting=0, wires=())


def an_account(account_id: str = "a1", **fields: Any) -> dict[str, Any]:
    base = {
        "id": account_id,
        "name": account_id,
        "iban": "FR7617338000017498690379033",
        "currency": "EUR",
        "balance": 1000,
    }
    return {**base, "status": "active", **fields}


def a_movement(amount: int = 100, *, hours_ago: float = 1, account: str = "a1", **fields: Any) -> dict[str, Any]:
    return {
        "account_id": account,
        "amount": amount,
        "currency": "EUR",
        "direction": "credit",
        "status": "confirmed",
        "execution_date": (UNTIL - timedelta(hours=hours_ago)).isoformat(),
        **fields,
    }


def told(asked: Asked, items: OpenItems | None = NOTHING, *globs: str) -> dict[str, Any]:
    return figures(asked, items, PERIOD, globs=globs, now=UNTIL)


def test_only_confirmed_movements_of_the_period_are_summed() -> None:
    movements = [
        a_movement(0, hours_ago=0),
        a_movement(100, hours_ago=24),
        a_movement(30, direction="debit"),
        a_movement(7, hours_ago=24.1),
        a_movement(9, status="authorized"),
    ]
    (account,) = told(Asked(accounts=[an_account()], transactions=movements))["accounts"]
    assert (account["credits"], account["debits"], account["net"], account["count"]) == (100, 30, 70, 2)


def test_totals_are_one_for_each_currency() -> None:
    accounts = [an_account(), an_account("a2", balance=-1), an_account("yen", currency="JPY", balance=5)]
    totals = told(Asked(accounts=accounts, transactions=[]))["totals"]
    assert [(total["currency"], total["balance"], total["accounts"]) for total in totals] == [
        ("EUR", 999, 2),
        ("JPY", 5, 1),
    ]


def test_sums_are_exact_beyond_what_a_float_holds() -> None:
    amount = 2**60 + 1
    asked = Asked(accounts=[an_account(balance=amount)], transactions=[a_movement(amount), a_movement(amount)])
    data = told(asked)
    assert data["accounts"][0]["credits"] == 2 * amount
    assert data["totals"][0]["balance"] == amount


def test_without_movements_sums_are_unknown_and_not_zero() -> None:
    data = told(Asked(accounts=[an_account()], missing=["the movements are unknown: away"]))
    (account,) = data["accounts"]
    assert (account["balance"], account["credits"], account["debits"], account["count"]) == (1000, None, None, None)
    assert data["totals"][0]["credits"] is None
    assert data["missing"] == ["the movements are unknown: away"]


def test_without_accounts_the_balance_is_unknown_and_the_movements_are_told() -> None:
    (account,) = told(Asked(transactions=[a_movement(100)]))["accounts"]
    assert (account["id"], account["balance"], account["credits"]) == ("a1", None, 100)


def test_a_list_that_was_cut_within_the_period_has_unknown_sums_and_says_so() -> None:
    asked = Asked(accounts=[an_account()], transactions=[a_movement(1)], known_since=UNTIL - timedelta(hours=1))
    data = told(asked)
    assert data["accounts"][0]["credits"] is None
    assert len(data["accounts"][0]["movements"]) == 1
    assert "there are more movements" in data["missing"][0]


def test_a_list_that_was_cut_before_the_period_is_whole_for_it() -> None:
    asked = Asked(accounts=[an_account()], transactions=[a_movement(1)], known_since=UNTIL - timedelta(days=2))
    data = told(asked)
    assert (data["accounts"][0]["credits"], data["missing"]) == (1, [])
    assert by_day(asked, data["accounts"], PERIOD, ZoneInfo("UTC")) == {}


def test_a_movement_in_another_currency_is_counted_and_not_summed() -> None:
    asked = Asked(accounts=[an_account()], transactions=[a_movement(1), a_movement(500, currency="USD")])
    data = told(asked)
    assert (data["accounts"][0]["credits"], data["accounts"][0]["count"]) == (1, 2)
    assert data["missing"] == ["1 movements in another currency than their account's are left out of the sums"]


@pytest.mark.parametrize("glob", ["main*", "MAIN account", "FR76 1733*", "fr76*9033"])
def test_accounts_are_chosen_by_name_or_iban(glob: str) -> None:
    accounts = [an_account(name="Main account"), an_account("a2", iban="DE0212345678")]
    assert [each["id"] for each in told(Asked(accounts=accounts), NOTHING, glob)["accounts"]] == ["a1"]


def test_a_closed_account_is_listed_only_while_something_moved() -> None:
    accounts = [an_account(status="closed"), an_account("a2", status="closed")]
    asked = Asked(accounts=accounts, transactions=[a_movement(account="a2")])
    assert [each["id"] for each in told(asked)["accounts"]] == ["a2"]


def test_a_long_list_of_movements_is_capped_and_the_rest_counted() -> None:
    asked = Asked(accounts=[an_account()], transactions=[a_movement()] * (MOVEMENTS_SHOWN + 5))
    (account,) = told(asked)["accounts"]
    assert (len(account["movements"]), account["more"], account["count"]) == (MOVEMENTS_SHOWN, 5, MOVEMENTS_SHOWN + 5)


@pytest.mark.parametrize("wrong", ["12", None, True, 1.5])
def test_what_is_no_whole_number_is_unknown(wrong: Any) -> None:
    asked = Asked(accounts=[an_account(balance=wrong)], transactions=[a_movement(wrong)])
    (account,) = told(asked)["accounts"]
    assert (account["balance"], account["count"]) == (None, 0)


def test_what_is_to_come_has_only_what_is_not_confirmed_of_the_accounts_wanted() -> None:
    scheduled = [a_movement(status="scheduled"), a_movement(), a_movement(status="scheduled", account="a2")]
    accounts = [an_account(), an_account("a2")]
    asked = Asked(accounts=accounts, transactions=[], scheduled=scheduled)
    assert len(told(asked)["open"]["scheduled"]) == 2
    assert len(told(asked, NOTHING, "a1")["open"]["scheduled"]) == 1


def test_a_store_that_was_not_asked_leaves_unknown_what_is_open() -> None:
    data = told(Asked(accounts=[], transactions=[]), None)
    assert (data["open"]["dead"], data["open"]["wires"]) == (None, None)
    assert data["missing"] == ["what is still open in the store is unknown"]


def test_days_are_those_of_the_time_zone() -> None:
    asked = Asked(accounts=[an_account()], transactions=[a_movement(5, execution_date="2026-03-09T23:30:00Z")])
    days = by_day(asked, told(asked)["accounts"], PERIOD, ZoneInfo("Europe/Paris"))["EUR"]
    assert list(days) == [date(2026, 3, day) for day in range(4, 11)]
    assert days[date(2026, 3, 10)] == (5, 0)


def test_a_period_is_from_the_last_report_on_or_so_many_days_by_the_clock_on_the_wall() -> None:
    report = Report(schedule="0 8 * * *", timezone="Europe/Paris")
    monday = datetime(2026, 3, 30, 6, tzinfo=UTC)
    friday = datetime(2026, 3, 27, 7, tzinfo=UTC)
    assert period_of(report, monday, friday).since == friday
    # The clocks went forward on the day before: one day by the wall is 23 hours less one.
    assert period_of(report, datetime(2026, 3, 29, 6, tzinfo=UTC), None).since == datetime(2026, 3, 28, 7, tzinfo=UTC)
    weekly = Report(schedule="0 8 * * *", timezone="Europe/Paris", days=7)
    assert period_of(weekly, monday, friday).since == datetime(2026, 3, 23, 7, tzinfo=UTC)


@pytest.mark.parametrize(("days", "shown"), [(1, 7), (10, 10), (366, MOST_CHART_DAYS)])
def test_a_chart_has_a_week_at_least_and_a_month_at_most(days: int, shown: int) -> None:
    report = Report(schedule="0 8 * * *", timezone="UTC", days=days)
    period = period_of(report, UNTIL, None)
    assert (UNTIL.date() - period.chart_since.date()).days == shown - 1
