"""Which fields of the bank's answer are others than they were. Pure.

In: what was fetched for an event, and what the bank says now. Out: the fields that differ, each with both values in a
few characters. `explaining` asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from memonotify.admin.discreet import discreet
from memonotify.templating.conditions import shown

ABSENT: Final = "absent"
"""What stands for the value of a field that is not there."""

_NOTHING: Final = object()
Change = tuple[str, str, str]


def drift(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Yield (field, value then, value now) for each field that differs, in the order of the older answer."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{path}.{name}" if path else str(name)
            yield from drift(old.get(name, _NOTHING), new.get(name, _NOTHING), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from drift(before, after, f"{path}[{place}]")
    elif type(old) is not type(new) or old != new:
        yield path or "the answer", _told(old), _told(new)


def _told(value: Any) -> str:
    return ABSENT if value is _NOTHING else discreet(shown(value))
