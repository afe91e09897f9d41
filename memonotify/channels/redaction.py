"""What a receiver's answer may show in lists, logs and errors: one short line of plain text without a credential.

Comes in: text a receiver wrote. Goes out: at most 200 characters. Every channel makes one Redactor of its secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from memonotify.secret import MASK

SHOWN_CHARACTERS: Final = 200
_MIN_SECRET: Final = 4
# Controls, line and paragraph separators, bidirectional and other invisible format characters, lone surrogates.
_UNSHOWN = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]+"
)


def _spellings(secret: str) -> Iterable[str]:
    """Yield the ways in which a receiver may give a secret back."""
    yield secret
    yield unquote(secret)
    yield json.dumps(secret)[1:-1]
    yield secret.replace("/", "\\/")
    yield from (word for word in secret.split() if len(word) >= 2 * _MIN_SECRET)


class Redactor:
    """Makes text fit to be shown. Secrets shorter than four characters are not masked: they would mask everything."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {spelling for secret in secrets for spelling in _spellings(secret) if len(spelling) >= _MIN_SECRET}
        longest_first = sorted(found, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def shown(self, text: str | bytes) -> str:
        """Return `text` on one line, credentials masked, cut to 200 characters. Bytes are read as UTF-8."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        # Masked before and after the white space is folded: a credential must not hide behind a line break.
        line = _UNSHOWN.sub(" ", self._masked(text)).strip()
        line = self._masked(line)
        return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"

    def _masked(self, text: str) -> str:
        return text if self._secrets is None else self._secrets.sub(MASK, text)
