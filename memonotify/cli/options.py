"""Options and loading that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from memonotify.errors import ConfigError, Problem

if TYPE_CHECKING:
    from memonotify.config.loader import LoadedConfig
    from memonotify.config.values import Config
    from memonotify.rules.loader import LoadedRules, RulesReading
    from memonotify.templating import Templates

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="The configuration. Default: config.yaml, then /etc/memonotify/config.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def example(*lines: str) -> str:
    """Return a command's epilog that shows how it is used."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A configuration, its templates and its rules."""

    config: LoadedConfig
    templates: Templates
    rules: LoadedRules


def load_config_only(path: Path | None, *, resolve: bool) -> LoadedConfig:
    """Load the configuration alone; `resolve=False` where the command needs no secret."""
    from memonotify.config.loader import find_config, load_config

    return load_config(find_config(path), environ=os.environ, resolve=resolve)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that was read, with all problems and notes; `loaded` is None where there is a problem.

    `config`, `templates` and `rules` are there as far as they could be read.
    """

    loaded: Loaded | None
    config: LoadedConfig | None
    templates: Templates | None
    rules: RulesReading | None
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def read_all(
    path: Path | None,
    *,
    resolve: bool,
    files: tuple[Path, ...] | None = None,
    more: tuple[Path, ...] = (),
    test_files: Callable[[Config], tuple[Path, ...]] = lambda _config: (),
) -> Reading:
    """Read configuration, templates and rules (`files` in place of the configuration's own), with every problem.

    `more` are read beside the configuration's own, and files of tests only where `test_files` names them.

    Raises:
        ConfigError: there is no configuration to read.
    """
    from memonotify.config.loader import find_config, read_config
    from memonotify.config.problems import in_order
    from memonotify.rules.loader import read_rules, rule_files
    from memonotify.templating import Templates

    read = read_config(find_config(path), environ=os.environ, resolve=resolve)
    if read.loaded is None:
        return Reading(loaded=None, config=None, templates=None, rules=None, problems=read.problems, notes=())
    config = read.loaded.config
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    if more:
        files = (*rule_files(config), *more)
    rules = read_rules(config, templates, files=files, test_files=test_files(config))
    loaded = None
    notes = rules.notes
    if rules.loaded is not None and not read.problems:
        loaded = Loaded(config=read.loaded, templates=templates, rules=rules.loaded)
        notes = rules.loaded.notes
    return Reading(
        loaded=loaded,
        config=read.loaded,
        templates=templates,
        rules=rules,
        problems=tuple(in_order([*read.problems, *rules.problems])),
        notes=(*read.loaded.notes, *notes),
    )


def load_all(
    path: Path | None,
    *,
    resolve: bool,
    files: tuple[Path, ...] | None = None,
    test_files: Callable[[Config], tuple[Path, ...]] = lambda _config: (),
) -> Loaded:
    """Load what `read_all` reads.

    Raises:
        ConfigError: with every problem of all of it at once.
    """
    reading = read_all(path, resolve=resolve, files=files, test_files=test_files)
    if reading.loaded is None:
        raise ConfigError(reading.problems)
    return reading.loaded


class Moment(click.ParamType[datetime]):
    """A moment: `30m`, `2h` or `7d` ago, or an ISO 8601 date or date and time."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from memonotify.config.durations import parse_duration

        if isinstance(value, datetime):
            return value
        try:
            return datetime.now(UTC) - timedelta(seconds=parse_duration(value))
        except ValueError:
            pass
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is neither a duration such as 30m, 2h or 7d nor a date such as 2026-03-02.", param, ctx
            )
        return at if at.tzinfo is not None else at.astimezone()
