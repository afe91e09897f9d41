"""What a reload changed: the rules in force before and after in, their difference by name out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from memonotify.rules.values import Rule, Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Rules that are new, rules that are not what they were, and rules that are gone, as they stood before."""

    added: tuple[Rule, ...]
    changed: tuple[Rule, ...]
    removed: tuple[Rule, ...]

    @property
    def is_empty(self) -> bool:
        """Whether everything is as it was."""
        return not (self.added or self.changed or self.removed)


def difference(before: Ruleset, after: Ruleset) -> Difference:
    """Return how two sets differ. A rule is its name: one that only moved, in its file or to another, is the same."""
    old = {rule.name: rule for rule in before.rules}
    new = {rule.name for rule in after.rules}
    return Difference(
        added=tuple(rule for rule in after.rules if rule.name not in old),
        changed=tuple(rule for rule in after.rules if rule.name in old and old[rule.name].digest != rule.digest),
        removed=tuple(rule for rule in before.rules if rule.name not in new),
    )
