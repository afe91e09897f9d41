"""`config.yaml` in, a frozen Config out, or every problem of it at once. Called by all commands and by the daemon.

The shape is checked first, by the schema; the meaning is checked for everything that the schema has not refused, so a
mistake in one channel hides none in another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memonotify.config import checks, sections
from memonotify.config.channels import read_channels
from memonotify.config.fields import Fields, Source
from memonotify.config.hours import read_hours
from memonotify.config.problems import in_order
from memonotify.config.references import References
from memonotify.config.schema import config_schema, shape_faults
from memonotify.config.values import Config
from memonotify.errors import ConfigError, Problem
from memonotify.yamlsource import MAX_BYTES, Document, read

SEARCHED: Final = (Path("config.yaml"), Path("/etc/memonotify/config.yaml"))
"""Where a configuration is looked for, in this order."""

_TOP_LEVEL_KEY: Final = re.compile(r"""^["']?(\w+)["']?\s*:""", re.MULTILINE)

_STORE: Final = "sqlite:///var/memonotify.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedConfig:
    """A configuration that is right, the file it comes from, and what is doubtful in it."""

    config: Config
    document: Document
    notes: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReading:
    """A configuration as far as it can be read, with all its problems.

    `loaded` is None where the file is no mapping at all. With problems, values that are wrong have their defaults:
    enough to hold the rules against it and tell their problems as well, never to run with.
    """

    loaded: LoadedConfig | None
    problems: tuple[Problem, ...]


def find_config(explicit: Path | None) -> Path:
    """Return the configuration's path: the one given, or the first of `SEARCHED` that exists.

    Raises:
        ConfigError: none was given and none exists.
    """
    if explicit is not None:
        return explicit
    for path in SEARCHED:
        try:
            if path.exists():
                return path
        except PermissionError:
            # It is there for somebody else; reading it says so.
            return path
    message = f"there is no {SEARCHED[0]} here and no {SEARCHED[1]}"
    hint = "--config PATH names another; memonotify init DIR writes one"
    raise ConfigError([Problem(file=str(SEARCHED[0]), line=1, column=1, message=message, hint=hint)])


def is_configuration(path: Path) -> bool:
    """Tell a configuration from a rule file by its top-level keys, also where it is no right YAML."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return False
    keys = set(_TOP_LEVEL_KEY.findall(text))
    if "rules" in keys:
        return not keys.isdisjoint(("workspaces", "channels"))
    return not keys.isdisjoint(config_schema()["properties"])


def load_config(path: Path, *, environ: Mapping[str, str], resolve: bool = True) -> LoadedConfig:
    """Load a configuration.

    `environ` is what `${env:X}` reads. With `resolve` false, references that lead nowhere stay as written and their
    values unchecked, for commands that need no secret.

    Raises:
        ConfigError: with every problem of the file.
    """
    reading = read_config(path, environ=environ, resolve=resolve)
    if reading.problems or reading.loaded is None:
        raise ConfigError(reading.problems)
    return reading.loaded


def read_config(
    path: Path, *, environ: Mapping[str, str], resolve: bool = True, rules_may_be_gone: bool = False
) -> ConfigReading:
    """Read a configuration as `load_config` does, but hand back what there is beside its problems. Never raises.

    That no rule file is there is a problem, unless `rules_may_be_gone`: then there may be earlier versions of them.
    """
    document, problems = read(path, str(path))
    if document is None:
        return ConfigReading(loaded=None, problems=tuple(problems))
    faults = shape_faults(document, "config")
    problems += [problem for _, problem in faults]
    if not isinstance(document.data, dict):
        return ConfigReading(loaded=None, problems=tuple(in_order(problems)))
    whole = path.absolute()
    source = Source(
        document=document,
        references=References(folder=whole.parent, environ=environ, must_resolve=resolve),
        unusable=document.spoiled.union(path for path, _ in faults),
        problems=problems,
    )
    config = _config(Fields(source, (), document.data), whole, rules_may_be_gone=rules_may_be_gone)
    loaded = LoadedConfig(config=config, document=document, notes=tuple(in_order(source.notes)))
    return ConfigReading(loaded=loaded, problems=tuple(in_order(source.problems)))


def _config(fields: Fields, path: Path, *, rules_may_be_gone: bool) -> Config:
    folder = path.parent
    channels = read_channels(fields.child("channels"), folder)
    server = sections.read_server(fields.child("server"), folder)
    timezone = fields.text("timezone", checks.timezone, "Europe/Paris")
    return Config(
        path=path,
        server=server,
        admin=sections.read_admin(fields.child("admin"), folder, server),
        store=fields.text("store", lambda text: checks.store_url(text, folder), checks.store_url(_STORE, folder)),
        workspaces=sections.read_workspaces(fields),
        locale=fields.text("locale", checks.locale, "fr_FR"),
        timezone=timezone,
        channels=channels,
        retry=sections.read_retry(fields.child("retry")),
        on_failure=sections.read_on_failure(
            fields.child("on_failure"), channels, fields.child("channels").written_names()
        ),
        rules=sections.read_rules(fields, folder, may_be_gone=rules_may_be_gone),
        templates=folder / fields.text("templates", checks.printable, "templates"),
        watch=fields.flag("watch"),
        retention_s=sections.read_retention(fields),
        hours=read_hours(fields.child("hours"), timezone),
        resource_types=sections.read_resource_types(fields.child("resource_types")),
    )
