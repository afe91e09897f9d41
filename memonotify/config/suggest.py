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


def _form(word: str) -> str:
    return "".join(character for character in word.casefold() if character not in "-_ ")
