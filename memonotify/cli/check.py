"""`memonotify check`: every problem at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from memonotify.cli.options import config_option, example, json_option

if TYPE_CHECKING:
    from memonotify.cli.checking import Checked
    from memonotify.cli.checkreport import Written


@click.command(
    epilog=example(
        "memonotify check",
        "memonotify check --no-secrets rules/returns.yaml",
        "memonotify check --no-secrets --strict --format github",
    )
)
@config_option
@json_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "github", "json"]),
    help="Lines for a person, annotations for a GitHub workflow, or one JSON array (as --json). Default: text.",
)
@click.option("--strict", is_flag=True, help="Let notes fail as problems do: exit with 2.")
@click.option("--no-secrets", is_flag=True, help="Do not resolve ${env:…}, ${file:…} and ${credential:…}: for CI.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(
    config_path: Path | None, as_json: bool, form: str | None, strict: bool, no_secrets: bool, files: tuple[Path, ...]
) -> None:
    """Validate configuration, rules and templates.

    Prints every problem as file:line:column: message, and notes on what is doubtful. FILE: a rule file or a template
    (*.j2), in place of the configuration's own, a file of tests (*.test.yaml), or a configuration. Exits with 2 where
    there is a problem.
    """
    from memonotify.cli.checking import check_all

    checked = check_all(config_path, resolve=not no_secrets, files=files)
    written = _written(checked, form or ("json" if as_json else "text"), strict=strict)
    if written.out:
        click.echo(written.out)
    if written.err:
        click.echo(written.err, err=True)
    if checked.fails(strict=strict):
        raise click.exceptions.Exit(2)


def _written(checked: Checked, form: str, *, strict: bool) -> Written:
    from memonotify.cli import checkreport

    if form == "json":
        return checkreport.as_json(checked)
    if form == "github":
        return checkreport.as_workflow_commands(checked, os.environ, strict=strict)
    return checkreport.as_text(checked, strict=strict)
