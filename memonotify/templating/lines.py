"""The lines of a file for a text that YAML has folded, so that whatever is told of it is found where it stands.

Takes the text and the same text with the line breaks of its file; gives the text's tree, its nodes numbered by the
latter. What differs is white space, which means the same to Jinja between any two words. `environment` calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from jinja2 import nodes

N = TypeVar("N", bound=nodes.Node)


def with_lines_of(written: str, source: str, parse: Callable[[str], N]) -> N:
    """Return what `parse` makes of `source`, with the lines of `written`; as it is where that is an empty text.

    A break within a word makes two of it. Then nobody knows the lines, and all of it stands on the first.

    Raises:
        Exception: whatever `parse` raises, with a line of `written`.
    """
    if not written:
        return parse(source)
    try:
        like = parse(written)
    except Exception as error:  # noqa: BLE001 - any source may come; the error is raised again, or there is none
        try:
            tree = parse(source)
        except Exception:  # noqa: BLE001 - both fail, and the first one knows where
            raise error from None
        _number(tree, None)
        return tree
    tree = parse(source)
    if not _number(tree, like):
        _number(tree, None)
    return tree


def _number(tree: nodes.Node, like: nodes.Node | None) -> bool:
    """Give each node the line of its counterpart; return whether both trees have the same shape."""
    pending: list[tuple[nodes.Node, nodes.Node | None]] = [(tree, like)]
    while pending:
        node, other = pending.pop()
        node.lineno = 1 if other is None else other.lineno
        children = list(node.iter_child_nodes())
        others: list[nodes.Node] | list[None]
        others = [None] * len(children) if other is None else list(other.iter_child_nodes())
        if len(children) != len(others) or (other is not None and type(node) is not type(other)):
            return False
        pending += zip(children, others, strict=True)
    return True
