"""Durations as people write them: a number and a unit (`500ms`, `5s`, `15m`, `24h`, `90d`, `2w`). Pure."""

from __future__ import annotations

import re
from typing import Final

UNITS_S: Final = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""Seconds in each unit, the largest first."""

# 10 000 years: far beyond any use, and still within what a datetime can hold a difference of.
_MAX_S: Final = 3.2e11
_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([A-Za-zµ]*)")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `15m`.

    Raises:
        ValueError: it is none; the text says what is wrong and what to write.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError("a duration is a number and a unit, such as 500ms, 5s, 15m, 24h, 90d or 2w")
    number, unit = found.groups()
    if not unit:
        raise ValueError(f"a duration needs a unit: {number}s, {number}m or {number}h")
    if unit not in UNITS_S:
        raise ValueError(f"`{unit}` is not a unit of time; the units are ms, s, m, h, d and w")
    seconds = float(number) * UNITS_S[unit]
    if seconds > _MAX_S:
        raise ValueError("the duration is too long")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit in which it is a whole number, to the millisecond: 900 is `15m`."""
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    for unit, size_s in UNITS_S.items():
        size_ms = round(size_s * 1000)
        if milliseconds % size_ms == 0:
            return f"{milliseconds // size_ms}{unit}"
    return f"{milliseconds}ms"
