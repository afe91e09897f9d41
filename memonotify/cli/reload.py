"""`memonotify reload`: edited rules and templates take effect, or what is wrong with them is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import click

from memonotify.cli.daemon import Reach
from memonotify.cli.options import config_option, example, json_option, load_config_only
from memonotify.cli.tables import print_json

ANSWER_S: Final = 300.0
"""How long the daemon may take: many thousand rules take a while."""

_REFUSED: Final = 422
_COLOURS: Final = {"added": "green", "changed": "yellow", "removed": "red"}


@click.command(epilog=example("memonotify reload", "memonotify reload -c /etc/memonotify/config.yaml"))
@config_option
@json_option
def reload(config_path: Path | None, as_json: bool) -> None:
    """Have the running daemon load rules and templates again.

    Prints which rules are new, changed and gone. Where a file is wrong, prints every problem and exits with 2: the last
    good version of that file stays in force, and the other files are loaded.
    """
    config = load_config_only(config_path, resolve=False).config
    answer: dict[str, Any] = Reach(config, answer_s=ANSWER_S).tell("/api/reload", also=(_REFUSED,))
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    if not answer["ok"]:
        raise click.exceptions.Exit(2)


def _print(answer: Mapping[str, Any]) -> None:
    folder = Path(answer["folder"])
    rows = [(word, rule) for word in _COLOURS for rule in answer[word]]
    width = max((len(rule["rule"]) for _, rule in rows), default=0)
    for word, rule in rows:
        place = f"{_shown(folder, rule['file'])}:{rule['line']}"
        told = [*([] if rule["severity"] == "info" else [rule["severity"]]), *rule["policies"]]
        remark = f" ({', '.join(told)})" if told else ""
        click.echo(f"{click.style(f'{word:<7}', fg=_COLOURS[word])}  {rule['rule']:<{width}}  {place}{remark}")
    for problem in answer["problems"]:
        place = f"{_shown(folder, problem['file'])}:{problem['line']}:{problem['column']}"
        hint = f" ({problem['hint']})" if problem["hint"] else ""
        click.echo(f"{place}: {problem['message']}{hint}", err=True)
    _print_degraded(folder, answer["degraded"])
    for remark in answer["remarks"]:
        click.echo(remark, err=True)
    rules = f"{answer['rules']} rule{'' if answer['rules'] == 1 else 's'} in force"
    click.echo(f"{rules}." if rows else f"{rules}, as before.")


def _print_degraded(folder: Path, files: Sequence[Mapping[str, Any]]) -> None:
    for file in files:
        stays = "its last good version stays in force" if file["last_good"] else "none of its rules are in force"
        click.echo(f"{_shown(folder, file['file'])}: {stays}", err=True)


def _shown(folder: Path, file: str) -> str:
    """Return a file's path as it is from here; the daemon may run elsewhere."""
    path = folder / file
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
