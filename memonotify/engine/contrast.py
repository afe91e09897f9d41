"""What differs between a message as it was sent and as it would be now. Pure.

In: two payloads. Out: a Change for each field that differs, short enough to be shown; and the line that stands for a
message in a list. The backtest and the replay call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_SHOWN: Final = 100
"""Characters that are shown of a value, and of a message's line."""

_BEFORE: Final = 24
"""How much is shown before the place where two values part."""

_TOLD_BY: Final = ("subject", "text", "json", "body", "html")
_FILES: Final = "attach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A field that differs, such as `subject` or `json.cents`, with what it was and what it is; None: it was not there.

    Of a long text it is the part around the first difference.
    """

    field: str
    before: str | None
    after: str | None


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return where two payloads differ; nothing where they are the same. Of files only their names count."""
    return tuple(_changes("", _comparable(before), _comparable(after)))


def headline(payload: Mapping[str, Any]) -> str:
    """Return the line that stands for a message: its subject, or the first line of what it says."""
    said = next((payload[field] for field in _TOLD_BY if field in payload), "")
    text = said if isinstance(said, str) else _json(said)
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return _cut(" ".join(first.split()))


def _comparable(payload: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(payload)
    if _FILES in whole:
        whole[_FILES] = [file.get("name") if isinstance(file, Mapping) else file for file in whole[_FILES]]
    return whole


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            at = f"{path}.{name}" if path else str(name)
            if name not in after:
                yield Change(field=at, before=_cut(_shown(before[name])), after=None)
            elif name not in before:
                yield Change(field=at, before=None, after=_cut(_shown(after[name])))
            else:
                yield from _changes(at, before[name], after[name])
        return
    if not _same(before, after):
        was, is_now = _parted(_shown(before), _shown(after))
        yield Change(field=path, before=was, after=is_now)


def _same(before: Any, after: Any) -> bool:
    """Equal, with 1, 1.0 and true told apart, at any depth."""
    return _json(before) == _json(after)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _parted(before: str, after: str) -> tuple[str, str]:
    """Return the part of two texts around their first difference, each as one line."""
    at = next((at for at, (was, is_now) in enumerate(zip(before, after, strict=False)) if was != is_now), None)
    start = max(0, (min(len(before), len(after)) if at is None else at) - _BEFORE)
    if max(len(before), len(after)) <= MOST_SHOWN:
        start = 0
    lead = "…" if start else ""
    return (
        _cut(lead + _one_line(before[start : start + 2 * MOST_SHOWN])),
        _cut(lead + _one_line(after[start : start + 2 * MOST_SHOWN])),
    )


def _one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "⏎").replace("\t", " ")


def _cut(text: str) -> str:
    text = _one_line(text)
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"
