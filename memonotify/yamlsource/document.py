"""A parsed YAML file: its plain data, and where in the text each value and key stands.

Made by `yamlsource.builder`; read by everything that checks a file and has to say where a fault is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from memonotify.errors import Problem
from memonotify.yamlsource.layout import as_written

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Node:
    """Where one value stands, the end just behind it. Lines and columns count from 1; `style` is the scalar's indicator
    ("" where plain)."""

    place: Place
    end: Place
    key_place: Place | None = None
    style: str = ""
    children: Mapping[str | int, Node] | None = None


class Document:
    """One YAML file as plain data: dict, list, str, int, float, bool and None.

    `spoiled` holds the paths of values that could not be read as they were meant (an alias, `0x1F`); the parser has
    already reported them, so later checks leave them alone.
    """

    def __init__(self, *, file: str, data: Any, root: Node, lines: Sequence[str], spoiled: frozenset[Path]) -> None:
        self.file = file
        self.data = data
        self.spoiled = spoiled
        self._root = root
        self._lines = lines

    def place(self, path: Sequence[str | int], *, key: bool = False) -> Place:
        """Return line and column of the value at `path`, or of its key.

        Where the path leads on to something that is not there, the place is that of the nearest value around it.
        """
        node, found = self._walk(path)
        if key and found and node.key_place is not None:
            return node.key_place
        return node.place

    def text_place(self, path: Sequence[str | int], line: int) -> Place:
        """Return where line `line` (from 1) of what `written` returns for `path` stands in the file."""
        node, found = self._walk(path)
        if not found or node.end[0] <= node.place[0]:
            return node.place
        number = min(_first_line(node) + line - 1, node.end[0])
        if number <= node.place[0]:
            return node.place
        text = self._lines[number - 1]
        return number, len(text) - len(text.lstrip(" \t")) + 1

    def written(self, path: Sequence[str | int]) -> str:
        """Return the text at `path` with the line breaks that it has in the file; other values give an empty text.

        In folded and quoted text those are not the line breaks of its value, but all else is the same.
        """
        value: Any = self.data
        node = self._root
        for step in path:
            value = value[step]
            node = node.children[step] if node.children is not None else node
        if not isinstance(value, str):
            return ""
        if node.style == "|" or node.end[0] <= node.place[0]:
            return value
        first, last = _first_line(node), node.end[0]
        lines = list(self._lines[first - 1 : last])
        if node.style != ">":
            quote = len(node.style)
            lines[-1] = lines[-1][: node.end[1] - 1 - quote]
            lines[0] = lines[0][node.place[1] - 1 + quote :]
        return as_written(value, lines, node.style)

    def problem(
        self,
        path: Sequence[str | int],
        message: str,
        *,
        hint: str = "",
        key: bool = False,
        severity: Literal["error", "note"] = "error",
    ) -> Problem:
        """Return a Problem that points at the value at `path`, or at its key."""
        line, column = self.place(path, key=key)
        return Problem(
            file=self.file,
            line=line,
            column=column,
            message=message,
            hint=hint,
            field=dotted(path),
            severity=severity,
        )

    def is_spoiled(self, path: Sequence[str | int]) -> bool:
        """Whether the parser has already reported the value at `path`, or one that it is part of."""
        return bool(self.spoiled) and any(tuple(path[:length]) in self.spoiled for length in range(len(path) + 1))

    def _walk(self, path: Sequence[str | int]) -> tuple[Node, bool]:
        node = self._root
        for step in path:
            child = None if node.children is None else node.children.get(step)
            if child is None:
                return node, False
            node = child
        return node, True


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as a person writes it: `workspaces.0.api.base_url`."""
    return ".".join(str(step) for step in path)


def _first_line(node: Node) -> int:
    """Return the line on which the text of a scalar begins: below the indicator of a block."""
    return node.place[0] + (1 if node.style in ("|", ">") else 0)
