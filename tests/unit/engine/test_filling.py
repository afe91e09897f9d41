"""Filling windows from the past: what is read, what counts, and who waits for whom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from engineparts import event, fn, rule
from fakes import ManualClock
from pastparts import kept, past

from memonotify.engine.filling import Filler
from memonotify.errors import StoreUnavailable
from memonotify.model import EventState
from memonotify.past import Extent, Past
from memonotify.rules.values import Ruleset
from memonotify.rules.windows import Window
from memonotify.windowing import Measure

KEY = fn(lambda c: c["resource"]["key"], "resource")


def window(digest="w", *, by=KEY, match=None, **more):
    made = rule("r")
    return Window(
        name="x", measure=Measure.COUNT, match=match or made.match, by=by, within_s=60.0, digest=digest, **more
    )


def counting(*windows, lookups=None):
    return replace(rule("r", lookups=lookups), windows=windows)


@dataclass
class Store:
    """A store with a past, in memory."""

    pasts: list = field(default_factory=list)
    filled: set = field(default_factory=set)
    entries: list = field(default_factory=list)
    reads: list = field(default_factory=list)
    before_read: object = None
    is_away: bool = False

    async def window_fills(self):
        return frozenset(self.filled)

    async def drop_windows(self, gone):
        self.filled -= set(gone)

    async def fill_windows(self, entries, *, filled=()):
        if self.is_away:
            raise StoreUnavailable("full")
        self.entries += entries
        self.filled |= set(filled)

    async def extent(self, _selection):
        seqs = [each.event.seq for each in self.pasts]
        return Extent(count=len(seqs), first=min(seqs, default=0), last=max(seqs, default=0))

    async def past(self, _selection, *, after, last, limit, with_decisions=False):
        assert not with_decisions
        if self.before_read is not None:
            self.before_read()
        self.reads.append((after, last))
        return [each for each in self.pasts if after < each.event.seq <= last][:limit]


async def _no_pause(_seconds):
    return None


def filler(store, *rules, in_hand=frozenset, leads=lambda: True, pause=_no_pause):
    ruleset = Ruleset(rules=rules)
    return Filler(
        store=store,
        ruleset=lambda: ruleset,
        in_hand=in_hand,
        resource_types={},
        with_api=frozenset({"acme"}),
        clock=ManualClock(),
        leads=leads,
        pause=pause,
    )


def open_one(seq):
    return Past(event=replace(event(seq), state=EventState.RECEIVED))


async def test_what_is_not_filled_is_filled_once():
    store = Store([past(1, resource={"key": "k"}), past(2, resource={"key": "l"})])
    filling = filler(store, counting(window()))
    assert not filling.is_filled("w")
    await filling.look()
    await filling.look()
    assert filling.is_filled("w")
    assert [(entry.key, entry.event_seq) for entry in store.entries] == [("k", 1), ("l", 2)]
    assert len(store.reads) == 1


async def test_what_was_filled_before_is_not_read_again():
    store = Store([past(1, resource={"key": "k"})], filled={"w"})
    filling = filler(store, counting(window()))
    await filling.look()
    assert filling.is_filled("w")
    assert store.reads == []


async def test_at_the_start_it_is_known_what_was_filled_before_anything_is_decided():
    store = Store(filled={"w", "gone"})
    filling = filler(store, counting(window()))
    await filling.start()
    assert filling.is_filled("w")
    assert store.filled == {"w"}
    await filling.stop(0)


async def test_a_node_that_does_not_lead_fills_nothing_and_trusts_nothing():
    store, leads = Store([past(1, resource={"key": "k"})]), [True]
    filling = filler(store, counting(window()), leads=lambda: leads[0])
    await filling.look()
    leads[0] = False
    await filling.look()
    assert not filling.is_filled("w")
    leads[0] = True
    await filling.look()
    assert filling.is_filled("w")


async def test_what_was_not_kept_or_cannot_be_read_counts_for_nothing():
    store = Store([past(1), past(2, resource={}), past(3, resource={"key": "k"})])
    await filler(store, counting(window())).look()
    assert [entry.event_seq for entry in store.entries] == [3]


async def test_a_look_up_is_answered_by_what_was_kept():
    store = Store()
    store.pasts = [replace(past(1), snapshots=(kept("/v2/x", {"key": "k"}),)), past(2)]
    by = fn(lambda c: c["found"]["key"], "found")
    await filler(store, counting(window(by=by), lookups={"found": fn("/v2/x")})).look()
    assert [(entry.key, entry.event_seq) for entry in store.entries] == [("k", 1)]


async def test_an_event_that_was_under_evaluation_by_other_rules_is_counted_when_that_is_over():
    store, in_hand = Store([open_one(1), past(2, resource={"key": "l"})]), {1}

    async def pause(_seconds):
        # Its evaluation comes to an end while the filling waits for it.
        if store.reads:
            store.pasts[0] = past(1, resource={"key": "k"})
            in_hand.clear()

    filling = filler(store, counting(window()), in_hand=lambda: frozenset(in_hand), pause=pause)
    await filling.look()
    assert {(entry.key, entry.event_seq) for entry in store.entries} == {("k", 1), ("l", 2)}
    assert filling.is_filled("w")


async def test_an_event_that_waits_for_the_window_is_left_to_its_evaluation():
    store = Store([open_one(1)])
    filling = filler(store, counting(window()))
    await filling.look()
    assert filling.is_filled("w")
    assert store.entries == []


async def test_a_store_that_is_away_leaves_the_window_unfilled():
    store = Store([past(1, resource={"key": "k"})], is_away=True)
    filling = filler(store, counting(window()))
    with pytest.raises(StoreUnavailable):
        await filling.look()
    assert not filling.is_filled("w")
    store.is_away = False
    await filling.look()
    assert filling.is_filled("w")
