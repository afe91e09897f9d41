"""What the store keeps of windows, on every database, against a model that reads everything."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from storeparts import START

from memonotify.store import Store
from memonotify.windowing import Figures, Measure, WindowEntry, WindowSpan


def entry(resource: str = "r1", *, at: int = 0, seq: int = 1, key: str = "k", **more: object) -> WindowEntry:
    values = {"window": "w", "workspace": "acme", "resource_type": "transaction", "amount": 0, "currency": "", **more}
    return WindowEntry(key=key, at=START + timedelta(minutes=at), event_seq=seq, resource_id=resource, **values)


def span(measure: Measure = Measure.COUNT, *, until: int = 100, minutes: int = 200, **more: str) -> WindowSpan:
    end = START + timedelta(minutes=until)
    values = {"window": "w", "workspace": "acme", "key": "k", "resource_type": "transaction", "resource_id": "", **more}
    return WindowSpan(measure=measure, after=end - timedelta(minutes=minutes), until=end, **values)


async def test_a_span_has_its_end_and_not_its_beginning(store: Store) -> None:
    await store.fill_windows([entry(name, at=at) for at, name in enumerate("abcd")])
    assert await store.window_figures(span(until=3, minutes=2)) == Figures(count=2)
    assert await store.window_figures(span(until=2, minutes=2)) == Figures(count=2)
    assert await store.window_figures(span(until=3, minutes=2, resource_id="d")) == Figures(count=1)


@pytest.mark.parametrize("name", ["window", "workspace", "key"])
async def test_another_window_workspace_or_key_is_none_of_it(store: Store, name: str) -> None:
    await store.fill_windows([entry()])
    assert await store.window_figures(span(**{name: "other"})) == Figures()
    assert await store.window_figures(span()) == Figures(count=1)


async def test_first_seen_is_asked_for_with_one_row(store: Store) -> None:
    await store.fill_windows([entry(name) for name in "abc"])
    assert await store.window_figures(span(Measure.FIRST_SEEN)) == Figures(count=1)
    assert await store.window_figures(span(Measure.FIRST_SEEN, key="l")) == Figures()


async def test_amounts_as_large_as_a_column_are_summed_exactly(store: Store) -> None:
    await store.fill_windows(
        [
            entry("a", amount=2**62, currency="EUR"),
            entry("b", amount=2**62 - 1, currency="EUR"),
            entry("c", amount=7, currency="JPY"),
        ]
    )
    assert await store.window_figures(span(Measure.SUM, currency="EUR")) == Figures(count=2, amount=2**63 - 1)


async def test_what_is_filled_later_does_not_replace_a_later_event(store: Store) -> None:
    await store.fill_windows([entry(seq=5, amount=5, currency="EUR")])
    await store.fill_windows([entry(seq=3, amount=3, currency="EUR")], filled=["w"])
    assert (await store.window_figures(span(Measure.SUM, currency="EUR"))).amount == 5
    await store.fill_windows([entry(seq=5, amount=6, currency="EUR")])
    assert (await store.window_figures(span(Measure.SUM, currency="EUR"))).amount == 6


async def test_a_dropped_window_keeps_its_entries_and_is_filled_no_more(store: Store) -> None:
    await store.fill_windows([entry()], filled=["w", "v"])
    assert await store.window_fills() == {"w", "v"}
    await store.drop_windows(["w"])
    assert await store.window_fills() == {"v"}
    assert await store.window_figures(span()) == Figures(count=1)


async def test_what_no_database_takes_in_a_text_is_replaced(store: Store) -> None:
    await store.fill_windows([entry("a\0b", key="k\ud800")])
    assert await store.window_figures(span(key="k\ud800")) == Figures(count=1)
    assert await store.window_figures(span(key="k\ud800", resource_id="a\0b")) == Figures()


@pytest.mark.parametrize("seed", range(4))
async def test_figures_are_those_of_reading_everything(store: Store, seed: int) -> None:
    chance = Random(seed)
    last: dict[str, WindowEntry] = {}
    for _ in range(60):
        new = entry(
            chance.choice("abcdefgh"),
            at=chance.randrange(40),
            seq=chance.randrange(1_000),
            key=chance.choice("kl"),
            amount=chance.randrange(-500, 500),
            currency=chance.choice(["EUR", "JPY"]),
        )
        asked = span(
            chance.choice([Measure.COUNT, Measure.SUM]),
            until=chance.randrange(40),
            minutes=chance.randrange(1, 30),
            key=new.key,
            resource_id=new.resource_id,
            currency=new.currency,
        )
        chosen = [
            old
            for old in last.values()
            if old.key == asked.key
            and asked.after < old.at <= asked.until
            and old.resource_id != asked.resource_id
            and (asked.measure is Measure.COUNT or old.currency == asked.currency)
        ]
        amount = sum(old.amount for old in chosen) if asked.measure is Measure.SUM else 0
        assert await store.window_figures(asked) == Figures(count=len(chosen), amount=amount)
        await store.fill_windows([new])
        if new.resource_id not in last or last[new.resource_id].event_seq <= new.event_seq:
            last[new.resource_id] = new
