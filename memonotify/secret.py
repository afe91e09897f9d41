"""A value that masks itself. Comes from the configuration; only the call that needs the plain text reveals it."""

from __future__ import annotations

import hmac
from typing import Any, Final

MASK: Final = "********"


class Secret:
    """A secret string. `str`, `repr`, formatting, JSON and pickling never show it; `reveal()` does."""

    __slots__ = ("_plain",)

    def __init__(self, plain: str) -> None:
        self._plain = plain

    def reveal(self) -> str:
        """Return the plain text. Call it only where it is handed to the library that needs it."""
        return self._plain

    def matches(self, other: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._plain.encode(), other.encode("utf-8", "surrogateescape"))

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __bool__(self) -> bool:
        return bool(self._plain)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._plain)

    def __hash__(self) -> int:
        return hash((Secret, self._plain))

    def __reduce__(self) -> Any:
        raise TypeError("a Secret is never pickled")
