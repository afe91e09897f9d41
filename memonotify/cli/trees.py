"""A tree of lines: with guides and colours on a terminal, as indented text on a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from memonotify.cli.visible import visible

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

_INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Node:
    """One line and what belongs below it. `style` is rich's, such as `red` or `dim`; the text may come from outside."""

    text: str
    children: tuple[Node, ...] = ()
    style: str = ""


def print_tree(root: Node) -> None:
    """Print a tree: as wide as the terminal, and whole on a pipe."""
    if not sys.stdout.isatty():
        click.echo("\n".join(plain_lines(root)))
        return
    from rich.console import Console

    # What a value looks like is no markup, and no number in it is worth a colour.
    Console(highlight=False, markup=False).print(as_rich(root))


def plain_lines(node: Node, depth: int = 0) -> Iterator[str]:
    """Yield the tree's lines, each indented by its depth."""
    yield _INDENT * depth + visible(node.text)
    for child in node.children:
        yield from plain_lines(child, depth + 1)


def as_rich(root: Node) -> Tree:
    """Return the tree as rich prints it."""
    from rich.tree import Tree

    tree = Tree(_label(root), guide_style="dim")
    pending = [(tree, root)]
    while pending:
        branch, node = pending.pop()
        pending += [(branch.add(_label(child)), child) for child in node.children]
    return tree


def _label(node: Node) -> Text:
    from rich.text import Text

    return Text(visible(node.text), style=node.style, overflow="fold")
