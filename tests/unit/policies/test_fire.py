"""When a rule speaks."""

from __future__ import annotations

import pytest

from memonotify.model import Branch, Outcome
from memonotify.policies.fire import each_time, on_change


def test_a_rule_without_memory_speaks_whenever_its_condition_is_true():
    assert each_time(True).branch is Branch.NOTIFY
    assert each_time(False).branch is None
    assert each_time(False).outcome is Outcome.NOT_MATCHED


@pytest.mark.parametrize(
    ("answer", "remembered", "outcome", "branch", "remember"),
    [
        (True, None, Outcome.MATCHED, Branch.NOTIFY, True),
        (True, False, Outcome.MATCHED, Branch.NOTIFY, True),
        (True, True, Outcome.UNCHANGED, None, None),
        (False, None, Outcome.NOT_MATCHED, None, False),
        (False, False, Outcome.NOT_MATCHED, None, None),
        (False, True, Outcome.MATCHED, Branch.RESOLVED, False),
    ],
)
def test_on_change_speaks_only_where_the_answer_is_another(answer, remembered, outcome, branch, remember):
    verdict = on_change(answer, remembered)
    assert (verdict.outcome, verdict.branch, verdict.remember) == (outcome, branch, remember)


@pytest.mark.parametrize(
    ("answer", "remembered", "outcome", "branch", "remember"),
    [
        (False, True, Outcome.UNCHANGED, None, None),
        (True, True, Outcome.UNCHANGED, None, None),
        (True, None, Outcome.MATCHED, Branch.NOTIFY, True),
        (False, None, Outcome.NOT_MATCHED, None, False),
        (False, False, Outcome.NOT_MATCHED, None, None),
    ],
)
def test_what_is_not_over_stays_true_and_changes_nothing_else(answer, remembered, outcome, branch, remember):
    verdict = on_change(answer, remembered, is_over=False)
    assert (verdict.outcome, verdict.branch, verdict.remember) == (outcome, branch, remember)
