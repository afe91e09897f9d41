"""Values for header fields, made safe: no value can end its line and begin another header.

Comes in: text from templates, which may hold what a payer wrote. Goes out: text on one line. Mail and HTTP use it.
"""

from __future__ import annotations

import re
from typing import Final

# What ends a line for any reader: C0, DEL and C1 controls (CR, LF, NUL, NEL among them), the Unicode line and
# paragraph separators. Lone surrogates cannot be encoded at all.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile("[\ud800-\udfff]")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
MAX_CHARACTERS: Final = 500


def clean(value: str, *, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `value` on one line: what could end a line becomes one space; cut with … where it is too long."""
    line = _SURROGATES.sub("\ufffd", _CONTROLS.sub(" ", value)).strip()
    return line if len(line) <= max_characters else line[: max_characters - 1].rstrip() + "…"


def is_name(name: str) -> bool:
    """Return whether `name` is a header field's name (RFC 9110 §5.1)."""
    return _TOKEN.fullmatch(name) is not None
