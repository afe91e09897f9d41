"""Compiled expressions, texts and structures: made by `environment.Templates`, evaluated for each event by the engine.

Takes a context (`event`, `resource`, `workspace` and what a rule looked up, by name), gives a value, a text or JSON
data. Whatever goes wrong is a RenderError with a sentence. All of them are immutable and shared between threads.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from jinja2 import Template

from memonotify.errors import RenderError
from memonotify.templating.failures import render_failure
from memonotify.templating.jsondata import MAX_RENDERED, Budget, json_data, too_large
from memonotify.templating.names import Analysis, Place, digest_of
from memonotify.templating.sandbox import Missing, require

ANSWER = "_answer"
"""The variable that an expression's value is assigned to in its compiled code."""


_COMPILING = threading.RLock()
"""Rules are evaluated on several threads, and a text is compiled once. One within a structure compiles as a text."""


class Code:
    """The code of one source: there already, or made by `make` when it is first run. Immutable to look at."""

    __slots__ = ("_make", "_template")

    def __init__(self, template: Template | None = None, make: Callable[[], Template] | None = None) -> None:
        self._template = template
        self._make = make

    @property
    def template(self) -> Template:
        """The code."""
        return self._template or self._made()

    def _made(self) -> Template:
        with _COMPILING:
            if self._template is None:
                assert self._make is not None  # noqa: S101 - one of the two is there from the start
                self._template = self._make()
                self._make = None
            return self._template


class _Compiled:
    """What was compiled from one source. `names` are the names it takes from the context, through its includes too."""

    __slots__ = ("analysis", "source")

    def __init__(self, source: str, analysis: Analysis) -> None:
        self.source = source
        self.analysis = analysis

    @property
    def names(self) -> frozenset[str]:
        """The names it takes from the context."""
        return self.analysis.free

    @property
    def places(self) -> Mapping[str, Place]:
        """Where each name stands first."""
        return self.analysis.names

    @property
    def fields(self) -> Mapping[tuple[str, str], Place]:
        """Where each field of such a name is read first that is nowhere asked for."""
        return self.analysis.fields

    @property
    def digest(self) -> str:
        """A digest of the source and of all files it includes."""
        return self.analysis.digest or digest_of(self.source)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"


