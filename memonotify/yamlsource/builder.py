"""PyYAML's events in, a Document and every fault out. Called by `yamlsource.reading`.

Events, not nodes: a composed node does not tell an anchor or an alias any more, and composing a deeply nested text
recurses before anybody can stop it. The marks are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from memonotify.errors import Problem
from memonotify.yamlsource import faults
from memonotify.yamlsource.document import Document, Node, Path, Place
from memonotify.yamlsource.scalars import Surprise, plain_value

MAX_DEPTH: Final = 40
MAX_NODES: Final = 100_000

Words = Callable[[Path, str], bool]
"""Says whether a plain word at a path is text though readers of YAML disagree about it: the file's format knows it."""


class TooMuchError(Exception):
    """The text nests too deep or holds too many values. `args` are the sentence and the place."""


class Builder:
    """Builds one Document. `problems` fills while it works."""

    def __init__(self, text: str, file: str, words: Words | None = None) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._lines = faults.split_lines(text)
        self._words = words
        self._widths = [len(line) for line in self._lines]
        # Behind the last line that is not blank a place is moved; before, it stands as it is but for its column.
        self._last = next((at for at in range(len(self._lines), 0, -1) if self._lines[at - 1].strip()), 1)
        # What `yaml.parse` does, without two calls more for each event.
        self._events: Iterator[Event] = iter(yaml.CSafeLoader(text).get_event, None)
        self._spoiled: set[Path] = set()
        self._count = 0

    def build(self) -> Document | None:
        """Return the document, or None where the text is no YAML, nests too deep or is too large."""
        try:
            return self._document()
        except yaml.YAMLError as error:
            problem = faults.of_scanner(error, self._file, self._lines)
            if not any(known.line == problem.line and known.message == problem.hint for known in self.problems):
                self.problems.append(problem)
        except TooMuchError as error:
            sentence, place = error.args
            self._report(place, sentence)
        return None

    def _document(self) -> Document:
        data: Any = None
        root = Node(place=(1, 1), end=(1, 1))
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._report(self._start(event), "a second document begins here; a file holds one")
                    break
            elif isinstance(event, NodeEvent):
                data, root = self._value(event, (), 0)
        return Document(file=self._file, data=data, root=root, lines=self._lines, spoiled=frozenset(self._spoiled))

    def _value(self, event: NodeEvent, path: Path, depth: int) -> tuple[Any, Node]:
        place = self._start(event)
        self._count += 1
        if self._count > MAX_NODES:
            raise TooMuchError(f"more than {MAX_NODES} values in one file", place)
        if depth > MAX_DEPTH:
            raise TooMuchError(f"nested deeper than {MAX_DEPTH} levels", place)
        if isinstance(event, ScalarEvent):
            node = Node(place, self._end(event, place), None, event.style or "")
            self._refuse_decoration(event, path, place)
            return self._scalar(event, node, path), node
        node = Node(place, place)
        if isinstance(event, AliasEvent):
            self._spoil(path, place, f"`*{event.anchor}`: aliases are not taken", "write the value out, or quote it")
            return None, node
        self._refuse_decoration(event, path, place)
        if isinstance(event, MappingStartEvent):
            return self._mapping(node, path, depth), node
        return self._sequence(node, path, depth), node

    def _refuse_decoration(self, event: Any, path: Path, place: Place) -> None:
        tag = event.tag
        if tag is None and event.anchor is None:
            return
        if event.anchor is not None:
            self._report(place, f"`&{event.anchor}`: anchors are not taken", "remove it, or quote the value")
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._spoil(path, place, f"`{shown}`: tags are not taken", "remove it, or quote the value")

    def _scalar(self, event: ScalarEvent, node: Node, path: Path) -> Any:
        text: str = event.value
        if "\0" in text:
            self._spoil(path, node.place, "a text cannot hold the character NUL", "remove `\\0`")
        if node.style or not event.implicit[0]:
            return text
        try:
            return plain_value(text)
        except Surprise as surprise:
            if self._words is None or not self._words(path, text):
                self._spoil(path, node.place, str(surprise), surprise.hint)
            return text

    def _sequence(self, node: Node, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        children: dict[str | int, Node] = {}
        node.children = children
        events, value_of = self._events, self._value
        while not isinstance(event := next(events), SequenceEndEvent):
            at = len(items)
            value, children[at] = value_of(cast("NodeEvent", event), (*path, at), depth + 1)
            items.append(value)
        return items

    def _mapping(self, node: Node, path: Path, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        children: dict[str | int, Node] = {}
        node.children = children
        events, start_of, value_of = self._events, self._start, self._value
        while not isinstance(event := next(events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                self._refuse_key(cast("NodeEvent", event), path, depth)
                continue
            place = start_of(event)
            key = self._key(event, path, place)
            value, child = value_of(cast("NodeEvent", next(events)), (*path, key), depth + 1)
            if event.value == "<<" and not event.style:
                self._report(place, "`<<`: merge keys are not taken", "write the keys out")
            elif key in mapping:
                first = children[key].key_place or node.place
                self._report(place, f"the key `{_shown(key)}` stands here twice", f"the first is on line {first[0]}")
            else:
                child.key_place = place
                children[key] = child
                mapping[key] = value
        return mapping

    def _key(self, event: ScalarEvent, path: Path, place: Place) -> str:
        text: str = event.value
        if event.anchor is not None or event.tag is not None:
            self._refuse_decoration(event, (*path, text), place)
        if "\0" in text:
            self._spoil((*path, text), place, "a key cannot hold the character NUL")
        if event.style or (text == "<<"):
            return text
        try:
            value = plain_value(text)
        except Surprise as surprise:
            self._spoil((*path, text), place, str(surprise), "put the key in quotes")
            return text
        if value is None:
            self._spoil((*path, text), place, "a key is missing before the `:`" if not text else "a key cannot be null")
        elif not isinstance(value, str):
            kind = "true or false" if isinstance(value, bool) else "a number"
            self._spoil((*path, text), place, f"the key `{_shown(text)}` is {kind}", "put the key in quotes")
        return text

    def _refuse_key(self, event: NodeEvent, path: Path, depth: int) -> None:
        """Report a key that is no text, and read past it and its value."""
        place = self._start(event)
        # What stands below is not part of the data, so what it does wrong is not worth a second sentence.
        kept, spoiled = self.problems, self._spoiled
        self.problems, self._spoiled = [], set()
        self._value(event, path, depth + 1)
        self._value(cast("NodeEvent", next(self._events)), path, depth + 1)
        self.problems, self._spoiled = kept, spoiled
        self._spoiled.add(path)
        if self._is_template(place):
            line, column = place
            self.problems.append(faults.template_as_mapping(self._file, line, column - 1))
        else:
            self._report(place, "a key must be text, not a list or a mapping")

    def _is_template(self, place: Place) -> bool:
        line, column = place
        return column > 1 and self._lines[line - 1][column - 2 : column] == "{{"

    def _start(self, event: Event) -> Place:
        mark: Any = event.start_mark
        line, column = mark.line, mark.column
        if line >= self._last:
            return faults.inside(line + 1, column + 1, self._lines)
        width = self._widths[line]
        return line + 1, min(width, column) + 1

    def _end(self, event: ScalarEvent, place: Place) -> Place:
        mark: Any = event.end_mark
        line, column = mark.line + 1, mark.column + 1
        if line == place[0]:
            return line, min(column, self._widths[line - 1] + 1)
        # A block scalar ends at the beginning of the line after it.
        if column == 1 and line > place[0]:
            line, column = line - 1, len(self._lines[line - 2]) + 1
        return faults.inside(line, column, self._lines)

    def _spoil(self, path: Path, place: Place, sentence: str, hint: str = "") -> None:
        self._spoiled.add(path)
        self._report(place, sentence, hint)

    def _report(self, place: Place, sentence: str, hint: str = "") -> None:
        line, column = place
        self.problems.append(Problem(file=self._file, line=line, column=column, message=sentence, hint=hint))


def _shown(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
