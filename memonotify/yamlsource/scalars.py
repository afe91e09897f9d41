"""What a plain (unquoted) scalar means: one strict reading, and a sentence for each that readers of YAML disagree on.

YAML 1.1 readers take `on` for true, `010` for eight and `12:30:00` for 45000. Such a text is refused, never guessed:
the user quotes it or writes it another way. Called by `yamlsource.builder`.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?|[-+]?(?:0|[1-9][0-9]*)\.")
_MAX_DIGITS: Final = 18

_SURPRISES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"(?i:yes|no|on|off)"),
        "`{0}` is true or false to some readers of YAML and text to others",
    ),
    (re.compile(r"(?i:true|false)"), "`{0}`: only `true` and `false` in small letters are booleans"),
    (re.compile(r"(?i:null)"), "`{0}`: only `null` in small letters means nothing"),
    (re.compile(r"[-+]?0[0-9_]+"), "`{0}` is an octal number to some readers of YAML and a decimal one to others"),
    (re.compile(r"[-+]?0[xX][0-9a-fA-F_]+"), "`{0}`: hexadecimal numbers are not taken"),
    (re.compile(r"[-+]?0[oO][0-7_]+"), "`{0}`: octal numbers are not taken"),
    (re.compile(r"[-+]?0[bB][01_]+"), "`{0}`: binary numbers are not taken"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        "`{0}` is a number in base sixty to some readers of YAML",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?"), "`{0}`: a number has no underscores"),
    (
        re.compile(
            r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
            r"(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]*)?"
            r"[ \t]*(?:Z|[-+][0-9]{1,2}(?::?[0-9]{2})?)?)?"
        ),
        "`{0}` is a date to some readers of YAML and text to others",
    ),
    (re.compile(r"[-+]?\.(?i:inf)|\.(?i:nan)"), "`{0}`: infinity and not-a-number are not taken"),
    (
        re.compile(r"[-+]?[0-9]+\.?[eE][-+]?[0-9]+"),
        "`{0}` is a number to some readers of YAML and text to others",
    ),
    (re.compile(r"[-+]?0[0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?"), "`{0}`: a number does not begin with a zero"),
)
_HINTS: Final[dict[str, str]] = {
    "yes": "write `true`, or quote it",
    "on": "write `true`, or quote it",
    "no": "write `false`, or quote it",
    "off": "write `false`, or quote it",
    "true": "write `true`, or quote it",
    "false": "write `false`, or quote it",
    "null": "write `null`, or quote it",
}
_FIRST_SIGNS: Final = frozenset("+-.0123456789")
"""What begins with another sign, and is none of the words that have a hint, is text: most plain scalars."""


class Surprise(ValueError):  # noqa: N818 - it is what the text would be, not a failure of ours
    """A plain scalar that is refused. `args[0]` is the sentence, `hint` what to write instead."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


@lru_cache(maxsize=1024)
def plain_value(text: str) -> str | int | float | bool | None:
    """Return what a plain scalar means.

    Raises:
        Surprise: readers of YAML disagree about it, or it is a number that no machine holds exactly.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_SIGNS and text.casefold() not in _HINTS:
        return text
    for pattern, sentence in _SURPRISES:
        if pattern.fullmatch(text):
            raise Surprise(sentence.format(_shown(text)), _HINTS.get(text.lower(), "quote it if it is text"))
    if _INTEGER.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise Surprise(f"`{_shown(text)}` is too long for a number", "quote it if it is text")
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise Surprise(f"`{_shown(text)}` is too large for a number", "quote it if it is text")
        return number
    return text


def _shown(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"
