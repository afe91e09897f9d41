"""What a template reads: its free names, the dotted paths under them, and the files it includes.

Takes a parsed template, gives an `Analysis`; `environment` calls it when it compiles. It also refuses what can be
known to fail: a filter or a test that does not exist or cannot take its arguments, and a file that is named by a
value, because then nobody could say what is read.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from jinja2 import nodes
from jinja2.meta import find_undeclared_variables

from memonotify.errors import CompileError
from memonotify.templating.arguments import argument_fault
from memonotify.templating.cycles import Step, refuse_cycles
from memonotify.templating.failures import compile_failure
from memonotify.templating.reading import DotPath, Reading, read
from memonotify.templating.sandbox import Sandbox
from memonotify.templating.unescaped import LetThrough, let_through


class Place(NamedTuple):
    """Where something stands: a template file's path, or an empty string for the source itself, and the line from 1."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What one template and all that it includes read.

    `names` are the names it takes from outside and where each stands first, `paths` the dotted paths that begin with
    any name. `fields` are the fields that it reads of those names and nowhere asks for with a test or `default`, such
    as `(workspace, name)`. `digest` changes with any source, and is empty where sources of one shape share the
    analysis: then the source tells all. `includes` are the files' names. `unescaped` is what it lets into HTML as it
    is, with the place; it means nothing where the text is no HTML.
    """

    names: Mapping[str, Place]
    paths: frozenset[DotPath]
    fields: Mapping[tuple[str, str], Place]
    digest: str
    includes: frozenset[str]
    unescaped: tuple[tuple[LetThrough, Place], ...] = ()
    free: frozenset[str] = frozenset()
    """The same names as in `names`, alone."""


def digest_of(source: str) -> str:
    """Return the digest of a source that includes no file."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass") + b"\0").hexdigest()


NOTHING_READ: Final = Analysis(names={}, paths=frozenset(), fields={}, digest="", includes=frozenset())
"""Of a source without any tags."""


class Included(NamedTuple):
    """A file that a template includes, parsed."""

    tree: nodes.Template
    source: str
    path: str


class _Reference(NamedTuple):
    name: str
    line: int
    may_be_absent: bool


def analyse(
    environment: Sandbox,
    tree: nodes.Template,
    source: str,
    *,
    file: str = "",
    include: Callable[[str], Included],
) -> Analysis:
    """Return what a parsed template and its includes read.

    `include` parses a file by its name.

    Raises:
        CompileError: a filter or test that is unknown or cannot take its arguments, an include that is not named by a
            constant, or one that leads back to where it stands.
    """
    names: dict[str, Place] = {}
    paths: set[DotPath] = set()
    fields: dict[tuple[str, str], Place] = {}
    asked: set[tuple[str, str]] = set()
    digest = hashlib.sha256()
    pending = [Included(tree, source, file)]
    seen: dict[str, str] = {}
    absent: set[str] = set()
    steps: dict[str, list[Step]] = {}
    unescaped: list[tuple[LetThrough, Place]] = []
    while pending:
        part = pending.pop()
        digest.update(part.source.encode("utf-8", "surrogatepass") + b"\0")
        found = read(part.tree)
        _check_calls(environment, found, part)
        free = _free_names(environment, found, part)
        for name, line in found.names.items():
            if name in free:
                names.setdefault(name, Place(part.path, line))
        for (name, field), line in found.fields.items():
            if name in free and name not in found.bound:
                fields.setdefault((name, field), Place(part.path, line))
        paths |= found.paths
        asked |= found.asked
        unescaped += [(each, Place(part.path, each.line)) for each in let_through(part.tree, found)]
        for reference in _references(found, part):
            if reference.name not in seen:
                included = _parsed(include, reference, part.path)
                seen[reference.name] = "" if included is None else included.path
                if included is None:
                    absent.add(reference.name)
                else:
                    pending.append(included)
            if reference.name not in absent:
                steps.setdefault(part.path, []).append(Step(seen[reference.name], reference.name, reference.line))
    if steps:
        refuse_cycles(file, steps)
    return Analysis(
        names=names,
        paths=frozenset(paths),
        fields={field: place for field, place in fields.items() if field not in asked},
        digest=digest.hexdigest(),
        includes=frozenset(seen.keys() - absent),
        unescaped=tuple(unescaped),
        free=frozenset(names),
    )


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the closest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _free_names(environment: Sandbox, found: Reading, part: Included) -> set[str]:
    if all(isinstance(node, nodes.Output) for node in part.tree.body):
        # Expressions bind no names, so the names in them are the free ones; generating code to know takes a third of
        # the time that loading many rules takes.
        return found.names.keys() - environment.globals.keys()
    try:
        return find_undeclared_variables(part.tree) - _shared_with_blocks(part.tree)
    except Exception as error:  # it generates code, which fails as compiling does
        failure = compile_failure(error, part.source)
        raise CompileError(failure.message, line=failure.line, file=part.path) from error


def _shared_with_blocks(tree: nodes.Template) -> set[str]:
    """Return what the top of a template imports, sets or defines: its blocks see it, though Jinja's own analysis of
    each block does not."""
    if tree.find(nodes.Block) is None:
        return set()
    shared: set[str] = set()
    for node in tree.body:
        if isinstance(node, nodes.FromImport):
            shared.update(name[1] if isinstance(name, tuple) else name for name in node.names)
        elif isinstance(node, nodes.Import):
            shared.add(node.target)
        elif isinstance(node, nodes.Macro):
            shared.add(node.name)
        elif isinstance(node, nodes.Assign | nodes.AssignBlock):
            shared.update(target.name for target in node.target.find_all(nodes.Name))
            if isinstance(node.target, nodes.Name):
                shared.add(node.target.name)
    return shared


def _check_calls(environment: Sandbox, found: Reading, part: Included) -> None:
    for node in found.calls:
        known: Mapping[str, Any]
        known = environment.filters if isinstance(node, nodes.Filter) else environment.tests
        if node.name not in known:
            what = "filter" if isinstance(node, nodes.Filter) else "test"
            message = f"there is no {what} {node.name!r}{suggestion(node.name, known)}"
        else:
            message = argument_fault(node, known[node.name])
        if message:
            raise CompileError(message, line=node.lineno, file=part.path)


def _references(found: Reading, part: Included) -> Iterator[_Reference]:
    for node in found.includes:
        names = _constants(node.template)
        may_be_absent = len(names) > 1 or (isinstance(node, nodes.Include) and node.ignore_missing)
        for name in names:
            if not isinstance(name, str):
                message = "a file is included by a constant name, such as {% include 'footer.html.j2' %}"
                raise CompileError(message, line=node.lineno, file=part.path)
            yield _Reference(name, node.lineno, may_be_absent)


def _constants(node: nodes.Expr) -> list[object]:
    if isinstance(node, nodes.Const):
        return list(node.value) if isinstance(node.value, tuple | list) else [node.value]
    if isinstance(node, nodes.Tuple | nodes.List):
        return [item.value if isinstance(item, nodes.Const) else None for item in node.items]
    return [None]


def _parsed(include: Callable[[str], Included], reference: _Reference, file: str) -> Included | None:
    try:
        return include(reference.name)
    except CompileError as error:
        if error.file:
            raise
        if reference.may_be_absent:
            return None
        raise CompileError(error.message, line=reference.line, file=file) from error
