"""`make bench`: accept, end to end, under backlog, many rules, what waits: one run on loopback, as rates and ratios."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from bench import load, shared, stage, waits
from bench.policies import policies
from bench.rows import Row, row_of
from bench.rules import rules

_CONCURRENCY = 16
_SECTIONS = ("accept", "http", "mail", "backlog", "postgres", "rules", "policies")


async def accept(folder: Path, seconds: float, rounds: int) -> list[Row]:
    """A bare handler against the whole accept path, in turns, so that a slow moment of the machine hits both."""
    config, environ = stage.write_config(
        folder / "accept", outside=None, channel="http", concurrency=8, rules=stage.QUIET_RULES
    )
    bare_runs: list[load.Outcome] = []
    our_runs: list[load.Outcome] = []
    async with stage.peer("bare") as bare, stage.peer("daemon", config, environ=environ) as ours:
        for target in (bare, ours):
            await load.flood(target.ready["port"], seconds=0.5)
        for number in range(rounds):
            waits.progress(f"accept, round {number + 1} of {rounds}")
            bare_runs.append(await load.flood(bare.ready["port"], seconds=seconds))
            our_runs.append(await load.flood(ours.ready["port"], seconds=seconds))
            await waits.drained(ours.ready["admin"])
    if any(run.refused for run in our_runs):
        raise RuntimeError("memonotify refused events of the bench")
    ratio = statistics.median(a.rate / b.rate for a, b in zip(our_runs, bare_runs, strict=True))
    tail = statistics.median(a.percentile(0.99) / b.percentile(0.99) for a, b in zip(our_runs, bare_runs, strict=True))
    ratios = {"rate/bare": ratio, "p99/bare": tail}
    return [
        row_of("accept: bare aiohttp handler", bare_runs, bare.end),
        row_of("accept: memonotify", our_runs, ours.end, ratios, "rate ≥ 0.70, p99 ≤ 3"),
    ]


async def end_to_end(folder: Path, events: int, kind: str) -> list[Row]:
    """Events through the daemon against a bare loop that makes the same calls at the same concurrency."""
    rules = stage.HTTP_RULES if kind == "http" else stage.MAIL_RULES
    name = "fetch, rule, HTTP call" if kind == "http" else "rule, mail"
    waits.progress(f"end to end: {name}")
    async with stage.peer("outside") as outside:
        port, smtp = outside.ready["port"], outside.ready["smtp"]
        bare_args = ("loop-http", f"http://127.0.0.1:{port}") if kind == "http" else ("loop-mail", smtp)
        bare_rates, our_rates = [], []
        config, environ = stage.write_config(
            folder / kind, outside=outside.ready, channel=kind, concurrency=_CONCURRENCY, rules=rules
        )
        done = 0
        async with stage.peer("daemon", config, environ=environ) as ours:
            for _ in range(2):
                bare = await stage.run(*bare_args, events, _CONCURRENCY, within_s=waits.WAIT_S)
                bare_rates.append(events / bare["seconds"])
                done += events
                began = time.perf_counter()
                await load.post(ours.ready["port"], events=events)
                our_rates.append(events / (await waits.received(port, kind, done + events) - began))
                done += events
    ratio = statistics.median(a / b for a, b in zip(our_rates, bare_rates, strict=True))
    return [
        Row(what=f"end to end, {name}: bare loop", rate=statistics.median(bare_rates), memory_mb=bare["memory_mb"]),
        Row(
            what=f"end to end, {name}: memonotify",
            rate=statistics.median(our_rates),
            memory_mb=ours.end.get("memory_mb"),
            ratios={"rate/bare": ratio},
            aim="rate ≥ 0.60",
        ),
    ]


async def under_backlog(folder: Path, backlog: int, seconds: float) -> list[Row]:
    """The webhook's answers while notifications are being worked off, and while an SMTP server says nothing."""
    rows: list[Row] = []
    async with stage.peer("outside") as outside:
        config, environ = stage.write_config(
            folder / "backlog", outside=outside.ready, channel="http", concurrency=8, rules=stage.HTTP_RULES
        )
        async with stage.peer("daemon", config, environ=environ) as ours:
            port = ours.ready["port"]
            await load.steady(port, per_second=100, seconds=1)
            waits.progress("accept while idle")
            idle = await load.steady(port, per_second=100, seconds=seconds)
            rows.append(row_of("accept while idle", [idle], {}))
            waits.progress(f"accept while {backlog} notifications are worked off")
            await load.post(port, events=backlog)
            busy = await load.steady(port, per_second=100, seconds=seconds)
            ratio = busy.percentile(0.99) / idle.percentile(0.99)
            rows.append(row_of(f"accept under a backlog of {backlog}", [busy], {}, {"p99/idle": ratio}, "p99 ≤ 5"))
            await waits.received(outside.ready["port"], "http", 1)
    async with stage.peer("outside", environ={"BENCH_SMTP_STALLS": "1"}) as outside:
        config, environ = stage.write_config(
            folder / "stall", outside=outside.ready, channel="mail", concurrency=8, rules=stage.MAIL_RULES
        )
        async with stage.peer("daemon", config, environ=environ) as ours:
            port = ours.ready["port"]
            waits.progress("accept while an SMTP server stalls")
            await load.post(port, events=1000)
            stalled = await load.steady(port, per_second=100, seconds=seconds)
            ratio = stalled.percentile(0.99) / idle.percentile(0.99)
            rows.append(row_of("accept while SMTP stalls", [stalled], {}, {"p99/idle": ratio}, "p99 ≤ 5"))
    return rows


