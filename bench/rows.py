"""What the bench prints: a row of the table for each thing measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from bench import load


@dataclass
class Row:
    """One line of the table. Rates a second, latencies in milliseconds, memory in MiB."""

    what: str
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    memory_mb: float | None = None
    ratios: dict[str, float] = field(default_factory=dict)
    aim: str = ""


def row_of(
    what: str, runs: list[load.Outcome], end: dict[str, Any], ratios: dict[str, float] | None = None, aim: str = ""
) -> Row:
    """Return the row of several runs of the same: the medians."""
    return Row(
        what=what,
        rate=statistics.median(run.rate for run in runs),
        p50_ms=statistics.median(run.percentile(0.5) for run in runs),
        p99_ms=statistics.median(run.percentile(0.99) for run in runs),
        memory_mb=end.get("memory_mb"),
        ratios=ratios or {},
        aim=aim,
    )
