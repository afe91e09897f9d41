"""`memonotify init`: a first configuration that checks and whose tests pass."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import click

from memonotify.cli.options import example
from memonotify.errors import MemonotifyError

_ENVIRONMENT: Final = """\
# What config.yaml reads as ${env:…}. Fill it in, keep it out of version control, and load it:
#   set -a; . ./environment; set +a
MEMONOTIFY_ADMIN_TOKEN=
ACME_WEBHOOK_TOKEN=
ACME_THUMBPRINT=
ACME_SECRET=
SMTP_PASSWORD=
SLACK_WEBHOOK_URL=
ERP_SIGNING_SECRET=
"""


@click.command(epilog=example("memonotify init /etc/memonotify", "memonotify init --language fr alerts"))
@click.option(
    "--language", type=click.Choice(["en", "fr"]), default="en", show_default=True, help="What the messages speak."
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def init(language: str, folder: Path) -> None:
    """Write a commented configuration, first rules with tests, and mail templates into DIR.

    Nothing that is there already is overwritten.
    """
    made = _plan(folder, language)
    taken = [target for target, _ in made if target.exists()]
    if taken:
        raise MemonotifyError(f"{taken[0]} is there already; init overwrites nothing. Choose another folder")
    for target, source in made:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, Path):
            shutil.copyfile(source, target)
        else:
            target.write_text(source, encoding="utf-8")
    (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
    (folder / "environment").chmod(0o600)
    _say(folder, [target for target, _ in made])


def _plan(folder: Path, language: str) -> list[tuple[Path, Path | str]]:
    from memonotify.config.schema import config_schema, rules_schema
    from memonotify.defaults import shipped

    rules = shipped("rules")
    chosen = rules if language == "en" else rules / language
    parts = [("config.yaml", shipped("config.example.yaml"))]
    parts += [(f"rules/{file.name}", file) for file in sorted(chosen.glob("*.yaml"))]
    templates = rules / "templates"
    parts += [
        (f"rules/templates/{file.relative_to(templates)}", file)
        for file in sorted((*templates.glob("*.j2"), *templates.glob(f"{language}/*.j2")))
    ]
    return [
        *((folder / name, source) for name, source in parts),
        (folder / "environment", _ENVIRONMENT),
        (folder / "config.schema.json", json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"),
        (folder / "rules.schema.json", json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"),
    ]


def _say(folder: Path, files: list[Path]) -> None:
    for file in files:
        click.echo(f"wrote {file}")
    click.echo(
        f"""
What is next:
  1. Put your values into {folder / "config.yaml"} and {folder / "environment"}.
  2. memonotify check -c {folder / "config.yaml"} --no-secrets
  3. memonotify test -c {folder / "config.yaml"}
  4. memonotify serve -c {folder / "config.yaml"}"""
    )
