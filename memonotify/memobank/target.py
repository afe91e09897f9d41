"""Which paths of the bank's API may be called. In: a path, often rendered from a rule. Out: the same, or a refusal.

A rule's look-up is filled with data that strangers may have written (a reference, a name), so it is held to
`/v2/…` on the API's own host before it is sent and signed. Called by `client`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from memonotify.errors import FetchError, Reason

_LONGEST: Final = 2048
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\#]")


def checked_target(path: str) -> str:
    """Return `path` where it is one of the API's.

    Raises:
        FetchError: REJECTED, where it does not begin with `/v2/`, leaves it, has an empty part (a missing id would turn
            one resource into a list), or holds characters that a path cannot hold.
    """
    if len(path) > _LONGEST:
        raise FetchError(Reason.REJECTED, f"the API path is longer than {_LONGEST} characters")
    if not path.startswith("/v2/"):
        raise FetchError(Reason.REJECTED, "an API path begins with /v2/")
    if _UNSAFE.search(path):
        raise FetchError(Reason.REJECTED, "the API path holds a control character, a backslash or a #")
    for part in path.partition("?")[0].split("/")[1:]:
        _check_part(part)
    return path


def _check_part(part: str) -> None:
    if not part:
        raise FetchError(Reason.REJECTED, "the API path has an empty part; is an id missing?")
    # Some servers decode twice, so what hides behind two layers is looked at as well.
    for plain in (part, unquote(part), unquote(unquote(part))):
        if plain in {".", ".."} or "/" in plain or _UNSAFE.search(plain):
            raise FetchError(Reason.REJECTED, "the API path leaves its own place (. or .. or an encoded slash)")