def _table(rows: list[Row]) -> str:
    def number(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    lines = [f"{'':46} {'per s':>8} {'p50 ms':>8} {'p99 ms':>8} {'MiB':>6}  ratio"]
    for row in rows:
        ratios = ", ".join(f"{name} {value:.2f}" for name, value in row.ratios.items())
        lines.append(
            f"{row.what:46} {number(row.rate, ',.0f'):>8} {number(row.p50_ms, '.2f'):>8} "
            f"{number(row.p99_ms, '.2f'):>8} {number(row.memory_mb, '.0f'):>6}  {ratios}"
            + (f"   (aim: {row.aim})" if row.aim else "")
        )
    return "\n".join(lines)


async def _main(arguments: argparse.Namespace) -> list[Row]:
    quick = arguments.quick
    sections: dict[str, Callable[[Path], Awaitable[list[Row]]]] = {
        "accept": lambda folder: accept(folder, 1.0 if quick else 3.0, 2 if quick else 5),
        "http": lambda folder: end_to_end(folder, 500 if quick else 3000, "http"),
        "mail": lambda folder: end_to_end(folder, 500 if quick else 3000, "mail"),
        "postgres": lambda folder: shared.postgres(folder, quick=quick),
        "backlog": lambda folder: under_backlog(folder, 2000 if quick else 10_000, 2.0 if quick else 5.0),
        "rules": lambda folder: rules(folder, count=1000 if quick else 10_000, seconds=2.0 if quick else 10.0),
        "policies": lambda folder: policies(folder, many=10_000 if quick else 100_000, events=200 if quick else 1000),
    }
    rows: list[Row] = []
    # The store's commits must meet a disk, so the folder stands in the checkout and not in a memory file system.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        for name, section in sections.items():
            if not arguments.only or name in arguments.only:
                rows += await section(Path(folder))
    return rows


def main() -> None:
    """Measure and print a table, and the same as JSON."""
    import uvloop

    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look, in half a minute")
    parser.add_argument("--only", action="append", choices=_SECTIONS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON here, not below the table")
    arguments = parser.parse_args()
    rows = uvloop.run(_main(arguments))
    print(_table(rows))
    data = {"python": platform.python_version(), "machine": platform.machine(), "rows": [asdict(row) for row in rows]}
    if arguments.json:
        arguments.json.write_text(json.dumps(data, indent=2))
    else:
        print(json.dumps(data))


if __name__ == "__main__":
    main()
