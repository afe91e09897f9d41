"""What a rule's window has to do with one event: whether it counts it, under which key, and what is asked of the store.

In: a window, an event and what the rule's expressions see. Out: a Windowed, with the entry that the event adds. Pure;
`decide` calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from memonotify.engine.asks import Windowed
from memonotify.errors import RenderError
from memonotify.model import Event
from memonotify.policies.window import MAX_AMOUNT, moment_of
from memonotify.rules.values import Rule
from memonotify.rules.windows import Window
from memonotify.windowing import Measure, WindowEntry, WindowSpan

MAX_KEY_LENGTH: Final = 512
"""A longer key would not fit an index of every database."""
_MAX_CURRENCY_LENGTH: Final = 16

T = TypeVar("T")


def windowed(rule: Rule, window: Window, event: Event, context: Mapping[str, Any]) -> Windowed:
    """Return what a window asks for an event, and what it counts of it.

    Raises:
        RenderError: one of the window's texts fails; its path leads to it within the window.
    """
    counts = window.match.fits(event.event_type, event.resource_type, event.workspace) and _holds(window, context)
    key = _key(window, context)
    amount, currency = _amount(window, context)
    at = moment_of(event.date, event.received_at)
    entry = WindowEntry(
        window=window.digest,
        workspace=event.workspace,
        key=key,
        at=at,
        event_seq=event.seq,
        resource_type=event.resource_type,
        resource_id=event.resource_id,
        amount=amount,
        currency=currency,
    )
    return Windowed(
        name=window.name,
        line=key if rule.memories == 1 else "",
        span=WindowSpan(
            window=window.digest,
            measure=window.measure,
            workspace=event.workspace,
            key=key,
            after=at - timedelta(seconds=window.within_s),
            until=at,
            resource_type=event.resource_type,
            resource_id=event.resource_id,
            currency=currency,
        ),
        amount=amount,
        entry=entry if counts else None,
    )


def _holds(window: Window, context: Mapping[str, Any]) -> bool:
    when = window.when
    return when is None or _within("when", lambda: when.holds(context))


def _key(window: Window, context: Mapping[str, Any]) -> str:
    key = _within("by", lambda: window.by.render(context)).strip()
    if not key:
        raise RenderError("by is empty", path=("by",))
    if len(key) > MAX_KEY_LENGTH:
        raise RenderError(f"by is longer than {MAX_KEY_LENGTH} characters", path=("by",))
    return key


def _amount(window: Window, context: Mapping[str, Any]) -> tuple[int, str]:
    """Return what an event adds to a sum, in its currency's smallest unit."""
    source = window.amount
    if window.measure is not Measure.SUM or source is None:
        return 0, ""
    value = _within("sum", lambda: source.evaluate(context))
    amount = value.get("amount") if isinstance(value, Mapping) else None
    currency = value.get("currency") if isinstance(value, Mapping) else None
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str) or not currency:
        message = "sum needs a mapping with `amount`, a whole number of cents, and `currency`"
        raise RenderError(message, path=("sum",))
    if abs(amount) > MAX_AMOUNT or len(currency) > _MAX_CURRENCY_LENGTH:
        raise RenderError("sum: this is no amount of money", path=("sum",))
    return amount, currency


def _within(name: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except RenderError as error:
        raise error.within(name, (name,)) from error
