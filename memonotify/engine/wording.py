"""Tells two texts apart word by word: both in, the runs of words that they share and do not share out. Pure.

`compare` calls. White space of every kind counts as one space, so a no-break space or a line break makes no difference.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

Style = Literal["text", "html", "list"]

_WORDS: Final = {
    "text": re.compile(r"\S+ ?"),
    # A tag is a word, so that one changed value does not take its whole line along.
    "html": re.compile(r"<[^>]*> ?|[^\s<]+ ?|< ?"),
    "list": re.compile(r", ?|[^\s,]+ ?"),
}
_ENTITY: Final = re.compile(r"&(?:nbsp|thinsp|ensp|emsp|#160|#8239|#8201|#x0*a0|#x202f|#x2009);", re.IGNORECASE)
_MANY: Final = 2000
"""Beyond so many words, words that are everywhere are not compared one by one: the time would grow by the square."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of words: in both, only in what is expected (`missing`), or only in the message (`extra`).

    Joined without anything between them, `same` and `missing` make what is expected, `same` and `extra` the message,
    but for a space at their end.
    """

    kind: Literal["same", "missing", "extra"]
    text: str


def normal(text: str) -> str:
    """Return a text with each run of white space as one space, and none around it."""
    return " ".join(text.split())


def normal_html(html: str) -> str:
    """Return HTML with each run of white space as one space, also where an entity writes it."""
    return normal(_ENTITY.sub(" ", html))


def pieces(expected: str, got: str, style: Style = "text") -> tuple[Piece, ...]:
    """Return what is the same and what is not, in reading order. Both texts have no white space but single spaces."""
    wanted, had = _WORDS[style].findall(expected), _WORDS[style].findall(got)
    matcher = difflib.SequenceMatcher(
        a=[word.strip() for word in wanted],
        b=[word.strip() for word in had],
        autojunk=max(len(wanted), len(had)) > _MANY,
    )
    found: list[Piece] = []
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            # The last word of one side has no space behind it; where the other goes on, it is needed.
            last = max(wanted[end - 1], had[other_end - 1], key=len)
            found.append(Piece("same", "".join([*wanted[start : end - 1], last])))
            continue
        if end > start:
            found.append(Piece("missing", "".join(wanted[start:end])))
        if other_end > other_start:
            found.append(Piece("extra", "".join(had[other_start:other_end])))
    return tuple(found)


def nearest_place(expected: str, got: str, style: Style = "html") -> str:
    """Return the part of a text that comes nearest to what it should contain: as many words, about those that fit."""
    wanted, had = _WORDS[style].findall(expected), _WORDS[style].findall(got)
    matcher = difflib.SequenceMatcher(
        a=[word.strip() for word in wanted], b=[word.strip() for word in had], autojunk=len(wanted) > _MANY
    )
    match = matcher.find_longest_match()
    start = max(match.b - match.a, 0)
    return "".join(had[start : start + len(wanted)]).strip()


def distance(expected: str, got: str) -> float:
    """Return the share of words that the texts do not have in common: from 0, the same words, to 1, none."""
    wanted, had = Counter(expected.split()), Counter(got.split())
    total = wanted.total() + had.total()
    return 1 - 2 * (wanted & had).total() / total if total else 0.0