class Expression(_Compiled):
    """One expression, such as a condition."""

    __slots__ = ("code",)

    def __init__(self, source: str, analysis: Analysis, code: Code) -> None:
        super().__init__(source, analysis)
        self.code = code

    def evaluate(self, context: Mapping[str, Any]) -> Any:
        """Return the expression's value.

        Raises:
            RenderError: it failed, its value is missing, or it is a function that was not called.
        """
        try:
            template = self.code.template
            run = template.new_context(context)  # type: ignore[arg-type]
            for _ in template.root_render_func(run):
                pass
            value = run.vars[ANSWER]
            if isinstance(value, Missing):
                require(value)
        except Exception as error:  # an expression over any data can raise anything
            raise render_failure(error, context, self.analysis.paths) from error
        if callable(value):
            raise RenderError("this is a function, not a value: are the parentheses of a call missing?")
        return value

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Return whether the expression is true, as `{% if %}` understands it; raises as `evaluate` does.

        A lazy sequence would be true even where it is empty, so it is an error.
        """
        value = self.evaluate(context)
        if isinstance(value, Iterator):
            raise RenderError("this is a lazy sequence, which is always true: end it with `| list`")
        return bool(value)


class Text(_Compiled):
    """One text with expressions in it. `constant` is the text itself where nothing in it depends on the context."""

    __slots__ = ("code", "constant")

    def __init__(self, source: str, analysis: Analysis, code: Code | None, constant: str | None = None) -> None:
        super().__init__(source, analysis)
        self.code = code
        self.constant = constant

    def render(self, context: Mapping[str, Any]) -> str:
        """Return the text, valid UTF-8 and 1 MiB at most.

        Raises:
            RenderError: it failed, or would be larger.
        """
        if self.constant is not None or self.code is None:
            return self.constant or ""
        try:
            template = self.code.template
            run = template.new_context(context)  # type: ignore[arg-type]
            return _collected(template.root_render_func(run))
        except Exception as error:  # a template over any data can raise anything
            raise render_failure(error, context, self.analysis.paths) from error


FieldPath = tuple[str | int, ...]
"""The keys and indexes that lead to a value within a structure."""

Part = tuple[FieldPath, Text | Expression]


class Node(Protocol):
    """One part of a structure: renders itself within the budget of the whole."""

    def __call__(self, context: Mapping[str, Any], budget: Budget) -> Any: ...


class Value:
    """A structure of JSON data with texts and expressions in it. Keys are literal; a lone expression keeps its type.

    `parts` are those texts and expressions, each with its path.
    """

    __slots__ = ("_data", "_node", "names", "parts")

    def __init__(self, node: Node, parts: Sequence[Part], data: Any) -> None:
        self._node = node
        self._data = data
        self.parts = tuple(parts)
        self.names = frozenset[str]().union(*[part.names for _, part in self.parts])

    @property
    def digest(self) -> str:
        """A digest of the data and of all files its texts include."""
        shape = json.dumps(self._data, sort_keys=True) + "".join(part.digest for _, part in self.parts)
        return hashlib.sha256(shape.encode()).hexdigest()

    def render(self, context: Mapping[str, Any]) -> Any:
        """Return fresh JSON data.

        Raises:
            RenderError: a part failed or has no form in JSON; its path stands first, such as `items[2].amount`.
        """
        return self._node(context, Budget())


def constant_node(data: Any) -> Node:
    """Return the node of a number, a boolean, null, or a text without expressions."""

    def render(context: Mapping[str, Any], budget: Budget) -> Any:  # noqa: ARG001 - it depends on nothing
        return data

    return render


def text_node(text: Text, path: FieldPath) -> Node:
    """Return the node of a text with expressions in it."""

    def render(context: Mapping[str, Any], budget: Budget) -> str:
        try:
            result = text.render(context)
            budget.spend(len(result))
        except RenderError as error:
            raise _placed(path, error) from error
        return result

    return render


def expression_node(expression: Expression, path: FieldPath, escape: Callable[[Any], str] | None) -> Node:
    """Return the node of a lone expression, whose value keeps its type; strings in it are escaped."""

    def render(context: Mapping[str, Any], budget: Budget) -> Any:
        try:
            return json_data(expression.evaluate(context), escape=escape, budget=budget)
        except RenderError as error:
            raise _placed(path, error) from error
        except Exception as error:  # a lazy sequence runs the expression's filters only here
            raise _placed(path, render_failure(error, context, expression.analysis.paths)) from error

    return render


def mapping_node(items: Sequence[tuple[str, Node]]) -> Node:
    """Return the node of a mapping."""
    return lambda context, budget: {key: node(context, budget) for key, node in items}


def list_node(items: Sequence[Node]) -> Node:
    """Return the node of a list."""
    return lambda context, budget: [node(context, budget) for node in items]


def written(path: FieldPath) -> str:
    """Return a path as people write it: `blocks[0].text`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


def _placed(path: FieldPath, error: RenderError) -> RenderError:
    return error.within(written(path), path) if path else error


def _collected(parts: Iterator[str]) -> str:
    """Join what a template yields, stopping where it becomes too large."""
    kept: list[str] = []
    left = MAX_RENDERED
    for part in parts:
        left -= len(part)
        if left < 0:
            raise too_large()
        kept.append(part)
    text = "".join(kept)
    return text if text.isascii() else _encodable(text)


def _encodable(text: str) -> str:
    """Return text that UTF-8 can hold: half of a surrogate pair, which JSON can smuggle in, becomes `?`."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > MAX_RENDERED:
        raise too_large()
    return raw.decode("utf-8")
