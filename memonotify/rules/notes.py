"""What is not wrong in the rules but doubtful: an amount compared in cents, an event type that no rule handles.

Takes a condition's source or a whole ruleset, gives plain facts or Problems of severity "note". The rules' loader calls
it; nothing here keeps a rule from running.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

import jinja2
from jinja2 import nodes

from memonotify.catalogue import EVENT_TYPES
from memonotify.config.values import Config
from memonotify.errors import Problem
from memonotify.rules.faults import shown
from memonotify.rules.values import Ruleset
from memonotify.templating.environment import Templates
from memonotify.templating.shapes import numbered
from memonotify.yamlsource import Document

CENTS: Final = frozenset({"amount", "balance", "instructed_amount"})
"""Fields of the bank's resources that count in the smallest unit of their currency, as whole numbers."""

_NAMED: Final = 5
"""How many event types a note names."""

_PARSER: Final = jinja2.Environment(autoescape=True)
"""Only parses; what runs is compiled by `templating`, sandboxed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CentsCompared:
    """A condition compares `field` (as written, `account.balance`) with the number `value`, on `line` of its source."""

    field: str
    value: int | float
    line: int


_FIRST: Final = 10**17
"""Stands for the first number of a condition while its shape is looked at; more than any account holds."""


def cents_compared(condition: str) -> tuple[CentsCompared, ...]:
    """Return where a condition compares an amount of the bank with a number literal other than 0.

    A condition that does not parse has none: that is a problem of its own.
    """
    # Parsing costs more than all else that a rule's condition needs; most conditions cannot have any.
    if not any(field in condition for field in CENTS):
        return ()
    shape = numbered(condition, _FIRST)
    if shape is None:
        return tuple(_comparisons(condition))
    source, numbers = shape
    return tuple(_with_number(found, numbers) for found in _comparisons_of_shape(source))


@lru_cache(maxsize=1024)
def _comparisons_of_shape(source: str) -> tuple[CentsCompared, ...]:
    return tuple(_comparisons(source))


def _with_number(found: CentsCompared, numbers: Sequence[str]) -> CentsCompared:
    at = abs(found.value) - _FIRST
    if not isinstance(at, int) or not 0 <= at < len(numbers):
        return found
    value = float(numbers[at]) if "." in numbers[at] else int(numbers[at])
    return replace(found, value=-value if found.value < 0 else value)


def _comparisons(condition: str) -> Iterator[CentsCompared]:
    try:
        tree = _PARSER.parse("{{ (" + condition + "\n) }}")
    except jinja2.TemplateSyntaxError:
        return
    for compare in tree.find_all(nodes.Compare):
        operands = [compare.expr, *(operand.expr for operand in compare.ops)]
        for left, right in pairwise(operands):
            for field, number in ((left, right), (right, left)):
                name, value = _cents_field(field), _number(number)
                if name and value:
                    yield CentsCompared(field=name, value=value, line=field.lineno)


def cents_note(found: CentsCompared, templates: Templates, file: str, line: int, column: int) -> Problem:
    """Return the note about one such comparison, with the number as money in the configured locale."""
    holder, _, name = found.field.rpartition(".")
    if isinstance(found.value, int):
        money = templates.text("{{ cents | money('EUR') }}").render({"cents": found.value})
        message = f"`{found.field}` counts in cents: {found.value} is {money} where the currency is EUR"
    else:
        message = f"`{found.field}` counts in whole cents, but is compared with {found.value}"
    unit = f"{holder} | amount" if name == "amount" else f"{found.field} | amount({holder}.currency)"
    return Problem(
        file=file,
        line=line,
        column=column,
        message=message,
        hint=f"`({unit})` is the amount in the currency's unit",
        severity="note",
    )


def unhandled_event_types(ruleset: Ruleset, config: Config) -> Problem | None:
    """Return one note on the event types of the bank that no rule of any workspace looks at; it names a few of them."""
    missed = [
        event_type
        for event_type, resource_type in EVENT_TYPES.items()
        if not any(ruleset.candidates(event_type, resource_type, workspace.name) for workspace in config.workspaces)
    ]
    if not missed:
        return None
    named = ", ".join(missed[:_NAMED])
    message = f"no rule handles {named}"
    if len(missed) > _NAMED:
        message = f"no rule handles {len(missed)} event types: {named}, …"
    return Problem(
        file=shown(config.path),
        line=1,
        column=1,
        message=message,
        hint='a rule with `match: {event_type: "*"}` sees every event',
        field="rules",
        severity="note",
    )


def unused_channels(ruleset: Ruleset, config: Config, document: Document) -> Iterator[Problem]:
    """Yield a note for each channel that no rule and no `on_failure` names; `document` is the configuration's.

    Rules that are off count: whoever switches one off means to switch it on again.
    """
    used = {entry.channel for rule in ruleset.rules for entry in (*rule.notify, *rule.resolved)}
    if config.on_failure is not None:
        used.add(config.on_failure.channel)
    for name in config.channels:
        if name not in used:
            path, hint = ("channels", name), "remove it, or name it in a rule or under `on_failure`"
            message = f"nobody uses the channel `{name}`"
            yield document.problem(path, message, hint=hint, key=True, severity="note")


def _cents_field(node: nodes.Node) -> str:
    match node:
        case nodes.Getattr(attr=name) | nodes.Getitem(arg=nodes.Const(value=str(name))) if name in CENTS:
            return _dotted(node)
    return ""


def _dotted(node: nodes.Node) -> str:
    match node:
        case nodes.Name(name=name):
            return name
        case nodes.Getattr(node=inner, attr=name) | nodes.Getitem(node=inner, arg=nodes.Const(value=str(name))):
            return f"{_dotted(inner)}.{name}"
    return "…"


def _number(node: nodes.Node) -> int | float:
    match node:
        case nodes.Const(value=bool()):
            return 0
        case nodes.Const(value=int() | float() as value):
            return value
        case nodes.Neg(node=inner):
            return -_number(inner)
    return 0
