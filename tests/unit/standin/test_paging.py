from __future__ import annotations

import pytest

from memonotify.standin.paging import BadQuery, matching_transactions, page_of

ROWS = [{"id": str(number)} for number in range(25)]


def ids(page):
    return [int(row["id"]) for row in page["results"]]


def test_a_page_has_ten_results_unless_told():
    page = page_of(ROWS, {})
    assert ids(page) == list(range(10))
    assert (page["has_prev"], page["has_next"]) == (False, True)


def test_tokens_lead_through_everything_once():
    seen, query = [], {"size": "7"}
    while True:
        page = page_of(ROWS, query)
        seen += ids(page)
        if "next_page_token" not in page:
            break
        query = {"size": "7", "page_token": page["next_page_token"]}
    assert seen == list(range(25))
    assert page_of(ROWS, {"size": "7", "page_token": page["prev_page_token"]})["results"][0]["id"] == "14"


def test_the_deprecated_page_number_works():
    assert ids(page_of(ROWS, {"page": "3"})) == [20, 21, 22, 23, 24]


def test_an_empty_list_is_a_page():
    assert page_of([], {}) == {"results": [], "has_prev": False, "has_next": False}


@pytest.mark.parametrize(
    "query",
    [
        {"size": "0"},
        {"size": "101"},
        {"size": "x"},
        {"size": "-1"},
        {"page": "0"},
        {"page_token": "x"},
        {"page_token": "W10"},
        {"page_token": "eyJwIjoxfQ", "page": "1"},
    ],
)
def test_a_query_out_of_bounds_is_refused(query):
    with pytest.raises(BadQuery):
        page_of(ROWS, query)


TRANSACTIONS = [
    {"id": "b", "execution_date": "2026-02-01T00:00:00+00:00", "account_id": "one", "reference": "r2"},
    {"id": "a", "execution_date": "2026-01-01T00:00:00+00:00", "account_id": "one", "reference": "r1"},
    {"id": "c", "execution_date": "2026-03-01T00:00:00+00:00", "account_id": "two", "batch_id": "x"},
]


def chosen(**query):
    return "".join(row["id"] for row in matching_transactions(TRANSACTIONS, query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "cba"),
        ({"order_by": "execution_date"}, "abc"),
        ({"start_date": "2026-02-01T00:00:00Z"}, "cb"),
        ({"end_date": "2026-02-01T00:00:00Z"}, "a"),
        ({"start_date": "2026-02-01T00:00:00 00:00", "end_date": "2026-03-01"}, "b"),
        ({"start_date": "2026-02-01T01:00:00+02:00"}, "cb"),
        ({"account_id": "one"}, "ba"),
        ({"account_id": "one", "reference": "r1"}, "a"),
        ({"batch_id": "x"}, "c"),
        ({"custom_id": "none"}, ""),
    ],
)
def test_filters_choose_by_execution_date_and_by_value(query, expected):
    assert chosen(**query) == expected


@pytest.mark.parametrize("query", [{"order_by": "amount"}, {"start_date": "yesterday"}])
def test_a_filter_that_is_none_is_refused(query):
    with pytest.raises(BadQuery):
        chosen(**query)
