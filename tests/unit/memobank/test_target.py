from __future__ import annotations

import pytest

from memonotify.errors import FetchError, Reason
from memonotify.memobank.target import checked_target


@pytest.mark.parametrize(
    "path",
    [
        "/v2/accounts/7ad37a52",
        "/v2/transactions?custom_id=a b&local_iban=FR76//..",
        "/v2/transfers/bulks/x/transfers",
        "/v2/accounts/a%20b",
        "/v2/accounts/é",
        "/v2/a/..b",
    ],
)
def test_a_path_of_the_api_is_taken_as_it_is(path):
    assert checked_target(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1/accounts",
        "v2/accounts",
        "https://evil.example/v2/x",
        "//evil.example/v2/x",
        "/v2//x",
        "/v2/accounts/",
        "/v2/",
        "/v2/../admin",
        "/v2/x/.",
        "/v2/%2e%2e/admin",
        "/v2/%252e%252e/admin",
        "/v2/x%2fy",
        "/v2/x%5c..",
        "/v2/x\\y",
        "/v2/x#y",
        "/v2/x\r\nHost: y",
        "/v2/x%0d%0ay",
        "/v2/x\x00",
        "/v2/" + "x" * 3000,
    ],
)
def test_a_path_that_leaves_the_api_is_refused(path):
    with pytest.raises(FetchError) as caught:
        checked_target(path)
    assert caught.value.reason is Reason.REJECTED
