"""Writes the tables of the documentation that the code knows best: keys, options, metrics, routes, types.

Comes in: the schemas, the commands, the metrics, the catalogue. Goes out: the text between the marks
`<!-- generated: NAME -->` and `<!-- end -->` of each page. `make docs` runs it; a test fails where a page is behind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS, SANDBOX_ADDRESSES, WEBHOOK_ADDRESSES
from memonotify.cli import COMMANDS, root
from memonotify.config.schema import config_schema, rules_schema
from memonotify.metrics import Metrics

FOLDER = Path(__file__).parent
_REGION = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_REFERENCE_HELP = re.compile(r" ?(It may hold references|Values may be secrets|A secret): \$\{env:NAME\}.*")

Schema = Mapping[str, Any]


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def keys(schema: Schema, whole: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Yield every key of a mapping's schema with its path, its own schema and whether it is required."""
    for name, given in schema.get("properties", {}).items():
        own = resolved(given, whole)
        path = f"{prefix}{name}"
        yield path, own, name in schema.get("required", ())
        inner = resolved(own.get("items", {}), whole) if own.get("type") == "array" else own
        if inner.get("properties"):
            yield from keys(inner, whole, f"{path}[]." if own.get("type") == "array" else f"{path}.")


def resolved(schema: Schema, whole: Schema) -> Schema:
    """Follow a reference within the schema."""
    reference = schema.get("$ref")
    return whole["definitions"][reference.rpartition("/")[2]] if reference else schema


def _said(schema: Schema) -> str:
    text = str(schema.get("description", schema.get("title", "")))
    found = _REFERENCE_HELP.search(text)
    if found:
        secret = " May hold [references](#references)." if found[1].startswith("It") else " A [secret](#references)."
        text = text[: found.start()] + (secret if "secret" in found[1].lower() or found[1].startswith("It") else "")
    text = text.replace(" A number and ms, s, m, h, d or w.", " A [duration](#durations).")
    if "enum" in schema and schema.get("type") == "string":
        text += " One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
    return text.strip().replace("<name>", "NAME")


def _default(schema: Schema, *, is_required: bool) -> str:
    if is_required:
        return "required"
    if "default" not in schema:
        return ""
    value = schema["default"]
    if isinstance(value, list):
        return "`[" + ", ".join(map(str, value)) + "]`"
    return f"`{value}`"


def config_keys(section: str) -> str:
    """The keys below one key of config.yaml (`top`: the keys that hold one value each)."""
    whole = config_schema()
    if section == "top":
        rows = [
            (path, own, required)
            for path, own, required in keys(whole, whole)
            if "." not in path and not own.get("properties") and path not in ("workspaces", "channels", "hours")
        ]
    elif section in ("email", "slack", "http", "window"):
        definition = whole["definitions"][section]
        rows = [(path, own, required or path == "type") for path, own, required in keys(definition, whole)]
    else:
        own = resolved(whole["properties"][section], whole)
        inner = resolved(own["items"], whole) if own.get("type") == "array" else own
        rows = list(keys(inner, whole))
    shown = [
        (f"`{path}`", _default(own, is_required=required), _said(own))
        for path, own, required in rows
        if not own.get("properties") or own.get("description")
    ]
    return table(("Key", "Default", "What it is"), shown)


def rule_keys(part: str) -> str:
    """The keys of one definition of the rules' schema."""
    whole = rules_schema()
    schema = whole if part == "file" else whole["definitions"][part]
    rows = [
        (f"`{name}`", "yes" if name in schema.get("required", ()) else "", _said(resolved(own, whole)))
        for name, own in schema["properties"].items()
    ]
    return table(("Key", "Required", "What it is"), rows)


def part_keys(part: str) -> str:
    """The keys under a key of a rule, such as `match`, or of another definition, such as `step.unless`."""
    definition, _, key = part.rpartition(".")
    schema = rules_schema()["definitions"][definition or "rule"]["properties"][key]
    if not schema.get("required") and not any("default" in own for own in schema["properties"].values()):
        return table(("Key", "What it is"), [(f"`{name}`", _said(own)) for name, own in schema["properties"].items()])
    rows = [
        (f"`{name}`", _default(own, is_required=name in schema.get("required", ())), _said(own))
        for name, own in schema["properties"].items()
    ]
    return table(("Key", "Default", "What it is"), rows)


def event_types() -> str:
    """The bank's resource types, where each is fetched from, and its event types."""
    rows = [
        (
            f"`{resource}`",
            f"`{path}`",
            ", ".join(f"`{event}`" for event, about in EVENT_TYPES.items() if about == resource),
        )
        for resource, path in RESOURCE_PATHS.items()
    ]
    return table(("Resource type", "Fetched from", "Event types"), rows)


def addresses() -> str:
    """The published addresses, by the name that stands for them."""
    named = (("memo-bank", WEBHOOK_ADDRESSES), ("memo-bank-sandbox", SANDBOX_ADDRESSES))
    return table(
        ("Name", "Addresses"),
        [(f"`{name}`", ", ".join(f"`{address}`" for address in values)) for name, values in named],
    )


def metrics() -> str:
    """Every metric with its labels."""
    rows = []
    for metric in vars(Metrics()).values():
        if not hasattr(metric, "_labelnames"):
            continue
        kind = metric._type  # noqa: SLF001 - the library has no public way to ask
        name = metric._name + ("_total" if kind == "counter" else "")  # noqa: SLF001
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001
        rows.append((f"`{name}`", kind, labels, metric._documentation))  # noqa: SLF001
    return table(("Metric", "Kind", "Labels", "What it says"), rows)


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and the commands below it, with their full names."""
    context = click.Context(command, info_name=name)
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from walk(found, f"{name} {inner}")
    else:
        yield name, command


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command of memonotify that can be run, with its full name."""
    context = click.Context(root, info_name="memonotify")
    for name in COMMANDS:
        command = root.get_command(context, name)
        if command is not None:
            yield from walk(command, f"memonotify {name}")


def command(name: str) -> str:
    """One command: how it is called, and its options."""
    found = dict(commands())[f"memonotify {name}"]
    context = click.Context(found, info_name=f"memonotify {name}")
    usage = " ".join(found.collect_usage_pieces(context))
    rows = []
    for parameter in found.get_params(context):
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            record = parameter.get_help_record(context)
            if record is not None:
                names, text = record
                rows.append((f"`{names}`", text.strip()))
    options = "\n" + table(("Option", "What it does"), rows) if rows else ""
    return f"```text\nmemonotify {name} {usage}\n```\n{options}"


_TABLES: Mapping[str, Callable[..., str]] = {
    "config": config_keys,
    "rule-file": rule_keys,
    "rule-part": part_keys,
    "event-types": event_types,
    "addresses": addresses,
    "metrics": metrics,
    "command": command,
}


def filled(text: str) -> str:
    """Return a page with each generated region as it has to be."""

    def fill(found: re.Match[str]) -> str:
        name, _, argument = found["name"].partition(" ")
        made = _TABLES[name](argument) if argument else _TABLES[name]()
        return f"{found[1]}\n{made}\n{found[3]}"

    return _REGION.sub(fill, text)


def pages() -> list[Path]:
    """Return every page of the documentation, the README first."""
    return [FOLDER.parent / "README.md", *sorted(FOLDER.rglob("*.md"))]


def main() -> None:
    """Write every page that is behind, and say which."""
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            sys.stdout.write(f"wrote {page.relative_to(FOLDER.parent)}\n")


if __name__ == "__main__":
    main()
