"""Where a template lets values into HTML as they are: the filter `safe`, and `{% autoescape false %}`.

In: a parsed template. Out: each such place with the value's name. `names` asks while it analyses; whoever checks a
mail's HTML tells. What the rule wrote itself, or a macro has escaped, is none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

from memonotify.templating.reading import Reading, dotted_path

_SAFE: Final = "safe"
_OF_JINJA: Final = frozenset({"caller", "super", "self", "loop", "varargs", "kwargs"})


@dataclass(frozen=True, slots=True)
class LetThrough:
    """A value that stands in HTML unescaped: its dotted name, what lets it through, and the line from 1."""

    value: str
    by: str
    line: int

    @property
    def message(self) -> str:
        """The sentence of a note."""
        return f"{self.by} lets `{self.value}` into the HTML as it is: whoever writes the value writes into the mail"

    @property
    def hint(self) -> str:
        """What to do about it."""
        return "leave it out: then the value is escaped"


def let_through(tree: nodes.Template, found: Reading) -> Iterator[LetThrough]:
    """Yield each place where a value that comes from outside is not escaped; `found` is what was read of the tree."""
    marked = [call for call in found.calls if isinstance(call, nodes.Filter) and _marks(call)]
    scopes = [scope for scope in found.scopes if _switches_off(scope)]
    if not marked and not scopes:
        return
    own = _own_names(tree)
    for call in marked:
        value = _value(call.node, own) if call.node is not None else ""
        if value:
            yield LetThrough(value, "`safe`", call.lineno)
    for scope in scopes:
        for output in scope.find_all(nodes.Output):
            for shown in output.nodes:
                value = _value(shown, own)
                if value:
                    yield LetThrough(value, "`autoescape false`", shown.lineno)


def _marks(call: nodes.Filter) -> bool:
    """Whether a filter marks its value as HTML: `safe`, or `map('safe')` over a list."""
    first = call.args[0] if call.args else None
    return call.name == _SAFE or (call.name == "map" and isinstance(first, nodes.Const) and first.value == _SAFE)


def _switches_off(scope: nodes.ScopedEvalContextModifier) -> bool:
    return any(
        option.key == "autoescape" and isinstance(option.value, nodes.Const) and not option.value.value
        for option in scope.options
    )


def _own_names(tree: nodes.Template) -> frozenset[str]:
    """Return the names of what the template wrote itself: macros, imports, and what is set to a constant."""
    own = set(_OF_JINJA)
    own.update(macro.name for macro in tree.find_all(nodes.Macro))
    own.update(imported.target for imported in tree.find_all(nodes.Import))
    for imported in tree.find_all(nodes.FromImport):
        own.update(name[1] if isinstance(name, tuple) else name for name in imported.names)
    # What a block is set to was escaped while it was rendered.
    own.update(block.target.name for block in tree.find_all(nodes.AssignBlock) if isinstance(block.target, nodes.Name))
    written, from_outside = set[str](), set[str]()
    for assign in tree.find_all(nodes.Assign):
        if isinstance(assign.target, nodes.Name):
            outside = isinstance(assign.node, nodes.Name) or next(assign.node.find_all(nodes.Name), None) is not None
            (from_outside if outside else written).add(assign.target.name)
    return frozenset(own | (written - from_outside))


def _value(node: nodes.Node, own: frozenset[str]) -> str:
    """Return the first name in an expression that is not the template's own; empty where there is none."""
    if isinstance(node, nodes.TemplateData | nodes.Const | nodes.Compare | nodes.Test | nodes.Not):
        return ""
    if isinstance(node, nodes.CondExpr):
        return _value(node.expr1, own) or (_value(node.expr2, own) if node.expr2 is not None else "")
    if isinstance(node, nodes.Filter) and node.name in ("e", "escape", "forceescape"):
        return ""
    if isinstance(node, nodes.Call) and _head(node.node) in own:
        return ""
    path = dotted_path(node)
    if path is not None:
        return "" if path[0] in own else ".".join(path)
    return next((value for child in node.iter_child_nodes() if (value := _value(child, own))), "")


def _head(node: nodes.Node) -> str:
    path = dotted_path(node)
    return path[0] if path else ""
