"""The index answers what a scan of all rules would."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.rules import index as index_module
from memonotify.rules.index import Index
from memonotify.rules.match import Match

VALUES = ("transaction_confirmed", "transaction_rejected", "collection_failed", "Transaction_confirmed", "new.type-1")
PATTERNS = (*VALUES, "*", "transaction_*", "*_failed", "transaction_?onfirmed", "[tc]*", "[!t]*", "*[0-9]", "[", "]x")


def patterns() -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(PATTERNS), min_size=0, max_size=3).map(tuple)


matches = st.builds(Match, event_type=patterns(), resource_type=patterns(), workspace=patterns())
value = st.sampled_from(PATTERNS) | st.text("tc_[]*?-.1", min_size=1, max_size=5)


def naively(given_patterns: tuple[str, ...] | None, value: str) -> bool:
    if given_patterns is None:
        return True
    return any(fnmatchcase(value, pattern) for pattern in given_patterns)


@given(st.lists(matches, max_size=30), st.lists(st.tuples(value, value, value), min_size=1, max_size=5))
def test_the_index_finds_what_a_scan_finds_in_the_same_order(
    entries: list[Match], events: list[tuple[str, str, str]]
) -> None:
    index = Index((match, position) for position, match in enumerate(entries))
    for event in [*events, *events]:
        expected = tuple(
            position
            for position, match in enumerate(entries)
            if naively(match.event_type, event[0])
            and naively(match.resource_type, event[1])
            and naively(match.workspace, event[2])
        )
        assert index.find(*event) == expected


def test_a_match_without_keys_fits_every_event() -> None:
    assert Index([(Match(), "all")]).find("never_heard_of", "at_all", "acme") == ("all",)


def test_globs_tell_upper_from_lower_case() -> None:
    index = Index([(Match(event_type=("Transaction_*",)), "rule")])
    assert index.find("transaction_confirmed", "transaction", "acme") == ()
    assert index.find("Transaction_confirmed", "transaction", "acme") == ("rule",)


def test_a_rule_under_two_fitting_patterns_is_found_once() -> None:
    match = Match(event_type=("transaction_*", "*_confirmed", "transaction_confirmed"))
    assert Index([(match, "rule")]).find("transaction_confirmed", "transaction", "acme") == ("rule",)


def test_rules_of_other_types_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Match] = []
    fits = Match.fits

    def counting(self: Match, *facts: str) -> bool:
        looked_at.append(self)
        return fits(self, *facts)

    monkeypatch.setattr(Match, "fits", counting)
    index = Index((Match(event_type=(f"type_{number}",)), number) for number in range(1000))
    assert index.find("type_7", "thing", "acme") == (7,)
    assert len(looked_at) == 1


def test_unknown_types_cannot_grow_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_HELD", 1000)
    index = Index([(Match(), "all")])
    for number in range(5000):
        assert index.find(f"type_{number}", "thing", "acme") == ("all",)
        assert len(index._memory) <= 1000 // index_module._ANSWER_COST
