"""Pairs what a test expects with the messages that are due; the order of neither counts.

In: which expectation fits which message, and how well where it does not. Out: the pairs. Pure; `testing` calls.
"""

from __future__ import annotations

from collections.abc import Callable


def perfect_pairs(expectations: int, messages: int, fits: Callable[[int, int], bool]) -> dict[int, int]:
    """Return as many pairs of expectation and fitting message as can be, each of both used once.

    One expectation may fit several messages; a later one that fits only one of these gets it (augmenting paths).
    """
    owner: dict[int, int] = {}

    def give(expectation: int, tried: set[int]) -> bool:
        for message in range(messages):
            if message in tried or not fits(expectation, message):
                continue
            tried.add(message)
            if message not in owner or give(owner[message], tried):
                owner[message] = expectation
                return True
        return False

    for expectation in range(expectations):
        give(expectation, set())
    return {expectation: message for message, expectation in owner.items()}


def nearest_pairs(
    expectations: list[int], messages: list[int], distance: Callable[[int, int], float | None]
) -> dict[int, int]:
    """Pair what is left over, the nearest first; a distance of None means that the two have nothing in common."""
    ranked = sorted(
        (far, expectation, message)
        for expectation in expectations
        for message in messages
        if (far := distance(expectation, message)) is not None
    )
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, expectation, message in ranked:
        if expectation not in pairs and message not in taken:
            pairs[expectation] = message
            taken.add(message)
    return pairs
