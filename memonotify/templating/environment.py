"""Compiles everything a rule writes in Jinja: conditions, texts, structures and template files.

Takes source and how it is to be escaped, gives compiled objects that the engine renders for each event. The rules'
loader makes one `Templates` for each load; what it has read and compiled stays as it is, even where a file changes
afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from jinja2 import Template, nodes
from jinja2.parser import Parser

from memonotify.errors import CompileError
from memonotify.templating.compiled import (
    ANSWER,
    Code,
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
from memonotify.templating.conditions import Condition
from memonotify.templating.escaping import ESCAPERS, Escape
from memonotify.templating.failures import compile_failure, with_hint
from memonotify.templating.filters import Filters
from memonotify.templating.lines import with_lines_of
from memonotify.templating.names import NOTHING_READ, Analysis, Included, Place, analyse
from memonotify.templating.sandbox import PathSandbox, Sandbox, SlackSandbox
from memonotify.templating.shapes import constant, expression_shape, text_shape
from memonotify.templating.templatefiles import TemplateFiles

__all__ = ["Escape", "Expression", "FieldPath", "Place", "Templates", "Text", "Value"]

Problems = list[tuple[FieldPath, CompileError]]

Parts = list[tuple[FieldPath, Text | Expression]]

Written = Callable[[FieldPath], str]
"""Gives the text at a path with the line breaks of its file."""

_C = TypeVar("_C", Expression, Text)


class Templates:
    """The compiler of one configuration: its folder of templates, locale and time zone.

    The same source compiles once. Of sources of one shape (see `shapes`) the first compiles at once, so that all that
    is wrong is told, and each other when it first runs. `written` is the source with the line breaks of the file that
    it stands in, where folding took them away: every line that is told counts them. Every method raises CompileError
    with the line, or with the file for what stands in a template file. With `texts`, the files are these, by their
    names, and not those on disk.

    `used` gathers the names of the files that what is compiled reads; whoever wants to know empties it before.
    """

    def __init__(
        self, *, folder: Path | None, locale: str, timezone: str, texts: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._files = TemplateFiles(folder, texts)
        self._settings = (locale, timezone)
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
        self._compiled: dict[tuple[str, str, Escape, str], Any] = {}
        self._shapes: dict[tuple[str, str, Escape, str | None], Expression | Text] = {}
        self.codes = 0
        """How many sources were compiled into code so far."""

    @property
    def global_names(self) -> frozenset[str]:
        """The names that every template knows without a context, such as `range`."""
        return frozenset(self._environments[Escape.NONE].globals)

    def over(self, folder: Path) -> Templates:
        """Return a compiler like this one over another folder."""
        locale, timezone = self._settings
        return Templates(folder=folder, locale=locale, timezone=timezone)

    def forget_texts(self) -> None:
        """Forget which sources were compiled, but for one of each shape: whoever uses one of them holds it.

        A text that is compiled later holds its compiler. Forgotten here, it goes with the rule that has it, and no
        walk through all of them is needed to find that out.
        """
        self._compiled.clear()

    @property
    def asked(self) -> Mapping[str, bool]:
        """The name of every file that was asked for, and whether there was a text for it."""
        return self._files.asked

    def source(self, name: str) -> str:
        """Return the text of a file."""
        return self._files.source(name)

    def unread(self) -> list[str]:
        """Return the names of the folder's templates that were not compiled or included so far, sorted."""
        return self._files.unread()

    def expression(self, source: str, escape: Escape = Escape.NONE, *, written: str = "") -> Expression:
        """Compile one expression, such as a condition; `escape` matters only to its filters."""
        return self._once("expression", source, escape, written, self._expression)

    def condition(self, source: str, escape: Escape = Escape.NONE, *, written: str = "") -> Condition:
        """Compile a condition, which can say why it does not hold."""
        return Condition(self.expression(source, escape, written=written), self.expression)

    def text(self, source: str, escape: Escape = Escape.NONE, *, written: str = "") -> Text:
        """Compile a text with expressions in it; each expression's value is escaped."""
        return self._once("text", source, escape, written, self._text)

    def file(self, name: str, escape: Escape = Escape.NONE) -> Text:
        """Compile a file of the templates' folder."""
        return self._once("file", name, escape, "", self._file)

    def value(
        self,
        data: Any,
        escape: Escape = Escape.NONE,
        *,
        at: FieldPath = (),
        problems: Problems | None = None,
        written: Written | None = None,
    ) -> Value:
        """Compile JSON data whose strings are texts; a string that is one expression alone keeps its value's type.

        Under `Escape.SLACK` the addresses in Block Kit (`url`, `image_url`) are left as they are: Slack reads no
        markup there, and an escaped `&` would break them. `at` is where the data stands; every path begins with it.
        With `problems` given, what cannot be compiled is collected there with its path and left out; otherwise the
        first one is raised.
        """
        building = _Building(escape, written or (lambda _: ""), [], [] if problems is None else problems)
        node = self._node(data, at, building)
        if problems is None and building.problems:
            raise building.problems[0][1]
        return Value(node, building.parts, data)

    def _once(self, kind: str, source: str, escape: Escape, written: str, make: Callable[[str, Escape, str], _C]) -> _C:
        written = "" if written == source else written
        key = (kind, source, escape, written)
        if key not in self._compiled:
            try:
                self._compiled[key] = self._of_shape(kind, source, escape, written, make)
            except Exception as error:  # any source may come, and in the end Python compiles it
                raise compile_failure(error, written or source) from error
        found: _C = self._compiled[key]
        if found.analysis.includes:
            self.used |= found.analysis.includes
        if kind == "file":
            self.used.add(source)
        return found

    def _of_shape(
        self, kind: str, source: str, escape: Escape, written: str, make: Callable[[str, Escape, str], _C]
    ) -> Expression | Text:
        """Compile a source, or take it for compiled where one of the same shape was."""
        if kind == "file":
            return make(source, escape, written)
        if kind != "expression" and (text := constant(source)) is not None:
            return Text(source, NOTHING_READ, None, text)
        shape_of = expression_shape if kind == "expression" else text_shape
        shape = shape_of(source)
        laid_out = shape_of(written) if written else ""
        if shape is None or laid_out is None:
            return make(source, escape, written)
        key = (kind, shape, escape, laid_out)
        like = self._shapes.get(key)
        if like is None:
            like = self._shapes[key] = make(source, escape, written)
            like.analysis = replace(like.analysis, digest="")
            return like
        later = Code(make=partial(self._code_of, make, source, escape, written))
        return type(like)(source, like.analysis, later)

    def _code_of(
        self, make: Callable[[str, Escape, str], Expression | Text], source: str, escape: Escape, written: str
    ) -> Template:
        code = make(source, escape, written).code
        assert code is not None  # noqa: S101 - a text with a tag is no constant
        return code.template

    def _expression(self, source: str, escape: Escape, written: str) -> Expression:
        if source.lstrip().startswith(("{{", "{%")):
            raise CompileError("this is an expression already: leave out the braces `{{ }}` around it")
        environment = self._environments[escape]
        inner = with_lines_of(written, source, partial(_bare_expression, environment))
        return self._compiled_expression(environment, inner, source)

    def _compiled_expression(self, environment: Sandbox, inner: nodes.Expr, source: str) -> Expression:
        output = nodes.Template([nodes.Output([inner], lineno=inner.lineno)], lineno=1)
        analysis = self._analyse(environment, output, source)
        target = nodes.Name(ANSWER, "store", lineno=inner.lineno)
        tree = nodes.Template([nodes.Assign(target, inner, lineno=inner.lineno)], lineno=1)
        tree.set_environment(environment)
        return Expression(source, analysis, Code(self._template(environment, tree)))

    def _text(self, source: str, escape: Escape, written: str) -> Text:
        environment = self._environments[escape]
        tree = with_lines_of(written, source, environment.parse)
        analysis = self._analyse(environment, tree, source)
        text = _untagged(tree)
        return Text(source, analysis, None if text is not None else Code(self._template(environment, tree)), text)

    def _file(self, name: str, escape: Escape, written: str) -> Text:  # noqa: ARG002 - a file's lines are its own
        environment = self._environments[escape]
        included = self._include(environment, name)
        analysis = self._analyse(environment, included.tree, included.source, included.path)
        return Text(name, analysis, Code(self._load(environment, name)))

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

    def _template(self, environment: Sandbox, tree: nodes.Template) -> Template:
        self.codes += 1
        # The environment's own dict of globals: each context copies it, and a ChainMap copies ten times slower.
        return Template.from_code(environment, environment.compile(tree), environment.globals)

    def _node(self, data: Any, path: FieldPath, building: _Building) -> Node:
        if isinstance(data, dict):
            return mapping_node([(key, self._node(item, (*path, key), building)) for key, item in data.items()])
        if isinstance(data, list):
            return list_node([self._node(item, (*path, at), building) for at, item in enumerate(data)])
        if not isinstance(data, str):
            return constant_node(data)
        try:
            return self._string(data, path, building)
        except CompileError as error:
            building.problems.append((path, error))
            return constant_node(None)

    def _string(self, source: str, path: FieldPath, building: _Building) -> Node:
        if (text := constant(source)) is not None:
            return constant_node(text)
        escape = _escape_at(path, building.escape)
        compiled = self._once("string", source, escape, building.written(path), self._text_or_expression)
        if isinstance(compiled, Expression):
            building.parts.append((path, compiled))
            return expression_node(compiled, path, None if escape is Escape.NONE else ESCAPERS[escape])
        if compiled.constant is not None:
            return constant_node(compiled.constant)
        building.parts.append((path, compiled))
        return text_node(compiled, path)

    def _text_or_expression(self, source: str, escape: Escape, written: str) -> Any:
        environment = self._environments[escape]
        tree = with_lines_of(written, source, environment.parse)
        alone = _lone_expression(tree)
        if alone is None:
            return self.text(source, escape, written=written)
        return self._compiled_expression(environment, alone, source)


class _Building(NamedTuple):
    """What is known and found while one structure is compiled."""

    escape: Escape
    written: Written
    parts: Parts
    problems: Problems


def _escape_at(path: FieldPath, escape: Escape) -> Escape:
    if escape is Escape.SLACK and path and path[-1] in ("url", "image_url"):
        return Escape.NONE
    return escape


def _bare_expression(environment: Sandbox, source: str) -> nodes.Expr:
    """Parse an expression without braces around it."""
    parser = Parser(environment, source, state="variable")
    if parser.stream.eos:
        raise CompileError("the expression is empty")
    inner = parser.parse_expression()
    rest = parser.stream.current
    if rest.type != "eof":
        message = with_hint(f"expected the end of the expression, got {str(rest.value)!r}")
        raise CompileError(message, line=rest.lineno)
    inner.set_environment(environment)
    return inner


def _untagged(tree: nodes.Template) -> str | None:
    """Return the text of a template that has no expressions, and no tags that leave any behind."""
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
