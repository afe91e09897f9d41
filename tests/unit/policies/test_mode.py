"""A rule in the shadow decides, and sends and remembers nothing."""

from __future__ import annotations

import pytest

from memonotify.model import Branch, Mode, Outcome
from memonotify.policies.fire import each_time, on_change
from memonotify.policies.mode import SHADOW, in_mode


@pytest.mark.parametrize(
    ("verdict", "branch"),
    [
        (each_time(True), Branch.NOTIFY),
        (on_change(True, None), Branch.NOTIFY),
        (on_change(False, True), Branch.RESOLVED),
    ],
)
def test_what_a_shadow_would_say_is_suppressed_and_not_remembered(verdict, branch) -> None:
    shadow = in_mode(Mode.SHADOW, verdict)
    assert (shadow.outcome, shadow.branch, shadow.remember) == (Outcome.SUPPRESSED, branch, None)
    assert shadow.detail == SHADOW
    assert in_mode(Mode.LIVE, verdict) == verdict


@pytest.mark.parametrize("verdict", [each_time(False), on_change(False, None), on_change(True, True)])
def test_a_shadow_that_is_silent_says_why_like_any_other_and_remembers_nothing(verdict) -> None:
    shadow = in_mode(Mode.SHADOW, verdict)
    assert (shadow.outcome, shadow.detail, shadow.remember) == (verdict.outcome, verdict.detail, None)
