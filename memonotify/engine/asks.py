"""What deciding a rule needs to know on its way, and what is answered. Frozen values.

`decide` and `stages` yield these and are sent the answers: by the daemon from the bank and the store, by the test
runner and the preview from what they were given.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from memonotify.engine.enclosing import Proof
from memonotify.holding import Policy
from memonotify.model import Severity
from memonotify.policies.window import Value, figure
from memonotify.templating.currencies import decimals
from memonotify.windowing import Figures, WindowEntry, WindowSpan

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the bank gave for one question. `note` is what a message has to say of it; empty where all is well."""

    value: Any
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Asks for what the bank has at `path`, named `name` in the rule's `fetch`. The answer is a Given."""

    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Asks for what a policy remembers for a key. The answer is its text, or None for nothing.

    `line` is what the order of events goes by: the key where the rule has one memory, else the same for all.
    """

    policy: Policy
    key: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Silences:
    """Asks for the silences in force. The answer is a sequence of Silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietUntil:
    """Asks until when the hours of that name are quiet for messages of a severity; None where they are not."""

    hours: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """Asks for the value of a window, `name` in the rule's `window`. The answer is what `value` gives.

    `span` is what to ask the store: the other resources. `entry` is what the event adds to the window, None where it is
    none that counts; `amount` is what it would. `line` is as in Remembered.
    """

    name: str
    span: WindowSpan
    line: str
    amount: int
    entry: WindowEntry | None

    def value(self, others: Figures | None = None) -> Value:
        """Return what the rule sees, with what there is in the span; as the only event, without."""
        return figure(
            self.span.measure,
            others or Figures(),
            counts=self.entry is not None,
            amount=self.amount,
            decimals=decimals(self.span.currency),
        )


Ask = Lookup | Remembered | Proof | Silences | QuietUntil | Windowed

Asking = Generator[Ask, Any, Answer]
