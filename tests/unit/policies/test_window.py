"""Windows' arithmetic, and entries in memory against a model that reads everything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.policies.window import Entries, figure, moment_of
from memonotify.windowing import Figures, Measure, WindowEntry, WindowSpan

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("measure", "others", "counts", "value"),
    [
        (Measure.COUNT, Figures(), True, 1),
        (Measure.COUNT, Figures(count=3), True, 4),
        (Measure.COUNT, Figures(count=3), False, 3),
        (Measure.FIRST_SEEN, Figures(), True, True),
        (Measure.FIRST_SEEN, Figures(count=1), True, False),
        (Measure.FIRST_SEEN, Figures(), False, True),
        (Measure.SUM, Figures(count=1, amount=4_999_999), True, Decimal("50000.50")),
        (Measure.SUM, Figures(count=1, amount=4_999_999), False, Decimal("49999.99")),
    ],
)
def test_a_window_has_the_event_at_hand_where_it_counts(
    measure: Measure, others: Figures, counts: bool, value: object
) -> None:
    assert figure(measure, others, counts=counts, amount=51, decimals=2) == value


def test_sums_are_exact_beyond_what_a_decimal_context_holds() -> None:
    amount = 10**30 + 1
    assert str(figure(Measure.SUM, Figures(amount=amount), counts=True, amount=0, decimals=2)) == f"{10**28}.01"


@pytest.mark.parametrize(
    ("date", "at"),
    [
        pytest.param("2026-03-01T08:00:00Z", START - timedelta(days=1), id="as the bank says"),
        pytest.param("2026-03-02T08:00:00+02:00", START - timedelta(hours=2), id="with an offset"),
        pytest.param("2026-03-01t08:00:00,0z", START - timedelta(days=1), id="in another form that the webhook takes"),
        pytest.param("2026-03-01T08:00:00", START, id="of no zone, which the webhook does not take"),
        pytest.param("2026-03-03T08:00:00Z", START, id="not after it came in"),
        pytest.param("yesterday", START, id="no date"),
        pytest.param("0001-01-01T00:00:00+14:00", START, id="before there were dates"),
    ],
)
def test_an_event_counts_at_its_own_date(date: str, at: datetime) -> None:
    assert moment_of(date, START) == at


def an_entry(resource: str, key: str, minute: int, seq: int, amount: int, currency: str) -> WindowEntry:
    return WindowEntry(
        window="w",
        workspace="acme",
        key=key,
        at=START + timedelta(minutes=minute),
        event_seq=seq,
        resource_type="transaction",
        resource_id=resource,
        amount=amount,
        currency=currency,
    )


def a_span(measure: Measure, entry: WindowEntry, within: timedelta) -> WindowSpan:
    return WindowSpan(
        window="w",
        measure=measure,
        workspace="acme",
        key=entry.key,
        after=entry.at - within,
        until=entry.at,
        resource_type=entry.resource_type,
        resource_id=entry.resource_id,
        currency=entry.currency,
    )


def naive(seen: list[WindowEntry], span: WindowSpan) -> Figures:
    """Read all entries: the last of each resource is the one that counts."""
    last = {entry.resource_id: entry for entry in sorted(seen, key=lambda entry: entry.event_seq)}
    chosen = [
        entry
        for entry in last.values()
        if entry.key == span.key
        and span.after < entry.at <= span.until
        and entry.resource_id != span.resource_id
        and (span.measure is not Measure.SUM or entry.currency == span.currency)
    ]
    return Figures(count=len(chosen), amount=sum(entry.amount for entry in chosen))


ENTRIES = st.lists(
    st.builds(
        an_entry,
        resource=st.sampled_from("abcdef"),
        key=st.sampled_from(["k", "l"]),
        minute=st.integers(-20, 20),
        seq=st.integers(0, 50),
        amount=st.integers(-(2**40), 2**40),
        currency=st.sampled_from(["EUR", "JPY"]),
    ),
    max_size=30,
    unique_by=lambda entry: entry.event_seq,
)


@given(ENTRIES, st.integers(1, 30), st.sampled_from([Measure.COUNT, Measure.SUM]))
def test_entries_in_memory_answer_as_reading_everything_does(
    events: list[WindowEntry], minutes: int, measure: Measure
) -> None:
    entries, seen = Entries(), list[WindowEntry]()
    for entry in events:
        span = a_span(measure, entry, timedelta(minutes=minutes))
        assert entries.figures(span) == naive(seen, span)
        entries.add(entry)
        seen.append(entry)
