"""`memonotify schema`: the JSON Schemas, for editors."""

from __future__ import annotations

import json

import click

from memonotify.cli.options import example


@click.command(epilog=example("memonotify schema rules > rules.schema.json"))
@click.argument("what", type=click.Choice(["config", "rules"]))
def schema(what: str) -> None:
    """Print the JSON Schema (draft-07) of the configuration or of rule files.

    An editor with a YAML language server completes and explains by it: put
    `# yaml-language-server: $schema=rules.schema.json` at the head of a file.
    """
    from memonotify.config.schema import config_schema, rules_schema

    click.echo(json.dumps(config_schema() if what == "config" else rules_schema(), indent=2, ensure_ascii=False))
