"""Writes a word-level difference for a person: the pieces of two texts in, lines of a bearable width out. Pure.

Where there is colour, words that are expected and not there are red, words that are there and not expected green.
Without colour they stand in [-…-] and {+…+}, so that a log can be read as well. What is the same far from a change, and
what is too long to be read, is cut to a `…`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final

import click

from memonotify.cli.visible import visible
from memonotify.engine.wording import Piece

_CONTEXT: Final = 40
"""Characters of what is the same, kept on each side of a change."""

_MAX_CHANGED: Final = 300
_MARKS: Final = {"missing": ("[-", "-]"), "extra": ("{+", "+}"), "same": ("", "")}
_COLOURS: Final = {"missing": "red", "extra": "green"}
_CUT: Final = "…"

Word = list[tuple[str, str]]
"""What stands between two spaces: runs of text, each with its kind."""


def diff_lines(pieces: Sequence[Piece], *, width: int, colour: bool) -> Iterator[str]:
    """Yield the lines of a difference, none wider than `width` columns."""
    for line in _wrapped(_words(_marked(_short(pieces), colour=colour)), width):
        yield " ".join("".join(_styled(text, kind, colour=colour) for text, kind in word) for word in line)


def legend(*, colour: bool) -> str:
    """Return how words that differ are told apart."""
    expected = Piece("missing", "expected, and not in the message ")
    return next(diff_lines([expected, Piece("extra", "in the message, and not expected")], width=200, colour=colour))


def _styled(text: str, kind: str, *, colour: bool) -> str:
    if not colour or kind not in _COLOURS:
        return text
    return click.style(text, fg=_COLOURS[kind], bold=True, strikethrough=kind == "missing" or None)


def _short(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Cut what is long; two changed pieces that follow each other are cut at the same places."""
    last = len(pieces) - 1
    at = 0
    while at <= last:
        piece = pieces[at]
        if piece.kind == "same":
            yield Piece("same", _context(piece.text, is_first=at == 0, is_last=at == last))
        elif piece.kind == "missing" and at < last and pieces[at + 1].kind == "extra":
            missing, extra = _without_shared(piece.text, pieces[at + 1].text)
            yield Piece("missing", _clipped(missing))
            yield Piece("extra", _clipped(extra))
            at += 1
        else:
            yield Piece(piece.kind, _clipped(piece.text))
        at += 1


def _context(text: str, *, is_first: bool, is_last: bool) -> str:
    if is_first and is_last:
        return _clipped(text)
    head = "" if is_first else _head(text)
    tail = "" if is_last else _tail(text)
    if len(head) + len(tail) + 2 * len(_CUT) + 10 >= len(text):
        return text
    return f"{head}{_CUT} {tail}" if tail else f"{head}{_CUT}"


def _head(text: str) -> str:
    """Return the first words of a text, or its first characters where the first word is long."""
    cut = text.rfind(" ", 0, _CONTEXT) + 1
    return text[: cut or _CONTEXT]


def _tail(text: str) -> str:
    body = text.rstrip()
    cut = body.find(" ", max(len(body) - _CONTEXT, 0))
    return text[cut + 1 :] if cut >= 0 else text[-_CONTEXT:]


def _without_shared(missing: str, extra: str) -> tuple[str, str]:
    """Cut what two long words have in common at their ends, such as all but the number in two addresses."""
    start = _to_keep(_shared(missing, extra))
    missing, extra = missing[start:], extra[start:]
    end = _to_keep(_shared(missing[::-1], extra[::-1]))
    before, behind = _CUT if start else "", f"{_CUT} " if end else ""
    return before + missing[: len(missing) - end] + behind, before + extra[: len(extra) - end] + behind


def _shared(first: str, second: str) -> int:
    """Return how many characters two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def _to_keep(shared: int) -> int:
    """Return how many characters of so many shared ones can go."""
    return shared - _CONTEXT // 2 if shared > _CONTEXT else 0


def _clipped(text: str) -> str:
    if len(text) <= _MAX_CHANGED:
        return text
    half = _MAX_CHANGED // 2
    return f"{text[:half].rstrip()} {_CUT} {text[-half:].lstrip()}"


def _marked(pieces: Iterable[Piece], *, colour: bool) -> Iterator[tuple[str, str]]:
    """Yield runs of text with their kind; a space that ends a changed piece stands behind its mark."""
    before = ""
    for piece in pieces:
        text = visible(piece.text)
        opened, closed = ("", "") if colour else _MARKS[piece.kind]
        if before == "missing" and piece.kind == "extra":
            yield " ", "same"
        if piece.kind == "same":
            yield text, piece.kind
        else:
            yield f"{opened}{text.strip()}{closed}", piece.kind
            if text.endswith(" "):
                yield " ", "same"
        before = piece.kind


def _words(runs: Iterable[tuple[str, str]]) -> Iterator[Word]:
    word: Word = []
    for text, kind in runs:
        for index, part in enumerate(text.split(" ")):
            if index and word:
                yield word
                word = []
            if part:
                word.append((part, kind))
    if word:
        yield word


def _wrapped(words: Iterable[Word], width: int) -> Iterator[list[Word]]:
    line: list[Word] = []
    used = 0
    for word in (piece for whole in words for piece in _broken(whole, width)):
        size = sum(len(text) for text, _ in word)
        if line and used + 1 + size > width:
            yield line
            line, used = [], 0
        used += size + (1 if line else 0)
        line.append(word)
    if line:
        yield line


def _broken(word: Word, width: int) -> Iterator[Word]:
    """Break a word that is wider than a line."""
    if sum(len(text) for text, _ in word) <= width:
        yield word
        return
    part: Word = []
    room = width
    for text, kind in word:
        rest = text
        while rest:
            part.append((rest[:room], kind))
            rest, room = rest[room:], room - len(rest[:room])
            if not room:
                yield part
                part, room = [], width
    if part:
        yield part
