"""No value can lead a look-up elsewhere."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.errors import RenderError
from memonotify.rules.lookups import lookup_path, source_fault
from memonotify.templating import Escape, Templates

TEMPLATES = Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")
ACCOUNT = TEMPLATES.text("/v2/accounts/{{ resource.account_id }}", Escape.PATH)
LIST = TEMPLATES.text("/v2/transactions?account={{ resource.account_id }}&size=1", Escape.PATH)


def path_for(value: Any) -> str:
    return lookup_path(ACCOUNT, {"resource": {"account_id": value}})


def test_an_id_stands_as_it_is() -> None:
    assert path_for("3f1c0b6a-6a0d-4b57-9d5e-3f3d1f0f8a11") == "/v2/accounts/3f1c0b6a-6a0d-4b57-9d5e-3f3d1f0f8a11"


def test_other_characters_are_percent_encoded() -> None:
    assert path_for("a b&é%41") == "/v2/accounts/a%20b%26%C3%A9%2541"


def test_a_number_may_stand_in_a_path() -> None:
    assert path_for(12) == "/v2/accounts/12"


@pytest.mark.parametrize(
    "value", ["", ".", "..", "../webhooks", "a/b", "a?b", "a#b", "a\\b", "a\nb", "\x00", None, {}, [], "x" * 3000]
)
def test_a_value_that_would_change_the_parts_is_refused(value: Any) -> None:
    with pytest.raises(RenderError):
        path_for(value)


def test_a_missing_value_is_refused_by_its_name() -> None:
    with pytest.raises(RenderError, match="account_id"):
        lookup_path(ACCOUNT, {"resource": {}})


def test_a_missing_resource_is_refused() -> None:
    with pytest.raises(RenderError, match="account_id"):
        lookup_path(ACCOUNT, {"resource": None})


def test_a_value_in_the_query_adds_no_parameter() -> None:
    context = {"resource": {"account_id": "a/../b?c#d&size=100"}}
    assert lookup_path(LIST, context) == "/v2/transactions?account=a%2F..%2Fb%3Fc%23d%26size%3D100&size=1"


@given(st.text(max_size=50))
def test_whatever_the_value_it_stays_one_part_of_the_path(value: str) -> None:
    try:
        path = path_for(value)
    except RenderError:
        return
    assert re.fullmatch(r"/v2/accounts/[A-Za-z0-9._~%-]+", path)
    part = unquote(path.removeprefix("/v2/accounts/"), errors="replace")
    assert part not in (".", "..")
    assert not set("/?#\\") & set(part)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("https://api.memo.bank/v2/accounts", "begins with /v2/"),
        ("//evil.example/v2/x", "begins with /v2/"),
        ("/v1/accounts", "begins with /v2/"),
        ("{{ resource.link }}", "begins with /v2/"),
        ("/v2/../admin", "`.` or `..`"),
        ("/v2/%2e%2e/admin", "`.` or `..`"),
        ("/v2//evil.example", "is empty"),
        ("/v2/accounts/", "is empty"),
        ("/v2/accounts#x", "fragment"),
        ("/v2/a%2Fb", "change the path"),
        ("/v2/a\\b", "only characters"),
        ("/v2/a b", "only characters"),
    ],
)
def test_a_path_that_leaves_the_api_is_told_as_written(source: str, sentence: str) -> None:
    assert sentence in source_fault(source)


@pytest.mark.parametrize(
    "source",
    [
        "/v2/accounts/{{ resource.account_id }}",
        "/v2/transfers/{{ resource.id }}/proof",
        "/v2/transactions?account={{ resource.id }}&start_date={{ event.date }}",
        "/v2/{% if a %}accounts{% else %}ibans{% endif %}/{{ x['/../'] }}",
    ],
)
def test_a_path_of_the_api_is_right(source: str) -> None:
    assert source_fault(source) == ""
