"""Compiles everything a rule writes in Jinja: conditions, texts, structures and template files.

Takes source and how it is to be escaped, gives compiled objects that the engine renders for each event. The rules'
loader makes one `Templates` for each load; what it has read and compiled stays as it is, even where a file changes
afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Template, nodes
from jinja2.parser import Parser

from memonotify.errors import CompileError
from memonotify.templating.compiled import (
    ANSWER,
    Expression,
    FieldPath,
    Node,
    Text,
    Value,
    constant_node,
    expression_node,
    list_node,
    mapping_node,
    text_node,
)
from memonotify.templating.escaping import ESCAPERS, Escape
from memonotify.templating.failures import compile_failure, with_hint
from memonotify.templating.filters import Filters
from memonotify.templating.names import Analysis, Included, Place, analyse
from memonotify.templating.sandbox import PathSandbox, Sandbox, SlackSandbox
from memonotify.templating.templatefiles import TemplateFiles

__all__ = ["Escape", "Expression", "FieldPath", "Place", "Templates", "Text", "Value"]

Problems = list[tuple[FieldPath, CompileError]]

Parts = list[tuple[FieldPath, Text | Expression]]

_C = TypeVar("_C", Expression, Text)


class Templates:
    """The compiler of one configuration: its folder of templates, locale and time zone.

    The same source compiles once. Every method raises CompileError with the line within the source, or with the file
    for what stands in a template file. With `texts`, the files are these, by their names, and not those on disk.

    `used` gathers the names of the files that what is compiled reads; whoever wants to know empties it before.
    """

    def __init__(
        self, *, folder: Path | None, locale: str, timezone: str, texts: Mapping[str, str] | None = None
    ) -> None:
        self._files = TemplateFiles(folder, texts)
        self.used: set[str] = set()
        self.filters = Filters(locale, timezone)
        self._environments: dict[Escape, Sandbox] = {
            Escape.NONE: Sandbox(loader=self._files),
            Escape.HTML: Sandbox(loader=self._files, autoescape=True),
            Escape.SLACK: SlackSandbox(loader=self._files),
            Escape.PATH: PathSandbox(loader=self._files),
        }
        for environment in self._environments.values():
            environment.filters.update(self.filters.table())
        self._compiled: dict[tuple[str, str, Escape], Any] = {}

    @property
    def global_names(self) -> frozenset[str]:
        """The names that every template knows without a context, such as `range`."""
        return frozenset(self._environments[Escape.NONE].globals)

    @property
    def asked(self) -> Mapping[str, bool]:
        """The name of every file that was asked for, and whether there was a text for it."""
        return self._files.asked

    def source(self, name: str) -> str:
        """Return the text of a file."""
        return self._files.source(name)

    def expression(self, source: str, escape: Escape = Escape.NONE) -> Expression:
        """Compile one expression, such as a condition; `escape` matters only to its filters."""
        return self._once("expression", source, escape, self._expression)

    def text(self, source: str, escape: Escape = Escape.NONE) -> Text:
        """Compile a text with expressions in it; each expression's value is escaped."""
        return self._once("text", source, escape, self._text)

    def file(self, name: str, escape: Escape = Escape.NONE) -> Text:
        """Compile a file of the templates' folder."""
        return self._once("file", name, escape, self._file)

    def value(
        self, data: Any, escape: Escape = Escape.NONE, *, at: FieldPath = (), problems: Problems | None = None
    ) -> Value:
        """Compile JSON data whose strings are texts; a string that is one expression alone keeps its value's type.

        Under `Escape.SLACK` the addresses in Block Kit (`url`, `image_url`) are left as they are: Slack reads no
        markup there, and an escaped `&` would break them. `at` is where the data stands; every path begins with it.
        With `problems` given, what cannot be compiled is collected there with its path and left out; otherwise the
        first one is raised.
        """
        found: Problems = [] if problems is None else problems
        parts: Parts = []
        node = self._node(data, escape, at, parts, found)
        if problems is None and found:
            raise found[0][1]
        shape = json.dumps(data, sort_keys=True) + "".join(part.digest for _, part in parts)
        return Value(node, parts, hashlib.sha256(shape.encode()).hexdigest())

    def _once(self, kind: str, source: str, escape: Escape, make: Callable[[str, Escape], _C]) -> _C:
        key = (kind, source, escape)
        if key not in self._compiled:
            try:
                self._compiled[key] = make(source, escape)
            except Exception as error:  # any source may come, and in the end Python compiles it
                raise compile_failure(error, source) from error
        found: _C = self._compiled[key]
        self.used |= found.analysis.includes
        if kind == "file":
            self.used.add(source)
        return found

    def _expression(self, source: str, escape: Escape) -> Expression:
        if source.lstrip().startswith(("{{", "{%")):
            raise CompileError("this is an expression already: leave out the braces `{{ }}` around it")
        environment = self._environments[escape]
        parser = Parser(environment, source, state="variable")
        if parser.stream.eos:
            raise CompileError("the expression is empty")
        inner = parser.parse_expression()
        rest = parser.stream.current
        if rest.type != "eof":
            message = with_hint(f"expected the end of the expression, got {str(rest.value)!r}")
            raise CompileError(message, line=rest.lineno)
        inner.set_environment(environment)
        return self._compiled_expression(environment, inner, source)

    def _compiled_expression(self, environment: Sandbox, inner: nodes.Expr, source: str) -> Expression:
        output = nodes.Template([nodes.Output([inner], lineno=inner.lineno)], lineno=1)
        analysis = self._analyse(environment, output, source)
        target = nodes.Name(ANSWER, "store", lineno=inner.lineno)
        tree = nodes.Template([nodes.Assign(target, inner, lineno=inner.lineno)], lineno=1)
        tree.set_environment(environment)
        return Expression(source, analysis, _template(environment, tree))

    def _text(self, source: str, escape: Escape) -> Text:
        environment = self._environments[escape]
        tree = environment.parse(source)
        constant = _constant(tree)
        analysis = self._analyse(environment, tree, source)
        template = None if constant is not None else _template(environment, tree)
        return Text(source, analysis, template, constant)

    def _file(self, name: str, escape: Escape) -> Text:
        environment = self._environments[escape]
        included = self._include(environment, name)
        analysis = self._analyse(environment, included.tree, included.source, included.path)
        return Text(name, analysis, self._load(environment, name))

    def _analyse(self, environment: Sandbox, tree: nodes.Template, source: str, file: str = "") -> Analysis:
        """Return what a template reads, with all files it includes compiled and kept by the environment."""
        analysis = analyse(environment, tree, source, file=file, include=partial(self._include, environment))
        for name in analysis.includes:
            self._load(environment, name)
        return analysis

    def _include(self, environment: Sandbox, name: str) -> Included:
        source = self._files.source(name)
        path = str(self._files.path(name))
        return Included(environment.parse(source, name, path), source, path)

    def _load(self, environment: Sandbox, name: str) -> Template:
        try:
            return environment.get_template(name)
        except Exception as error:  # any source may come, and in the end Python compiles it
            failure = compile_failure(error, self._files.source(name))
            path = failure.file or str(self._files.path(name))
            raise CompileError(failure.message, line=failure.line, file=path) from error

    def _node(self, data: Any, escape: Escape, path: FieldPath, parts: Parts, problems: Problems) -> Node:
        if isinstance(data, dict):
            return mapping_node(
                [(key, self._node(item, escape, (*path, key), parts, problems)) for key, item in data.items()]
            )
        if isinstance(data, list):
            return list_node([self._node(item, escape, (*path, at), parts, problems) for at, item in enumerate(data)])
        if not isinstance(data, str):
            return constant_node(data)
        try:
            return self._string(data, _escape_at(path, escape), path, parts)
        except CompileError as error:
            problems.append((path, error))
            return constant_node(None)

    def _string(self, source: str, escape: Escape, path: FieldPath, parts: Parts) -> Node:
        compiled = self._once("string", source, escape, self._text_or_expression)
        if isinstance(compiled, Expression):
            parts.append((path, compiled))
            return expression_node(compiled, written(path), None if escape is Escape.NONE else ESCAPERS[escape])
        if compiled.constant is not None:
            return constant_node(compiled.constant)
        parts.append((path, compiled))
        return text_node(compiled, written(path))

    def _text_or_expression(self, source: str, escape: Escape) -> Any:
        environment = self._environments[escape]
        tree = environment.parse(source)
        alone = _lone_expression(tree)
        if alone is None:
            return self.text(source, escape)
        return self._compiled_expression(environment, alone, source)


def written(path: Sequence[str | int]) -> str:
    """Return a path as people write it: `blocks[0].text`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else step)
    return text


def _escape_at(path: FieldPath, escape: Escape) -> Escape:
    if escape is Escape.SLACK and path and path[-1] in ("url", "image_url"):
        return Escape.NONE
    return escape


def _template(environment: Sandbox, tree: nodes.Template) -> Template:
    # The environment's own dict of globals: each context copies it, and a ChainMap copies ten times slower.
    return Template.from_code(environment, environment.compile(tree), environment.globals)


def _constant(tree: nodes.Template) -> str | None:
    """Return the text of a template that has no expressions and no tags."""
    kept = []
    for node in tree.body:
        if not isinstance(node, nodes.Output):
            return None
        for child in node.nodes:
            if not isinstance(child, nodes.TemplateData):
                return None
            kept.append(child.data)
    return "".join(kept)


def _lone_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression of a template that is one expression and nothing else."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) and len(tree.body[0].nodes) == 1:
        child = tree.body[0].nodes[0]
        return None if isinstance(child, nodes.TemplateData) else child
    return None
