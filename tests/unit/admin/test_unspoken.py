"""A rule's silences, counted by reason."""

from __future__ import annotations

from datetime import timedelta

from fakes import ManualClock

from memonotify.admin.unspoken import unspoken
from memonotify.model import Decision, Falsehood, Outcome

NOW = ManualClock().now()


def _decided(*decisions):
    return [(f"e{number}", NOW - timedelta(minutes=number), one) for number, one in enumerate(decisions)]


def _false(amount):
    falsehood = Falsehood(condition="resource.amount > 5", values=(("resource.amount", amount),))
    return Decision(rule="r", outcome=Outcome.NOT_MATCHED, detail=str(falsehood), falsehood=falsehood)


def test_silences_are_counted_by_reason_with_the_newest_case_of_each_the_most_frequent_first():
    spoke, reasons = unspoken(
        _decided(
            Decision(rule="r", outcome=Outcome.FAILED, detail="when: x is missing"),
            _false("3"),
            Decision(rule="r", outcome=Outcome.MATCHED),
            _false("4"),
            Decision(rule="r", outcome=Outcome.UNCHANGED, detail="still true"),
            Decision(rule="r", outcome=Outcome.MATCHED),
        ),
        {"e2"},
    )
    assert spoke == 1
    assert [(one["count"], one["outcome"], one["reason"], one["latest_event_id"]) for one in reasons] == [
        (2, "not_matched", "resource.amount > 5 is false", "e1"),
        (1, "matched", "none of its messages was due", "e5"),
        (1, "unchanged", "still true", "e4"),
        (1, "failed", "when: x is missing", "e0"),
    ]
    assert reasons[0]["values"] == {"resource.amount": "3"}


def test_a_rule_that_looked_at_nothing_has_no_silences():
    assert unspoken([], set()) == (0, [])
