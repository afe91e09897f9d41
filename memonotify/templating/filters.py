"""The filters of the bank's values: `amount`, `money`, `iban`, `date`, `datetime`, in one locale and time zone.

Takes what the bank's JSON holds, gives Decimals and text. `environment` puts them into every template. A value that
does not fit raises RenderError with a sentence; money is never guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from memonotify.errors import RenderError
from memonotify.templating.currencies import decimals
from memonotify.templating.sandbox import require

_EXACT = Context(prec=5000)
_PAIRS = (("amount", "currency"), ("instructed_amount", "instructed_currency"))


class Filters:
    """The filters of one locale and time zone, with what Babel computes once per currency kept."""

    def __init__(self, locale: str, timezone: str) -> None:
        self._locale = Locale.parse(locale)
        self._zone = ZoneInfo(timezone)
        self._writer = lru_cache(maxsize=256)(self._make_writer)
        self._date = lru_cache(maxsize=2048)(self._format_date)
        self._datetime = lru_cache(maxsize=2048)(self._format_datetime)

    def table(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by their names in templates."""
        return {
            "amount": self.amount,
            "money": self.money,
            "iban": iban,
            "date": self.date,
            "datetime": self.datetime,
        }

    def amount(self, value: Any, currency: str | None = None) -> Decimal:
        """Return an amount as an exact Decimal in the currency's unit: 12050 in EUR is 120.50.

        `value` is a mapping with `amount` and `currency` (or `instructed_amount` and `instructed_currency`), or an
        integer in the currency's smallest unit with `currency` given.
        """
        number, code = _amount_of(value, currency, "amount")
        return _in_units(number, code)

    def money(self, value: Any, currency: str | None = None) -> str:
        """Return an amount as the locale writes it, with the currency's sign and its ISO 4217 decimals.

        Takes what `amount` takes, and a Decimal, which is in the currency's unit already.
        """
        if isinstance(value, Decimal):
            return self._writer(_currency(currency, "money"))(_to_smallest(value, _currency(currency, "money")))
        number, code = _amount_of(value, currency, "money")
        return self._writer(code)(number)

    def date(self, value: Any, style: str = "medium") -> str:
        """Return a date as the locale writes it; a moment is first taken into the configured time zone.

        `value` is an ISO 8601 string or a date; `style` is Babel's `short`, `medium`, `long`, `full` or a pattern.
        """
        return self._date(_hashable(value, "date"), style)

    def datetime(self, value: Any, style: str = "medium") -> str:
        """Return date and time as the locale writes them in the configured time zone; of a bare date the date alone."""
        return self._datetime(_hashable(value, "datetime"), style)

    def _format_date(self, value: str | dt.date, style: str) -> str:
        when = self._moment(value, "date")
        return format_date(when, format=style, locale=self._locale)

    def _format_datetime(self, value: str | dt.date, style: str) -> str:
        when = self._moment(value, "datetime")
        if not isinstance(when, dt.datetime):
            return format_date(when, format=style, locale=self._locale)
        return format_datetime(when, format=style, tzinfo=self._zone, locale=self._locale)

    def _moment(self, value: str | dt.date, name: str) -> dt.date:
        """Return a date, or an aware datetime in the configured zone. A moment without a zone is read in that zone."""
        if isinstance(value, str):
            text = value.strip()
            try:
                value = dt.date.fromisoformat(text) if len(text) == 10 else dt.datetime.fromisoformat(text)
            except ValueError:
                raise RenderError(
                    f"`{name}` needs an ISO 8601 date, such as 2026-03-02, not {_shortly(text)}"
                ) from None
        if isinstance(value, dt.datetime):
            try:
                return value.replace(tzinfo=self._zone) if value.tzinfo is None else value.astimezone(self._zone)
            except OverflowError:
                raise RenderError(f"`{name}` cannot show {value}: it is out of the calendar's range") from None
        return value

    def _make_writer(self, currency: str) -> Callable[[int], str]:
        """Return the function that writes a number of smallest units; it agrees with Babel's `format_currency`."""
        pattern = self._locale.currency_formats["standard"]
        symbol = get_currency_symbol(currency, self._locale)
        digits = decimals(currency)
        point = get_decimal_symbol(self._locale)
        comma = get_group_symbol(self._locale)
        first, further = pattern.grouping
        around = [
            (_literal(before, symbol, currency), _literal(after, symbol, currency))
            for before, after in zip(pattern.prefix, pattern.suffix, strict=True)
        ]

        def write(number: int) -> str:
            before, after = around[number < 0]
            text = _digits(abs(number)).zfill(digits + 1)
            whole, fraction = (text[:-digits], point + text[-digits:]) if digits else (text, "")
            return f"{before}{_grouped(whole, comma, first, further)}{fraction}{after}"

        return write


