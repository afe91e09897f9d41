"""What is known of one event while a rule is decided for it, and what goes wrong with what the rule writes.

In: the event, its resource, later the answers to look-ups. Out: the context of the rule's expressions, keys, and
`Failed` where a text of the rule fails. `decide` and `making` call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from memonotify.engine.asks import Asking, Given, Lookup
from memonotify.engine.windows import MAX_KEY_LENGTH
from memonotify.errors import RenderError
from memonotify.model import Event, Fault
from memonotify.rules.lookups import lookup_path
from memonotify.rules.values import Rule
from memonotify.templating.environment import Text

T = TypeVar("T")


class Failed(Exception):  # noqa: N818 - a state, not a mistake
    """The rule cannot be decided; its text says why, and `fault` which text of it failed."""

    def __init__(self, text: str, fault: Fault) -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(slots=True, kw_only=True)
class Facts:
    """What the rule's expressions see, growing with each look-up, what has to be said of it, and what failed."""

    context: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def learn(self, name: str, given: Given) -> None:
        self.context[name] = given.value
        self.note(given.note)

    def note(self, text: str) -> None:
        if text and text not in self.notes:
            self.notes.append(text)


def context_of(event: Event, resource: Any) -> dict[str, Any]:
    """Return the names that every expression sees: the event as posted, its resource, its workspace."""
    return {"event": event.body, "resource": resource, "workspace": {"name": event.workspace}}


def key_of(what: str, path: tuple[str | int, ...], text: Text, facts: Facts) -> str:
    key = attempt(what, path, lambda: text.render(facts.context)).strip()
    fault = "" if key else f"{what} is empty"
    if len(key) > MAX_KEY_LENGTH:
        fault = f"{what} is longer than {MAX_KEY_LENGTH} characters"
    if fault:
        raise Failed(fault, Fault(path=path, reason=fault))
    return key


def look_up(rule: Rule, names: Iterable[str], facts: Facts) -> Asking[None]:
    """Ask for the look-ups among `names` that are not there yet."""
    for name in sorted(names):
        if name in rule.lookups and name not in facts.context:
            text = rule.lookups[name]
            where = ("fetch", name)
            path = attempt(f"fetch.{name}", where, lambda: lookup_path(text, facts.context))  # noqa: B023 - called at once
            facts.learn(name, (yield Lookup(name=name, path=path)))


def names_of(*sources: Any) -> frozenset[str]:
    return frozenset().union(*(source.names for source in sources if source is not None))


def attempt(what: str, path: tuple[str | int, ...], work: Callable[[], T]) -> T:
    """Run what the user wrote at `path` of the rule. Whatever a value does to it, no alert is lost and no neighbour
    harmed."""
    try:
        return work()
    except RenderError as error:
        fault = Fault(path=(*path, *error.path), reason=error.reason, line=error.line, file=error.file, word=error.word)
        raise Failed(f"{what}: {error}", fault) from error
    except Exception as error:
        reason = f"{type(error).__name__} while it was evaluated"
        raise Failed(f"{what}: {reason}", Fault(path=path, reason=reason)) from error
