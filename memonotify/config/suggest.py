"""A mistyped word in, the hint "did you mean …?" out. Called wherever a name in a file is not a known one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str:
    """Return the known word that was probably meant, or an empty text. Case, `-`, `_` and blanks do not count."""
    by_form: dict[str, str] = {}
    for candidate in known:
        by_form.setdefault(_form(candidate), candidate)
    found = difflib.get_close_matches(_form(word), by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?", or an empty text where nothing known is near."""
    meant = closest(word, known)
    return f"did you mean `{meant}`?" if meant else ""


class Suggester:
    """`did_you_mean`, a limited number of times: it takes a while where much is known, and nobody reads more."""

    def __init__(self, most: int = 50) -> None:
        self._left = most

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """Return "did you mean `x`?", or an empty text where nothing known is near or it was asked too often."""
        self._left -= 1
        return did_you_mean(word, known) if self._left >= 0 else ""


def _form(word: str) -> str:
    return "".join(character for character in word.casefold() if character not in "-_ ")
