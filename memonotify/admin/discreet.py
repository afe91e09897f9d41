"""Takes out of a text that is shown what opens something to whoever reads it: the query of an address, where signed
addresses carry their signature, and a name and password before its host. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_USER: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s\"'<>@?#]*@", re.IGNORECASE)
_QUERY: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s\"'<>?#]*)[?#][^\s\"'<>]*", re.IGNORECASE)


def discreet(text: str) -> str:
    """Return a text in which each address ends before its query or fragment."""
    return _QUERY.sub(r"\1?…", _USER.sub(r"\1", text)) if "://" in text else text
