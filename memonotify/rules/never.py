"""Conditions that can never hold: false whatever comes, or asking for what the rule's `match` does not let through.

In: a condition's source, the rule's Match and the workspaces there are. Out: a doubt with its line. The rules' reader
calls. Only what is certain is told: one part of an `and` that asks for a type, or a workspace, that cannot come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import jinja2
from jinja2 import nodes

from memonotify.catalogue import EVENT_TYPES
from memonotify.rules.match import Match, fits
from memonotify.templating.reading import dotted_path
from memonotify.templating.shapes import expression_shape

_PARSER: Final = jinja2.Environment(autoescape=True)
"""Only parses; what runs is compiled by `templating`, sandboxed."""

_EVENT_TYPE: Final = ("event", "event_type")
_RESOURCE_TYPE: Final = ("event", "resource_type")
_WORKSPACE: Final = ("workspace", "name")
_ASKED: Final = frozenset({_EVENT_TYPE, _RESOURCE_TYPE, _WORKSPACE})
_SIGNS: Final = ("event_type", "resource_type", "workspace", "false", "False")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverDoubt:
    """Why a condition never holds, and the line of its source (from 1) that says so."""

    message: str
    line: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One part of a condition: it holds only where `fact` is one of `values`; without a fact it is false always."""

    fact: tuple[str, ...]
    values: tuple[str, ...]
    line: int


def never_holds(condition: str, match: Match, workspaces: Iterable[str]) -> NeverDoubt | None:
    """Return why a condition of a rule with this match never holds; None where it may, or does not parse."""
    # Parsing costs more than all else that a rule's condition needs; most conditions cannot be such a one.
    if "." in condition and not any(sign in condition for sign in _SIGNS):
        return None
    names = [name for name in workspaces if fits(match.workspace, name)]
    for asked in _parts(condition):
        if not asked.fact:
            return NeverDoubt(message="the condition is false, whatever comes", line=asked.line)
        if not any(_may_be(asked.fact, value, match, names) for value in asked.values):
            listed = ", ".join(f"`{value}`" for value in asked.values) or "one of nothing"
            message = f"`{'.'.join(asked.fact)}` is never {listed} where the rule looks, so the condition never holds"
            return NeverDoubt(message=message, line=asked.line)
    return None


def _may_be(fact: tuple[str, ...], value: str, match: Match, workspaces: list[str]) -> bool:
    if fact == _WORKSPACE:
        return value in workspaces
    if fact == _RESOURCE_TYPE:
        return fits(match.resource_type, value) and _brings(match, value)
    about = EVENT_TYPES.get(value)
    return fits(match.event_type, value) and (about is None or fits(match.resource_type, about))


def _brings(match: Match, resource_type: str) -> bool:
    """Whether an event of a type that the match names can be about a resource of this type, as far as is known."""
    named = [text for text in match.event_type or () if text in EVENT_TYPES]
    if match.event_type is None or len(named) < len(match.event_type):
        # A glob, or a type that is not known here, lets through events that nobody knows.
        return True
    return any(EVENT_TYPES[text] == resource_type for text in named)


def _parts(condition: str) -> tuple[_Asked, ...]:
    """Return the parts of a condition that all have to hold and of which it is known what they ask for."""
    shape = expression_shape(condition)
    if shape is not None and not _may_ask(shape):
        return ()
    return tuple(asked for part in _conjuncts(condition) if (asked := _asked(part)) is not None)


@lru_cache(maxsize=1024)
def _may_ask(shape: str) -> bool:
    """Whether a condition of this shape can have such a part: its literals say what it asks for, never whether."""
    return any(_has_no_name(part) or _asked(part) is not None for part in _conjuncts(shape))


@lru_cache(maxsize=1024)
def _conjuncts(condition: str) -> tuple[nodes.Expr, ...]:
    """Return the parts that all have to hold; none where the condition does not parse."""
    try:
        tree = _PARSER.parse("{{ (" + condition + "\n) }}")
    except jinja2.TemplateSyntaxError:
        return ()
    output = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(output, nodes.Output) or len(output.nodes) != 1:
        return ()
    return tuple(_anded(output.nodes[0]))


def _anded(node: nodes.Expr) -> Iterator[nodes.Expr]:
    if isinstance(node, nodes.And):
        yield from _anded(node.left)
        yield from _anded(node.right)
    else:
        yield node


def _asked(node: nodes.Expr) -> _Asked | None:
    """Return what a part asks for: nothing that could be, where it is a constant that is false."""
    if _has_no_name(node):
        return None if _constant(node) else _Asked(fact=(), values=(), line=node.lineno)
    if not isinstance(node, nodes.Compare) or len(node.ops) != 1:
        return None
    operand = node.ops[0]
    left, right = dotted_path(node.expr), dotted_path(operand.expr)
    if operand.op == "eq" and left in _ASKED:
        return _texts(left, [operand.expr], node.lineno)
    if operand.op == "eq" and right in _ASKED:
        return _texts(right, [node.expr], node.lineno)
    if operand.op == "in" and left in _ASKED and isinstance(operand.expr, nodes.Tuple | nodes.List):
        return _texts(left, operand.expr.items, node.lineno)
    return None


def _has_no_name(node: nodes.Expr) -> bool:
    return not isinstance(node, nodes.Name) and node.find(nodes.Name) is None


def _constant(node: nodes.Expr) -> bool:
    """Return whether a part without names is true; what cannot be told now is taken to be."""
    try:
        return bool(node.as_const())
    except Exception:  # noqa: BLE001 - a filter over constants can raise anything, and none of ours is known here
        return True


def _texts(fact: tuple[str, ...], items: list[nodes.Expr], line: int) -> _Asked | None:
    values = [item.value for item in items if isinstance(item, nodes.Const) and isinstance(item.value, str)]
    return _Asked(fact=fact, values=tuple(values), line=line) if len(values) == len(items) else None
