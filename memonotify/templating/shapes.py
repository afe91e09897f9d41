"""The shape of a text: what is left of it where every literal and every word of its own is put alike.

Takes source, gives a text of the same shape, or None where nobody can say. Texts of one shape parse alike, read the
same names on the same lines, call the same filters in the same way, and compile all or none. So `environment` checks
the first of them, by compiling it, and takes the others for checked.

What is kept as it is: names, operators, blanks and line breaks, what stands in a subscript (it may name a field), and
numbers and texts that are empty or unusual. What holds a tag that can name files or keep text raw has no shape.
"""

from __future__ import annotations

import re
from typing import Final

_STRINGS: Final = r"""'[^'\\\n\r]*+'|"[^"\\\n\r]*+\""""
_INNER: Final = rf"""(?:[^'"{{}}%\#\\]++|{_STRINGS})*+"""
_TAG: Final = re.compile(
    rf"(\{{(?:\{{{_INNER}\}}\}}|%[-+]?\s*+(?:if|elif|else|endif|for|endfor|set|endset)\b{_INNER}%\}}))"
)
_EXPRESSION: Final = re.compile(_INNER)
_OPENING: Final = re.compile(r"\{[{%#]")
_DATA: Final = re.compile(r"\S(?:[^\n\r]*\S)?")

_PLAIN_SUBSCRIPT: Final = rf"\[\s*+(?:{_STRINGS}|[-\d:\s]*+)\s*+\]"
_LITERAL: Final = re.compile(
    rf"{_PLAIN_SUBSCRIPT}|{_STRINGS}|(?<![\w.])[1-9]\d{{0,17}}(\.\d{{1,18}})?(?![\w.])", re.ASCII
)
_SUBSCRIPT: Final = re.compile(
    r"(?:\.\s*+\w++|(?<![\w.])(?!(?:in|and|or|not|if|elif|else|is)\s*+\[)\w++|[)\]}'\"])"
    rf"\s*+(?!{_PLAIN_SUBSCRIPT})\["
)


def text_shape(source: str) -> str | None:
    """Return the shape of a text with expressions in it; None where it has none."""
    parts = _TAG.split(source)
    for at in range(0, len(parts), 2):
        data = parts[at]
        if data:
            if data[-1] == "{" or _OPENING.search(data):
                return None
            parts[at] = _DATA.sub("x", data)
    for at in range(1, len(parts), 2):
        inner = _expression(parts[at])
        if inner is None:
            return None
        parts[at] = inner
    return "".join(parts)


def expression_shape(source: str) -> str | None:
    """Return the shape of one expression without braces; None where it has none."""
    return _expression(source) if _EXPRESSION.fullmatch(source) else None


def numbered(source: str, first: int) -> tuple[str, list[str]] | None:
    """Return the shape of an expression with its numbers counted from `first` on, and what they were; or None."""
    if expression_shape(source) is None:
        return None
    numbers: list[str] = []

    def count(found: re.Match[str]) -> str:
        if not found[0][0].isdigit():
            return _alike(found)
        numbers.append(found[0])
        return str(first + len(numbers) - 1)

    return _LITERAL.sub(count, source), numbers


def constant(source: str) -> str | None:
    """Return the text of a source without tags, as Jinja reads it: its line breaks alike, the last left out."""
    if _OPENING.search(source):
        return None
    return source.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _expression(source: str) -> str | None:
    if "[" in source and _SUBSCRIPT.search(source):
        return None
    return _LITERAL.sub(_alike, source)


def _alike(found: re.Match[str]) -> str:
    text = found[0]
    first = text[0]
    if first == "[" or text in ("''", '""'):
        return text
    if first in "'\"":
        return "'s'"
    return "1.5" if found[1] else "1"
