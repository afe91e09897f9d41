"""The bank's filters: exact money, IBANs in groups, dates in the configured zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import pytest
from babel.core import get_global
from babel.numbers import format_currency, get_currency_precision
from hypothesis import given
from hypothesis import strategies as st

from memonotify.errors import RenderError
from memonotify.templating.currencies import OTHER_THAN_TWO, decimals
from memonotify.templating.filters import Filters, iban

FRENCH = Filters("fr_FR", "Europe/Paris")
CODES = st.sampled_from(["EUR", "JPY", "TND", "CLF", "USD", "CHF", "HUF", "IQD", "XYZ"])
LOCALES = ["fr_FR", "en_GB", "en_US", "de_CH", "ar_EG", "hi_IN", "pt_PT", "ja_JP", "he_IL", "fa_IR", "nl_NL", "sv_SE"]


@given(st.integers(), CODES)
def test_an_amount_goes_back_to_the_same_cents(cents: int, currency: str) -> None:
    amount = FRENCH.amount({"amount": cents, "currency": currency})
    assert int(amount.scaleb(decimals(currency), Context(prec=1000))) == cents
    assert amount == FRENCH.amount(cents, currency)
    assert -amount.as_tuple().exponent == decimals(currency)  # type: ignore[operator]


@given(st.integers(), CODES)
def test_money_shows_every_digit_and_reads_back(cents: int, currency: str) -> None:
    text = FRENCH.money(cents, currency)
    digits = re.sub(r"\D", "", text)
    assert int(digits) == abs(cents)
    assert text.startswith("-") == (cents < 0)
    fraction = text.partition(",")[2]
    assert len(re.sub(r"\D", "", fraction)) == decimals(currency)


@pytest.mark.parametrize("locale", LOCALES)
@given(cents=st.integers(min_value=-(10**15), max_value=10**15), currency=st.sampled_from(["EUR", "JPY", "TND", "CLF"]))
def test_money_is_written_as_babel_writes_it(locale: str, cents: int, currency: str) -> None:
    expected = format_currency(Decimal(cents).scaleb(-decimals(currency)), currency, locale=locale)
    assert Filters(locale, "UTC").money(cents, currency) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_a_decimal_is_in_the_currencys_unit_already(units: Decimal) -> None:
    assert FRENCH.money(units, "EUR") == FRENCH.money(int(units * 100), "EUR")


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ({"amount": 12050, "currency": "EUR"}, None, "120,50 €"),
        ({"amount": 1000000, "currency": "EUR"}, None, "10 000,00 €"),
        ({"amount": 5000, "currency": "JPY"}, None, "5 000 ¥"),
        ({"amount": 1500, "currency": "TND"}, None, "1,500 TND"),
        ({"amount": 1500, "currency": "IQD"}, None, "1,500 IQD"),
        ({"instructed_amount": 5, "instructed_currency": "EUR"}, None, "0,05 €"),
        (-5, "eur", "-0,05 €"),
        (0, "JPY", "0 ¥"),
    ],
)
def test_money_follows_iso_4217(value: Any, currency: str | None, text: str) -> None:
    written = FRENCH.money(value, currency).replace("\u202f", " ").replace("\xa0", " ")
    assert written.replace("JPY", "¥").replace("JP¥", "¥").replace("DT", "TND") == text


def test_the_table_differs_from_the_locale_data_only_where_habit_does() -> None:
    """CLDR counts fewer decimals than ISO 4217 for currencies whose cents nobody uses."""
    known = {code for code in get_global("all_currencies") if len(code) == 3}
    fractions = {code for code in get_global("currency_fractions") if code != "DEFAULT"}
    differing = {code for code in known | fractions if get_currency_precision(code) != decimals(code)}
    assert all(get_currency_precision(code) < decimals(code) for code in differing)
    assert {code for code in differing if code in OTHER_THAN_TWO} == {"IQD"} | (differing & {"UYW"})
    assert {"HUF", "TWD", "CHF", "ISK", "KRW", "BHD", "CLF"}.isdisjoint(differing)


@pytest.mark.parametrize(
    ("value", "currency", "said"),
    [
        (None, None, "none (there is no value)"),
        (None, "EUR", "none (there is no value)"),
        (12.5, "EUR", "a broken number"),
        (True, "EUR", "true or false"),
        ("12", "EUR", "a text"),
        (12, None, 'write `| money("EUR")`'),
        (12, "EURO", "needs a currency of three letters, such as EUR, not 'EURO'"),
        (12, 5, "needs a currency of three letters, such as EUR, not 5"),
        ({"balance": 5, "currency": "EUR"}, None, "write `x.balance | money(x.currency)` for a balance"),
        ({"amount": None, "currency": "EUR"}, None, "whole number of cents in `amount`, not none"),
        ({"amount": 5}, None, "needs the currency"),
        (Decimal("NaN"), "EUR", "cannot write NaN"),
        (Decimal(1), None, "needs the currency"),
    ],
)
def test_money_is_never_guessed(value: Any, currency: Any, said: str) -> None:
    with pytest.raises(RenderError) as caught:
        FRENCH.money(value, currency)
    assert said in str(caught.value)


def test_an_iban_is_grouped_or_masked() -> None:
    assert iban("FR7617338000010109143651430") == "FR76 1733 8000 0101 0914 3651 430"
    assert iban("fr76 1733 8000 0101 0914 3651 430", mask=True) == "FR76 •••• 1430"
    assert iban("FR761430", mask=True) == "••••"
    with pytest.raises(RenderError, match="`iban` needs a text, not none"):
        iban(None)


@given(st.text(min_size=9))
def test_a_masked_iban_shows_eight_characters_at_most(value: str) -> None:
    assert len(iban(value, mask=True).replace(" •••• ", "").replace("••••", "")) <= 8


@pytest.mark.parametrize(
    ("value", "day", "moment"),
    [
        ("2026-03-02", "2 mars 2026", "2 mars 2026"),
        ("2026-03-02T23:30:00Z", "3 mars 2026", "3 mars 2026, 00:30:00"),
        ("2026-07-01T10:00:00+00:00", "1 juil. 2026", "1 juil. 2026, 12:00:00"),
        ("2026-03-02T09:00:00", "2 mars 2026", "2 mars 2026, 09:00:00"),
        ("2026-03-02T09:00:00.123456789Z", "2 mars 2026", "2 mars 2026, 10:00:00"),
        (date(2026, 3, 2), "2 mars 2026", "2 mars 2026"),
        (datetime(2026, 3, 2, 9, tzinfo=UTC), "2 mars 2026", "2 mars 2026, 10:00:00"),
    ],
)
def test_dates_are_written_in_the_configured_zone(value: Any, day: str, moment: str) -> None:
    assert FRENCH.date(value) == day
    assert FRENCH.datetime(value) == moment


def test_a_style_may_be_asked_for() -> None:
    assert FRENCH.date("2026-03-02", "full") == "lundi 2 mars 2026"
    assert FRENCH.date("2026-03-02", "yyyy/MM/dd") == "2026/03/02"


@pytest.mark.parametrize(
    "value", [None, 5, "", "yesterday", "2026-13-01", "2026-02-30T00:00:00Z", [], "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_date_is_refused_with_a_sentence(value: Any) -> None:
    for show in (FRENCH.date, FRENCH.datetime):
        with pytest.raises(RenderError, match="^`date"):
            show(value)
