"""The API paths that a rule names under `fetch`: checked as written, rendered so that no value can lead elsewhere.

Takes the path's source or its compiled text with a context. The rules' loader checks, the engine renders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from memonotify.errors import RenderError
from memonotify.templating.environment import Text

ROOT: Final = "/v2/"
MAX_LENGTH: Final = 2000
"""How long a rendered path may be, query included, in characters."""

MARKUP: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
"""What Jinja reads in a text: everything else in it is written out."""
_UNSAFE_IN_PATH: Final = re.compile(r"[/?#\\\x00-\x1f\x7f]")
_ALLOWED: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
"""The characters of a path and a query (RFC 3986 §3.3 and §3.4)."""


def source_fault(source: str) -> str:
    """Return a sentence about what is wrong with a path as a rule writes it, or an empty text."""
    if not source.startswith(ROOT):
        return f"a look-up is a path of the bank's API and begins with {ROOT}"
    return _fault(MARKUP.sub("x", source))


def lookup_path(text: Text, context: Mapping[str, Any]) -> str:
    """Return a look-up's path with its query, ready to be sent.

    `text` is compiled with `Escape.PATH`, so values are percent-encoded already and cannot add a part, a query or a
    fragment of their own.

    Raises:
        RenderError: the text does not render, or a value in it would change the path's parts.
    """
    path = text.render(context).strip()
    if not path.startswith(ROOT):
        raise RenderError(f"a look-up's path begins with {ROOT}")
    fault = _fault(path)
    if fault:
        raise RenderError(fault)
    return path


def _fault(path: str) -> str:
    if len(path) > MAX_LENGTH:
        return f"a look-up's path has {MAX_LENGTH} characters at most"
    if "#" in path:
        return "a look-up's path has no fragment (`#`)"
    if not _ALLOWED.fullmatch(path):
        return "a look-up's path has only characters that a path may have; others are percent-encoded"
    for part in path.partition("?")[0].split("/")[1:]:
        plain = unquote(part, errors="replace")
        if not plain:
            return "a part of a look-up's path is empty"
        if plain in (".", ".."):
            return "a part of a look-up's path is `.` or `..`"
        if _UNSAFE_IN_PATH.search(plain):
            return "a part of a look-up's path holds a character that would change the path"
    return ""
