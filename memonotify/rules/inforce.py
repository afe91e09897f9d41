"""Loads what is in force: a configuration and what was in force before in, the versions in force now out.

The start, each reload and the demo load through here; `check` and `test`, which know no earlier version, do not. It
reads files and compiles, which takes seconds where there are many rules, so the daemon calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from memonotify.config.values import Config
from memonotify.errors import CompileError
from memonotify.model import KeptFile
from memonotify.rules.choosing import choose
from memonotify.rules.collecting import uncollected
from memonotify.rules.faults import shown
from memonotify.rules.loader import read_one, rule_files, ruleset_of
from memonotify.rules.rulefile import parse_rules
from memonotify.rules.versions import NOTHING, FoundFile, InForce, Version
from memonotify.templating.environment import Templates
from memonotify.templating.templatefiles import TemplateFiles
from memonotify.yamlsource import read_text


def load(config: Config, last: InForce = NOTHING) -> InForce:
    """Read the configuration's rule files and templates, and choose what is in force of them and of `last`."""
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    with uncollected():
        in_force = choose([_found(path) for path in rule_files(config)], last, config, templates)
        templates.forget_texts()
        return in_force


def let_go(replaced: list[InForce]) -> None:
    """Take the last hold of what was in force off it, rule by rule, and empty the list that is handed in.

    All of them at once would hold up every thread until the last is gone.
    """
    rules = [rule for each in replaced for version in each.versions.values() for rule in version.rules]
    replaced.clear()
    while rules:
        rules.pop()


def restored(kept: Iterable[KeptFile], config: Config) -> InForce:
    """Compile the versions that the store has kept; one that the configuration of today does not allow is left out."""
    with uncollected():
        versions = [version for each in kept if (version := _version(each, config)) is not None]
    return InForce(
        versions={version.path: version for version in versions},
        are_tests_checked=False,
        ruleset=ruleset_of(rule for version in versions for rule in version.rules),
    )


def files_read(config: Config, in_force: InForce) -> frozenset[Path]:
    """Return every file that a load looks at, there or not: the configuration, rule files and templates."""
    found = {config.path, *rule_files(config)}
    templates = TemplateFiles(config.templates)
    for name in in_force.asked:
        try:
            found.add(templates.path(name))
        except CompileError:
            continue
    return frozenset(found)


def _found(path: Path) -> FoundFile:
    text, problems = read_text(path, shown(path))
    return FoundFile(path=path, text=text, problems=tuple(problems))


def _version(kept: KeptFile, config: Config) -> Version | None:
    path = Path(kept.path)
    document, problems = parse_rules(kept.text, path)
    if document is None or problems:
        return None
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone, texts=kept.templates)
    one = read_one(document, config, templates)
    if one.problems:
        return None
    templates.forget_texts()
    return Version(
        path=path,
        text=kept.text,
        templates=dict(kept.templates),
        rules=one.rules,
        declared=one.declared,
        has_tests=bool(document.data.get("tests")),
        notes=one.notes,
    )
