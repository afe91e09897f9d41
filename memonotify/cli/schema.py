"""`memonotify schema`: the JSON Schemas, for editors."""

from __future__ import annotations

import json

import click

from memonotify.cli.options import example


@click.command(epilog=example("memonotify schema rules > rules.schema.json"))
@click.argument("what", type=click.Choice(["config", "rules", "tests"]))
def schema(what: str) -> None:
    """Print the JSON Schema (draft-07) of the configuration, of rule files or of files of tests.

    An editor with a YAML language server completes and explains by it: put
    `# yaml-language-server: $schema=rules.schema.json` at the head of a file.
    """
    from memonotify.config.schema import config_schema, rules_schema, schema_of_tests

    schemas = {"config": config_schema, "rules": rules_schema, "tests": schema_of_tests}
    click.echo(json.dumps(schemas[what](), indent=2, ensure_ascii=False))
