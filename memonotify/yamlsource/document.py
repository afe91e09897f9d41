"""A parsed YAML file: its plain data, and where in the text each value and key stands.

Made by `yamlsource.builder`; read by everything that checks a file and has to say where a fault is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from memonotify.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
Place: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class Node:
    """Where one value stands. Lines and columns count from 1; `style` is the scalar's indicator ("" where plain)."""

    place: Place
    end_line: int
    key_place: Place | None = None
    style: str = ""
    children: dict[str | int, Node] = field(default_factory=dict)


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
        """Return where line `line` (from 1) of the text at `path` stands in the file.

        Exact for block scalars. In folded and quoted text it is the source line on which that line begins.
        """
        node, found = self._walk(path)
        if not found or node.end_line <= node.place[0]:
            return node.place
        first = node.place[0] + (1 if node.style in ("|", ">") else 0)
        source = self._lines[first - 1 : max(node.end_line, first)]
        if not source:
            return node.place
        numbers = range(1, len(source) + 1) if node.style == "|" else _folded_numbers(source, node.style)
        offset = next((index for index, number in enumerate(numbers) if number >= line), len(source) - 1)
        if first + offset == node.place[0]:
            return node.place
        text = source[offset]
        return first + offset, len(text) - len(text.lstrip(" \t")) + 1

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
        return any(tuple(path[:length]) in self.spoiled for length in range(len(path) + 1))

    def _walk(self, path: Sequence[str | int]) -> tuple[Node, bool]:
        node = self._root
        for step in path:
            child = node.children.get(step)
            if child is None:
                return node, False
            node = child
        return node, True


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as a person writes it: `workspaces.0.api.base_url`."""
    return ".".join(str(step) for step in path)


def _folded_numbers(source: Sequence[str], style: str) -> list[int]:
    """Return, for each source line of a folded or quoted scalar, the line of the value that it is part of.

    A single line break folds into a space; each empty line is a line break; in a `>` block, lines that are indented
    more keep theirs (YAML 1.1 §9.3).
    """
    texts = [text.strip() for text in source]
    indents = [len(text) - len(text.lstrip(" ")) for text in source]
    base = next((indent for indent, text in zip(indents, texts, strict=True) if text), 0)
    numbers = [1]
    for index in range(1, len(source)):
        deeper = style == ">" and max(indents[index - 1], indents[index]) > base
        breaks = not texts[index] or (deeper and bool(texts[index - 1]))
        numbers.append(numbers[-1] + int(breaks))
    return numbers