def iban(value: Any, mask: bool = False) -> str:
    """Return an IBAN in groups of four, or with only its first and last four characters shown."""
    value = require(value)
    if not isinstance(value, str):
        raise RenderError(f"`iban` needs a text, not {_kind(value)}")
    compact = "".join(value.split()).upper()
    if not mask:
        return " ".join(compact[at : at + 4] for at in range(0, len(compact), 4))
    return f"{compact[:4]} •••• {compact[-4:]}" if len(compact) > 8 else "••••"


def _amount_of(value: Any, currency: Any, name: str) -> tuple[int, str]:
    value = require(value)
    if isinstance(value, Mapping):
        return _amount_in(value, currency, name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RenderError(
            f"`{name}` needs a mapping with `amount` and `currency`, or a whole number of cents, not {_kind(value)}"
        )
    return value, _currency(currency, name)


def _amount_in(value: Mapping[Any, Any], currency: Any, name: str) -> tuple[int, str]:
    for amount_key, currency_key in _PAIRS:
        if amount_key not in value:
            continue
        number = value[amount_key]
        if isinstance(number, bool) or not isinstance(number, int):
            raise RenderError(f"`{name}` needs a whole number of cents in `{amount_key}`, not {_kind(number)}")
        return number, _currency(value.get(currency_key, currency), name)
    hint = f"; write `x.balance | {name}(x.currency)` for a balance" if "balance" in value else ""
    raise RenderError(f"`{name}` needs a mapping with `amount` and `currency`; this one has no `amount`{hint}")


def _currency(value: Any, name: str) -> str:
    if value is None:
        raise RenderError(f'`{name}` of a number needs the currency: write `| {name}("EUR")`')
    value = require(value)
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isalpha():
        return str(value).upper()
    raise RenderError(f"`{name}` needs a currency of three letters, such as EUR, not {_shortly(value)}")


def _in_units(number: int, currency: str) -> Decimal:
    return Decimal(number).scaleb(-decimals(currency), _EXACT)


def _to_smallest(value: Decimal, currency: str) -> int:
    if not value.is_finite():
        raise RenderError(f"`money` cannot write {value}")
    return int(value.scaleb(decimals(currency), _EXACT).to_integral_value(context=_EXACT))


def _digits(number: int) -> str:
    return format(Decimal(number), "f")


def _grouped(whole: str, comma: str, first: int, further: int) -> str:
    if len(whole) <= first:
        return whole
    head, groups = whole[:-first], [whole[-first:]]
    while head:
        groups.append(head[-further:])
        head = head[:-further]
    return comma.join(reversed(groups))


def _literal(affix: str, symbol: str, currency: str) -> str:
    """Return a pattern's prefix or suffix with the currency's sign put in and the quotes around literals gone."""
    return affix.replace("¤¤", currency).replace("¤", symbol).replace("'", "")


def _hashable(value: Any, name: str) -> str | dt.date:
    value = require(value)
    if isinstance(value, str | dt.date):
        return value
    raise RenderError(f"`{name}` needs an ISO 8601 date, not {_kind(value)}")


def _kind(value: Any) -> str:
    if value is None:
        return "none (there is no value)"
    return {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", float: "a broken number"}.get(
        type(value), f"a value of the kind {type(value).__name__!r}"
    )


def _shortly(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
