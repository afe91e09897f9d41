"""`memonotify check`: every problem at once."""

from __future__ import annotations

from pathlib import Path

import click

from memonotify.cli.options import config_option, example, json_option
from memonotify.errors import Problem


@click.command(epilog=example("memonotify check", "memonotify check --no-secrets rules/returns.yaml"))
@config_option
@json_option
@click.option("--no-secrets", is_flag=True, help="Do not resolve ${env:…}, ${file:…} and ${credential:…}: for CI.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(config_path: Path | None, as_json: bool, no_secrets: bool, files: tuple[Path, ...]) -> None:
    """Validate configuration, rules and templates.

    Prints every problem as file:line:column: message, and notes on what is doubtful. FILE: a rule file or a template
    (*.j2), in place of the configuration's own, a file of tests (*.test.yaml), or a configuration. Exits with 2 where
    there is a problem.
    """
    from memonotify.cli.checking import check_all
    from memonotify.config.problems import format_problems

    checked = check_all(config_path, resolve=not no_secrets, files=files)
    problems, notes = checked.problems, checked.notes
    if as_json:
        import json

        rows = [_row(problem) for problem in (*problems, *notes)]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for sentence in checked.said:
            click.echo(sentence)
        if notes:
            click.echo(format_problems(notes))
        if problems:
            click.echo(format_problems(problems), err=True)
        click.echo(_summary(len(problems), len(notes), len(checked.rules)), err=bool(problems))
    if problems:
        raise click.exceptions.Exit(2)


def _row(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
        "field": problem.field,
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _summary(problems: int, notes: int, rules: int) -> str:
    told = f"{_count(problems, 'problem')}, {_count(notes, 'note')}"
    return told if problems else f"{told}, {_count(rules, 'rule')}"
