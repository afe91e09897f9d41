"""A rule's condition that can say why it does not hold: its first `and`-ed part that is false, with both sides' values.

Comes in: an expression and a way to compile parts of it. Goes out: an answer, and for a false one a Falsehood. The
parts are cut from the source by its tokens, so that they stand there as the user wrote them, and are compiled when one
is first asked for. The engine calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from jinja2 import Environment

from memonotify.errors import CompileError, RenderError
from memonotify.model import Falsehood
from memonotify.templating.compiled import Expression
from memonotify.templating.names import Analysis, Place

MAX_SHOWN: Final = 80
"""Characters kept of a value that is shown."""

_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")
_COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_LEXER: Final = Environment(autoescape=True)

_Token = tuple[str, str]


class Condition:
    """A condition: an expression that holds or not, and tells why not. Safe to share between threads."""

    __slots__ = ("_compile", "_expression", "_parts", "_sides")

    def __init__(self, expression: Expression, compile_: Callable[[str], Expression]) -> None:
        self._expression = expression
        self._compile = compile_
        self._parts: tuple[Expression, ...] | None = None
        self._sides: dict[str, tuple[Expression, ...]] = {}

    @property
    def source(self) -> str:
        """The condition as it was written."""
        return self._expression.source

    @property
    def names(self) -> frozenset[str]:
        """The names it takes from the context."""
        return self._expression.names

    @property
    def analysis(self) -> Analysis:
        """What it reads."""
        return self._expression.analysis

    @property
    def places(self) -> Mapping[str, Place]:
        """Where each name stands first."""
        return self._expression.places

    @property
    def fields(self) -> Mapping[tuple[str, str], Place]:
        """Where each field stands first."""
        return self._expression.fields

    @property
    def digest(self) -> str:
        """A digest of its source."""
        return self._expression.digest

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Return whether it is true.

        Raises:
            RenderError: it failed.
        """
        return self._expression.holds(context)

    def first_false(self, context: Mapping[str, Any]) -> Falsehood:
        """Return the first part that is false for a context for which the whole is, with the values of its sides."""
        for part in self._all_parts():
            try:
                if part.holds(context):
                    continue
            except RenderError:
                break
            return Falsehood(condition=part.source.strip(), values=tuple(self._values(part, context)))
        return Falsehood(condition=self.source.strip())

    def _all_parts(self) -> tuple[Expression, ...]:
        if self._parts is None:
            sources = conjuncts(self.source)
            whole = len(sources) == 1
            self._parts = (self._expression,) if whole else self._compiled(sources)
        return self._parts

    def _values(self, part: Expression, context: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if part.source not in self._sides:
            self._sides[part.source] = self._compiled(operands(part.source))
        for side in self._sides[part.source]:
            if not side.names:
                # A constant says nothing that the condition does not.
                continue
            try:
                yield side.source.strip(), shown(side.evaluate(context))
            except RenderError as error:
                yield side.source.strip(), str(error)

    def _compiled(self, sources: Sequence[str]) -> tuple[Expression, ...]:
        try:
            return tuple(self._compile(source) for source in sources)
        except CompileError:
            # Cut where it cannot be cut: the whole is all that can be told then.
            return (self._expression,)


def conjuncts(source: str) -> list[str]:
    """Return the parts that are `and`-ed at the top of an expression; the expression itself where there are none."""
    tokens = list(_tokens(source))
    if any(kind == "name" and word in ("or", "if") for kind, word in _top(tokens)):
        return [source]
    return _cut(tokens, lambda kind, word: kind == "name" and word == "and")


def operands(source: str) -> list[str]:
    """Return the two sides of a comparison, or what stands before `is`; else the expression itself."""
    tokens = list(_tokens(source))
    first = next((word for kind, word in tokens if kind != "whitespace"), "")
    if first == "not":
        inner = source.strip().removeprefix("not").strip()
        return operands(inner)
    if any(kind == "name" and word in ("or", "and", "if") for kind, word in _top(tokens)):
        return [source]
    if any(kind == "name" and word == "is" for kind, word in _top(tokens)):
        return _cut(tokens, lambda kind, word: kind == "name" and word == "is")[:1]
    sides = _cut(tokens, lambda kind, word: (kind == "operator" or kind == "name") and word in _COMPARISONS)
    if len(sides) == 2 and sides[0].rstrip().endswith(" not"):
        sides[0] = sides[0].rstrip().removesuffix(" not")
    return sides


def shown(value: Any) -> str:
    """Return a value in a few characters, as a person would write it in a condition."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, int | float | Decimal):
        text = str(value)
    elif isinstance(value, date):
        text = value.isoformat()
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _tokens(source: str) -> Iterator[_Token]:
    # The expression in braces, because the lexer knows only templates; its own two brace tokens are left out.
    for _, kind, word in _LEXER.lex("{{" + source + "}}"):
        if kind not in ("variable_begin", "variable_end"):
            yield kind, word


def _top(tokens: Sequence[_Token]) -> Iterator[_Token]:
    for depth, token in _with_depth(tokens):
        if depth == 0:
            yield token


def _with_depth(tokens: Sequence[_Token]) -> Iterator[tuple[int, _Token]]:
    depth = 0
    for kind, word in tokens:
        if kind == "operator" and word in _CLOSING:
            depth -= 1
        yield depth, (kind, word)
        if kind == "operator" and word in _OPENING:
            depth += 1


def _cut(tokens: Sequence[_Token], at: Callable[[str, str], bool]) -> list[str]:
    pieces = [""]
    for depth, (kind, word) in _with_depth(tokens):
        if depth == 0 and at(kind, word):
            pieces.append("")
        else:
            pieces[-1] += word
    return pieces
