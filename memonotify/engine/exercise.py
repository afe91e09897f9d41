"""Tells how far tests exercise the rules: a ruleset and the results of its tests in, one Exercise per rule out. Pure.

What counts is each list of messages that a rule has, `notify` and `resolved`: one of which no test makes a message may
say anything. `memonotify test` prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memonotify.engine.testing import TestResult
from memonotify.model import Branch, Mode
from memonotify.rules.values import Rule, Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """In how many tests a rule spoke, said that it is over (None: it has no `resolved`), and looked at the event and
    kept silent. A rule that is off is exercised by none."""

    rule: Rule
    spoke: int
    resolved: int | None
    silent: int

    @property
    def is_off(self) -> bool:
        """Whether no test can make it speak."""
        return self.rule.mode is Mode.OFF

    @property
    def counts(self) -> tuple[int, ...]:
        """The tests of each of its lists; none where it is off."""
        lists = (self.spoke,) if self.resolved is None else (self.spoke, self.resolved)
        return () if self.is_off else lists


def exercised(ruleset: Ruleset, results: Sequence[TestResult]) -> tuple[Exercise, ...]:
    """Return how far these tests exercise each rule, in the rules' order."""
    return tuple(_exercise(rule, results) for rule in ruleset.rules)


def percentage(exercises: Iterable[Exercise]) -> float:
    """Return the share of lists of messages that a test makes speak, from 0 to 100; 100 where there is none."""
    counts = [count for exercise in exercises for count in exercise.counts]
    return 100 * sum(map(bool, counts)) / len(counts) if counts else 100.0


def _exercise(rule: Rule, results: Sequence[TestResult]) -> Exercise:
    def in_tests(branch: Branch) -> int:
        return sum((rule.name, branch) in result.spoke for result in results)

    return Exercise(
        rule=rule,
        spoke=in_tests(Branch.NOTIFY),
        resolved=in_tests(Branch.RESOLVED) if rule.resolved else None,
        silent=sum(
            rule.name in result.decided and all(rule.name != name for name, _ in result.spoke) for result in results
        ),
    )
