"""Whether two stores hold the same: counts, checksums and the first row that differs, table by table.

Both sides are read in the order of the primary key, in batches, by the same code. `moving` calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final

from sqlalchemy import Table

from memonotify.store import bulk
from memonotify.store.bulk import Values

_REPORT: Final = 2_000
_NONE: Final = b""

Batches = Iterable[list[Values]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One store's rows of a table: how many, and the SHA-256 of all of them in order."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One table of two stores; `difference` names the first row that differs and says how, empty where none does."""

    table: str
    source: Side
    target: Side
    difference: str

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.source == self.target and not self.difference


def compare(table: Table, source: Batches, target: Batches, on_rows: Callable[[int], None]) -> Compared:
    """Compare the rows of a table, which come in order; `on_rows` is told now and then how many were looked at."""
    difference = ""
    digests = (hashlib.sha256(), hashlib.sha256())
    rows = [0, 0]
    pairs = zip_longest(chain.from_iterable(source), chain.from_iterable(target))
    for looked_at, pair in enumerate(pairs, 1):
        texts = [_NONE if row is None else bulk.canonical(row) for row in pair]
        if texts[0] != texts[1] and not difference:
            difference = _difference(table, *pair)
        for side, line in enumerate(texts):
            if line:
                rows[side] += 1
                digests[side].update(line + b"\n")
        if looked_at % _REPORT == 0:
            on_rows(looked_at)
    on_rows(max(rows))
    source_side, target_side = (
        Side(rows=number, digest=digest.hexdigest()) for number, digest in zip(rows, digests, strict=True)
    )
    return Compared(table=table.name, source=source_side, target=target_side, difference=difference)


def _difference(table: Table, row: Values | None, other: Values | None) -> str:
    """Return which of two rows at the same place is where the sides part."""
    key = None if row is None else bulk.key_of(table, row)
    other_key = None if other is None else bulk.key_of(table, other)
    if key == other_key and row is not None and other is not None:
        values = zip(table.columns, row, other, strict=True)
        columns = [column.name for column, one, two in values if ascii(one) != ascii(two)]
        return f"{bulk.named(table, key or ())} differs in {', '.join(columns)}"
    if other_key is None or (key is not None and key < other_key):
        return f"{bulk.named(table, key or ())} is missing in TO"
    return f"{bulk.named(table, other_key)} is in TO only"
