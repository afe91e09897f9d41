"""How a folded or quoted text stands in its file: its value and its source lines in, the value with the file's line
breaks out.

YAML folds a line break into a space, so a line of the value can stand on many lines of the file. What comes out here
differs from the value in white space alone, and its line n stands on the n-th source line. `document` calls it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_BLANKS: Final = " \t"
_WHITE: Final = re.compile(r"[ \t\n]*")
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ENDS_IN_ESCAPE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\$")
# YAML 1.1 §5.6; what is not here stands for itself.
_MEANS: Final = dict(zip("0abtnvfreN_LP", "\0\a\b\t\n\v\f\r\x1b\x85\xa0\u2028\u2029", strict=True))


def as_written(value: str, source: Sequence[str], style: str) -> str:
    """Return `value` with the line breaks of its source.

    `source` are the text's lines without what stands around it, quotes included; `style` is the scalar's indicator.
    Where the two do not fit together, all of the value is put on the first line.
    """
    laid_out: list[str] = []
    at, lines = 0, 0
    for number, line in enumerate(source):
        text = _text(line, style, is_first=number == 0, is_last=number == len(source) - 1)
        if not text:
            continue
        start = _found(text, value, at)
        if start is None:
            return _one_line(value)
        laid_out += ["\n" * (number - lines), _one_line(text)]
        at, lines = start + len(text), number
    return _one_line(value) if value[at:].strip() else "".join(laid_out)


def _text(line: str, style: str, *, is_first: bool, is_last: bool) -> str:
    """Return what a source line says, less the blanks around it that fold away."""
    if style == "'":
        line = line.replace("''", "'")
    if style != '"':
        return line.strip(_BLANKS)
    if not is_first:
        line = line.lstrip(_BLANKS)
    if not is_last:
        kept = line.rstrip(_BLANKS)
        if not _ENDS_IN_ESCAPE.search(kept):
            line = kept
        elif kept == line:
            # The line break is what is escaped: nothing stands for it.
            line = kept[:-1]
    return _ESCAPE.sub(_meaning, line)


def _meaning(escape: re.Match[str]) -> str:
    code = escape[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _MEANS.get(code, code)


def _found(text: str, value: str, at: int) -> int | None:
    """Return where a line's text begins in the value, with nothing but white space before it from `at` on."""
    white = _WHITE.match(value, at)
    end = white.end() if white is not None else at
    return next((start for start in range(end, at - 1, -1) if value.startswith(text, start)), None)


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
