"""`memonotify test`: the tests of the rules."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memonotify.cli.options import config_option, example, json_option, load_all
from memonotify.cli.tables import print_json

if TYPE_CHECKING:
    from memonotify.cli.options import Loaded
    from memonotify.engine.testing import TestResult
    from memonotify.rules.values import RuleTest


@click.command(
    epilog=example(
        "memonotify test",
        "memonotify test rules/returns.yaml --junit results.xml",
        "memonotify test --coverage-min 90",
    )
)
@config_option
@json_option
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JUnit XML.")
@click.option("--filter", "wanted", metavar="TEXT", help="Only tests whose name holds this.")
@click.option("--coverage", is_flag=True, help="Print of every rule in how many tests it spoke and kept silent.")
@click.option(
    "--coverage-min",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail where tests make less of the rules' `notify` and `resolved` speak.",
)
@click.option("--no-color", is_flag=True, help="Mark words that differ without colour, as NO_COLOR does.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def test(
    config_path: Path | None,
    as_json: bool,
    junit: Path | None,
    wanted: str | None,
    coverage: bool,
    coverage_min: float | None,
    no_color: bool,
    files: tuple[Path, ...],
) -> None:
    """Run the `tests:` of rule files, and of files called *.test.yaml beside them. FILE: only the tests of these, still
    against all rules.

    Nothing is sent and the bank is not asked. Exits with 1 where a test falls short.
    """
    from memonotify.cli.testreport import Report
    from memonotify.engine.exercise import exercised, percentage

    loaded = _loaded(config_path, files)
    results = _results(loaded, files, wanted)
    exercises = exercised(loaded.rules.ruleset, results)
    percent = percentage(exercises)
    if junit is not None:
        _write_junit(junit, loaded, results)
    if as_json:
        print_json([_row(result) for result in results])
    else:
        report = Report.of_terminal(no_color=no_color)
        for result in results:
            report.result(result)
        if coverage or coverage_min is not None or (results and not files and wanted is None):
            report.coverage(exercises, percent, whole=coverage)
        if results or wanted is None:
            report.summary(results)
    if wanted is not None and not results:
        click.echo(f"No test's name contains {wanted!r}.", err=True)
    is_short = coverage_min is not None and percent < coverage_min
    if is_short:
        click.echo(f"Coverage is {percent:.1f} %, less than {coverage_min:g} %.", err=True)
    if is_short or (not results and (files or wanted is not None)) or not all(result.passed for result in results):
        raise click.exceptions.Exit(1)


def _loaded(config_path: Path | None, files: tuple[Path, ...]) -> Loaded:
    """Load the rules, with all files of tests or, where files are named, with those among them."""
    from memonotify.config.testfiles import is_test_file
    from memonotify.rules.testfiles import found_test_files

    named = tuple(file for file in files if is_test_file(file))
    return load_all(config_path, resolve=False, test_files=lambda config: named if files else found_test_files(config))


def _results(loaded: Loaded, files: tuple[Path, ...], wanted: str | None) -> list[TestResult]:
    from memonotify.engine.testing import run_tests

    chosen = {file.resolve() for file in files}
    known = {Path(each.file).resolve() for each in loaded.rules.ruleset.tests}
    for file in sorted(chosen - known):
        click.echo(f"{file}: none of the configuration's rule files, or it has no tests.", err=True)

    def is_wanted(each: RuleTest) -> bool:
        in_files = not chosen or Path(each.file).resolve() in chosen
        return in_files and (wanted is None or wanted in each.name)

    return run_tests(loaded.rules.ruleset, loaded.config.config, only=is_wanted, timer=time.perf_counter)


def _write_junit(path: Path, loaded: Loaded, results: list[TestResult]) -> None:
    from memonotify import __version__
    from memonotify.cli.junit import junit

    properties = {
        "memonotify.version": __version__,
        "memonotify.configuration": str(loaded.config.config.path),
        "memonotify.rules": loaded.rules.ruleset.digest,
    }
    path.write_bytes(junit(results, properties))


def _row(result: TestResult) -> dict[str, object]:
    return {
        "name": result.name,
        "file": result.file,
        "line": result.line,
        "passed": result.passed,
        "shortfalls": [str(shortfall) for shortfall in result.shortfalls],
        "notes": list(result.notes),
        "spoke": [{"rule": rule, "branch": str(branch)} for rule, branch in sorted(result.spoke)],
        "duration_s": round(result.duration_s, 6),
    }
