"""Makes text from outside safe to print: what would steer a terminal, hide or turn text around is written out. Pure."""

from __future__ import annotations

import re
from typing import Final

# Controls beyond ASCII's own, line and paragraph separators, bidirectional and other invisible characters, surrogates.
_UNSEEN: Final = "\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
_IN_TEXT: Final = re.compile(f"[\x00-\x1f{_UNSEEN}]")
_IN_JSON: Final = re.compile(f"[{_UNSEEN}]")
_BREAKS: Final = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")

MAX_LINE: Final = 2000
"""Characters kept of one line of an explanation; a condition or an error may be longer."""


def visible(text: str) -> str:
    """Return a text on one line of bearable length: breaks are spaces, and what is not to be seen is written out."""
    line = _IN_TEXT.sub(_written_out, _BREAKS.sub(" ", text))
    return line if len(line) <= MAX_LINE else line[: MAX_LINE - 1] + "…"


def in_short(text: str, most: int) -> str:
    """Return a text with its white space folded, cut to so many characters."""
    folded = " ".join(text.split())
    return folded if len(folded) <= most else folded[: most - 1] + "…"


def json_visible(text: str) -> str:
    """Return JSON that says the same, with every such character as the escape that JSON has for it."""
    return _IN_JSON.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
