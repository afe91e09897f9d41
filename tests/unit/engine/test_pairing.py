"""Expectations and messages in pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memonotify.engine.pairing import nearest_pairs, perfect_pairs


def test_a_broad_expectation_leaves_the_message_to_the_one_that_fits_nothing_else():
    fitting = {0: {0, 1}, 1: {0}}
    assert perfect_pairs(2, 2, lambda e, m: m in fitting[e]) == {0: 1, 1: 0}


@given(st.integers(0, 6), st.integers(0, 6), st.data())
def test_each_is_used_once_and_every_pair_fits(expectations, messages, data):
    cells = [(e, m) for e in range(expectations) for m in range(messages)]
    fitting = set(data.draw(st.lists(st.sampled_from(cells), unique=True))) if cells else set()
    pairs = perfect_pairs(expectations, messages, lambda e, m: (e, m) in fitting)
    assert set(pairs.items()) <= fitting
    assert len(set(pairs.values())) == len(pairs)


def test_the_nearest_are_paired_first_and_strangers_never():
    distances = {(0, 0): 2.0, (0, 1): 1.0, (1, 1): 3.0}
    assert nearest_pairs([0, 1], [0, 1], lambda e, m: distances.get((e, m))) == {0: 1}
