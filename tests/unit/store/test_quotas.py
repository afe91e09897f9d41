"""The rule by which nodes divide the bank's quota."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from memonotify.model import QuotaGrant, QuotaTold
from memonotify.store.quotas import Left, Wish, divide

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def told(left: int, resets_s: float, asked_s: float) -> QuotaTold:
    return QuotaTold(
        left=left, resets_at=EPOCH + timedelta(seconds=resets_s), asked_at=EPOCH + timedelta(seconds=asked_s)
    )


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def ask(
    left: Left, now_s: float, want: int = 1, heard: QuotaTold | None = None, **more: bool
) -> tuple[Left, QuotaGrant]:
    return divide(left, Wish(want=want, told=heard, **more), nodes=1, now=int(now_s * SECOND))


def test_a_window_that_is_over_is_found_out_about_by_one_call():
    left, grant = ask(Left(9, 100 * SECOND), 100, 8)
    assert grant == QuotaGrant(calls=1, until=at(102), is_trial=True)
    left, grant = ask(left, 100.5, 8)
    assert grant == QuotaGrant(calls=0, until=at(100.55))
    _, grant = ask(left, 102, 8)
    assert grant.is_trial


def test_the_end_of_a_window_is_quiet():
    left, grant = ask(Left(9, 100 * SECOND), 99.7, 3)
    assert grant == QuotaGrant(calls=3, until=at(99.75))
    _, grant = ask(left, 99.75, 3)
    assert grant == QuotaGrant(calls=0, until=at(100))


def test_the_smaller_number_counts_within_a_window():
    left, _ = ask(Left(9, 100 * SECOND), 50, 0, told(5, 100.8, 49))
    assert left == Left(5, 100_800_000)
    left, _ = ask(left, 51, 0, told(20, 99.9, 50))
    assert left.left_over == 5


def test_what_was_asked_before_the_window_was_over_makes_no_new_one():
    old = Left(3, 100 * SECOND)
    assert ask(old, 99.5, 0, told(27, 130, 99.4))[0] == old
    assert ask(old, 100.1, 0, told(27, 130, 99.4))[0] == old
    assert ask(old, 100.1, 0, told(27, 130, 100.05))[0] == Left(27, 130 * SECOND)


def test_an_answer_of_an_earlier_window_changes_nothing():
    now = Left(20, 130 * SECOND)
    assert ask(now, 101, 0, told(1, 100, 99))[0] == now
    assert ask(now, 101, 0, told(1, 127, 99))[0] == now


def test_a_trial_that_brought_nothing_leaves_each_to_itself_for_a_while():
    left, _ = ask(Left(0, 100 * SECOND), 100)
    left, _ = ask(left, 100.3, 0, untold=True)
    left, grant = ask(left, 100.4, 8)
    assert grant.calls == 8
    assert not grant.is_trial
    # As soon as the bank tells a node, that counts.
    left, grant = ask(left, 101, 100, told(3, 130, 100.9))
    assert grant.calls <= 3


def test_a_window_that_another_node_was_told_of_needs_no_help():
    running = Left(20, 130 * SECOND)
    assert ask(running, 101, 0, untold=True)[0] == running


@given(
    left=st.integers(0, 1000),
    nodes=st.integers(0, 9),
    wants=st.lists(st.integers(0, 100), max_size=60),
)
def test_never_more_is_granted_than_is_left(left, nodes, wants):
    row, granted = Left(left, 100 * SECOND), 0
    for want in wants:
        row, grant = divide(row, Wish(want=want), nodes=nodes, now=50 * SECOND)
        assert grant.calls <= want
        assert grant.calls <= max(1, (left - granted) // (2 * max(nodes, 1)))
        granted += grant.calls
    assert granted + row.left_over == left
