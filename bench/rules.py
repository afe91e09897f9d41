"""What ten thousand rules cost: to load, to load again after an edit of one file, and to match beside.

Each is measured in a process of its own (`bench.peers rules`), which says what memory it took.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench import load, manyrules, stage, waits
from bench.rows import Row, row_of

_FILES = 100
_LOADING_S = 300.0


async def rules(folder: Path, *, count: int, seconds: float) -> list[Row]:
    """Load twenty rules and many, match an event that twenty name, and take webhooks in while many are loaded again."""
    few = manyrules.write(folder / "few", count=manyrules.NAMING, files=1)
    many = manyrules.write(folder / "many", count=count, files=_FILES)
    waits.progress(f"rules: load {manyrules.NAMING} and {count:,}")
    small = await stage.run("rules", few, within_s=_LOADING_S)
    large = await stage.run("rules", many, within_s=_LOADING_S)
    rows = [
        Row(what=f"match, {manyrules.NAMING} rules in all", rate=1e6 / small["match_us"], memory_mb=small["memory_mb"]),
        Row(
            what=f"match, {manyrules.NAMING} of {count:,} rules",
            rate=1e6 / large["match_us"],
            memory_mb=large["memory_mb"],
            ratios={f"time/{manyrules.NAMING} rules": large["match_us"] / small["match_us"]},
            aim="time ≤ 1.3, 300 MiB",
        ),
        Row(what=f"load {count:,} rules, processor's time", p50_ms=large["load_s"] * 1000, aim="5000 ms"),
        Row(what="load again, one file edited, the same", p50_ms=large["again_s"] * 1000),
    ]
    return rows + await _while_loading(many, count, seconds)


async def _while_loading(config: Path, count: int, seconds: float) -> list[Row]:
    """The webhook's answers while all rules are loaded again: every file is new."""
    async with stage.peer("daemon", config, start_s=_LOADING_S) as ours:
        port, admin = ours.ready["port"], ours.ready["admin"]
        await load.steady(port, per_second=100, seconds=1)
        waits.progress("rules: accept while idle")
        idle = await load.steady(port, per_second=100, seconds=seconds)
        waits.progress(f"rules: accept while {count:,} rules are loaded again")
        files = sorted((config.parent / "rules").iterdir())
        busy = await _during(port, admin, files)
        one = await _during(port, admin, files[:1])
    return [
        row_of("accept, many rules, idle", [idle], {}),
        row_of(
            f"accept while all are loaded again ({busy.seconds:.1f} s)",
            [busy],
            ours.end,
            {"p99/idle": busy.percentile(0.99) / idle.percentile(0.99)},
        ),
        row_of(
            f"accept while one file is ({one.seconds:.1f} s)",
            [one],
            {},
            {"p99/idle": one.percentile(0.99) / idle.percentile(0.99)},
        ),
    ]


async def _during(port: int, admin: int, edited: list[Path]) -> load.Outcome:
    """Edit files and have them loaded; return what callers saw until that was done, at a steady rate."""
    for path in edited:
        path.write_text(path.read_text() + "# edited\n")
    reload = asyncio.create_task(waits.reloaded(admin, manyrules.ADMIN_TOKEN))
    seen = load.Outcome()
    while not reload.done():
        part = await load.steady(port, per_second=100, seconds=0.5)
        seen.latencies += part.latencies
    seen.seconds = await reload
    return seen
