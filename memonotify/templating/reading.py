"""One pass over a parsed template: what it reads, calls and includes, each with its line.

Takes a tree, gives a `Reading`; `names` makes an analysis of those of a template and its includes. Every node is looked
at once: of the time that many rules take to load, a good part is spent here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from jinja2 import nodes

DotPath = tuple[str, ...]

INCLUDES: Final = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)
_ASKING_FILTERS: Final = frozenset({"default", "d"})


@dataclass(slots=True)
class Reading:
    """What stands in one template.

    `names` are the names that are read and the line where each stands first, `bound` those that are set within it,
    `paths` the dotted paths that begin with any name. `fields` are the fields that are read of a name itself, such as
    `(event, date)`, and the line of the first; `asked` are those of them that it asks whether they are there.
    `scopes` are its `{% autoescape %}`.
    """

    names: dict[str, int] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)
    paths: set[DotPath] = field(default_factory=set)
    fields: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: set[tuple[str, str]] = field(default_factory=set)
    calls: list[nodes.Filter | nodes.Test] = field(default_factory=list)
    includes: list[nodes.Extends | nodes.FromImport | nodes.Import | nodes.Include] = field(default_factory=list)
    scopes: list[nodes.ScopedEvalContextModifier] = field(default_factory=list)


def read(tree: nodes.Template) -> Reading:
    """Return what stands in a template."""
    found = Reading()
    for node in _nodes(tree):
        if isinstance(node, nodes.Name):
            if node.ctx == "load":
                found.names.setdefault(node.name, node.lineno)
                found.paths.add((node.name,))
            else:
                found.bound.add(node.name)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            path = dotted_path(node)
            if path is not None:
                found.paths.add(path)
                if len(path) == 2:
                    found.fields.setdefault((path[0], path[1]), node.lineno)
        elif isinstance(node, nodes.Filter | nodes.Test):
            found.calls.append(node)
            found.paths |= _attributes(node)
            asked = _asked(node)
            if asked is not None:
                found.asked.add(asked)
        elif isinstance(node, INCLUDES):
            found.includes.append(node)
        elif isinstance(node, nodes.ScopedEvalContextModifier):
            found.scopes.append(node)
    return found


def dotted_path(node: nodes.Node) -> DotPath | None:
    """Return `resource.mandate.reference` as its parts, or None for a node that is no such path."""
    parts: list[str] = []
    while True:
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            parts.append(node.arg.value)
        elif isinstance(node, nodes.Name):
            return (node.name, *reversed(parts))
        else:
            return None
        node = node.node


def _nodes(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Yield every node below, in the order of the text."""
    pending = list(tree.iter_child_nodes())[::-1]
    while pending:
        node = pending.pop()
        yield node
        pending += list(node.iter_child_nodes())[::-1]


def _attributes(node: nodes.Filter | nodes.Test) -> set[DotPath]:
    """Return the path that `map(attribute="resource.amount")` and its like read of each item, under no name."""
    return {
        ("", *each.value.value.split("."))
        for each in node.kwargs
        if each.key == "attribute" and isinstance(each.value, nodes.Const) and isinstance(each.value.value, str)
    }


def _asked(node: nodes.Filter | nodes.Test) -> tuple[str, str] | None:
    """Return the field of which a `default` or a test asks, or of which it asks a part."""
    if isinstance(node, nodes.Filter) and node.name not in _ASKING_FILTERS:
        return None
    inner: nodes.Node | None = node.node
    while isinstance(inner, nodes.Getattr | nodes.Getitem):
        path = dotted_path(inner)
        if path is not None and len(path) > 1:
            return path[0], path[1]
        inner = inner.node
    return None
