"""Why a rule does not look at an event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engineparts import rule

from memonotify.model import Mode
from memonotify.rules.match import Match

FACTS = ("transaction_confirmed", "transaction", "acme")


@pytest.mark.parametrize(
    ("match", "said"),
    [
        (Match(), ""),
        (Match(event_type=("transaction_*",), workspace=("acme",)), ""),
        (
            Match(event_type=("collection_*", "iban_created"), workspace=("umbrella",)),
            "match: event_type is transaction_confirmed, and the rule looks at collection_*, iban_created",
        ),
        (
            Match(event_type=("transaction_*",), resource_type=("iban",)),
            "match: resource_type is transaction, and the rule looks at iban",
        ),
        (Match(workspace=("umb*",)), "match: workspace is acme, and the rule looks at umb*"),
    ],
)
def test_the_first_fact_that_does_not_fit_is_told_with_what_the_rule_looks_at(match: Match, said: str) -> None:
    assert match.misfit(*FACTS) == said
    assert match.fits(*FACTS) is not bool(said)
    assert rule(match=match).passes_over(*FACTS) == said


def test_a_rule_that_is_off_says_so_whatever_it_matches() -> None:
    off = replace(rule(match=Match(event_type=("collection_*",))), mode=Mode.OFF)
    assert off.passes_over(*FACTS) == "mode: off, so it looks at no event"
