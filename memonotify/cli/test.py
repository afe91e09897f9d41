"""`memonotify test`: the tests of the rule files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import click

from memonotify.cli.options import config_option, example, json_option, load_all
from memonotify.cli.tables import print_json

if TYPE_CHECKING:
    from memonotify.engine.compare import FieldDifference
    from memonotify.engine.testing import TestResult


@click.command(epilog=example("memonotify test", "memonotify test rules/returns.yaml --junit results.xml"))
@config_option
@json_option
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write the results as JUnit XML.")
@click.option("--filter", "wanted", metavar="TEXT", help="Only tests whose name holds this.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def test(
    config_path: Path | None, as_json: bool, junit: Path | None, wanted: str | None, files: tuple[Path, ...]
) -> None:
    """Run the `tests:` of the rule files. FILE: only the tests of these, still against all rules.

    Nothing is sent and the bank is not asked. Exits with 1 where a test falls short.
    """
    from memonotify.engine.testing import run_tests

    loaded = load_all(config_path, resolve=False)
    chosen = {file.resolve() for file in files}
    tests = loaded.rules.ruleset.tests
    if chosen:
        known = {Path(one.file).resolve() for one in tests}
        for file in chosen - known:
            click.echo(f"{file}: none of the configuration's rule files, or it has no tests.", err=True)
    results = run_tests(
        loaded.rules.ruleset,
        loaded.config.config,
        only=lambda one: (not chosen or Path(one.file).resolve() in chosen) and (wanted is None or wanted in one.name),
    )
    if junit is not None:
        junit.write_bytes(_junit(results))
    if as_json:
        print_json([_row(result) for result in results])
    else:
        for result in results:
            _print(result)
        if results or wanted is None:
            _sum_up(results)
    if wanted is not None and not results:
        click.echo(f"No test's name contains {wanted!r}.", err=True)
    if not results and (chosen or wanted is not None):
        raise click.exceptions.Exit(1)
    if not all(result.passed for result in results):
        raise click.exceptions.Exit(1)


def _print(result: TestResult) -> None:
    mark = click.style("pass", fg="green") if result.passed else click.style("FAIL", fg="red", bold=True)
    click.echo(f"{mark}  {result.name}" + ("" if result.passed else f"  ({result.file}:{result.line})"))
    for shortfall in result.shortfalls:
        click.echo(f"      {shortfall.text}")
        for field in shortfall.fields:
            _print_difference(field)
    for note in result.notes:
        click.echo(f"      note: {note}")


def _print_difference(difference: FieldDifference) -> None:
    expected = " ".join(
        click.style(piece.text.strip(), fg="green", bold=True) if piece.kind == "missing" else piece.text.strip()
        for piece in difference.pieces
        if piece.kind != "extra"
    )
    got = " ".join(
        click.style(piece.text.strip(), fg="red", bold=True) if piece.kind == "extra" else piece.text.strip()
        for piece in difference.pieces
        if piece.kind != "missing"
    )
    click.echo(f"        {difference.field}")
    click.echo(f"          expected  {expected}")
    click.echo(f"          got       {got}")


def _sum_up(results: list[TestResult]) -> None:
    failed = sum(not result.passed for result in results)
    if not results:
        click.echo("No tests. Rule files hold them under `tests:`.")
    elif failed:
        click.secho(f"{failed} of {len(results)} tests fell short.", fg="red", bold=True)
    else:
        click.secho(f"{len(results)} test{'s' if len(results) != 1 else ''} passed.", fg="green", bold=True)


def _row(result: TestResult) -> dict[str, object]:
    return {
        "name": result.name,
        "file": result.file,
        "line": result.line,
        "passed": result.passed,
        "shortfalls": [str(shortfall) for shortfall in result.shortfalls],
        "notes": list(result.notes),
    }


def _junit(results: list[TestResult]) -> bytes:
    failed = sum(not result.passed for result in results)
    suite = ET.Element("testsuite", name="memonotify", tests=str(len(results)), failures=str(failed))
    for result in results:
        case = ET.SubElement(suite, "testcase", name=result.name, classname=result.file, line=str(result.line))
        if not result.passed:
            text = "\n".join(str(shortfall) for shortfall in result.shortfalls)
            failure = ET.SubElement(case, "failure", message=text.split("\n", 1)[0])
            failure.text = text
    root = ET.Element("testsuites")
    root.append(suite)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
