"""What `memonotify check` found, written for a person, for GitHub or for a program.

In: a Checked. Out: lines for stdout and lines for stderr. Only the JSON is all that there is on its stdout; the other
two end with a count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memonotify.cli.checking import Checked
from memonotify.config.problems import format_problems
from memonotify.errors import Problem

TITLE: Final = "memonotify check"
"""What stands over an annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The two texts, without the line end after the last line; either may be empty."""

    out: str = ""
    err: str = ""


def as_text(checked: Checked, *, strict: bool) -> Written:
    """Return notes for stdout and problems for stderr, each a line; the count stands below what decides."""
    out = [*checked.said, *([format_problems(checked.notes)] if checked.notes else [])]
    summary = _summary(checked, strict=strict)
    if not checked.fails(strict=strict):
        return Written(out="\n".join([*out, summary]))
    err = [format_problems(checked.problems)] if checked.problems else []
    return Written(out="\n".join(out), err="\n".join([*err, summary]))


def as_json(checked: Checked) -> Written:
    """Return one array of objects, problems before notes."""
    rows = [_row(found) for found in (*checked.problems, *checked.notes)]
    return Written(out=json.dumps(rows, ensure_ascii=False, indent=2))


def as_workflow_commands(checked: Checked, environ: Mapping[str, str], *, strict: bool) -> Written:
    """Return GitHub's workflow commands: it shows each at its line of a pull request.

    `environ` names the root of the checkout (`GITHUB_WORKSPACE`), which the files are relative to. A note is a warning,
    or an error where notes fail.
    """
    root = environ.get("GITHUB_WORKSPACE", "")
    doubtful = "error" if strict else "warning"
    lines = [_command("error", problem, root) for problem in checked.problems]
    lines += [_command(doubtful, note, root) for note in checked.notes]
    return Written(out="\n".join([*lines, *checked.said, _summary(checked, strict=strict)]))


def _row(found: Problem) -> dict[str, object]:
    return {
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "severity": found.severity,
        "message": found.message,
        "hint": found.hint,
        "field": found.field,
    }


def _command(name: str, found: Problem, root: str) -> str:
    properties = {"file": _within(found.file, root), "line": found.line, "col": found.column, "title": TITLE}
    told = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    message = f"{found.message} ({found.hint})" if found.hint else found.message
    return f"::{name} {told}::{_data(message)}"


def _within(file: str, root: str) -> str:
    """Return a file as the checkout names it; as it is where it lies elsewhere, or nothing says where that is."""
    whole = Path(file).absolute()
    return whole.relative_to(root).as_posix() if root and whole.is_relative_to(root) else file


def _data(text: str) -> str:
    # GitHub's runner decodes these three in a message, and two more in a property (actions/toolkit, command.ts).
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _summary(checked: Checked, *, strict: bool) -> str:
    told = f"{_count(checked.problems, 'problem')}, {_count(checked.notes, 'note')}"
    if checked.problems:
        return told
    if checked.fails(strict=strict):
        return f"{told}: with --strict a note fails as a problem does"
    return f"{told}, {_count(checked.rules, 'rule')}"


def _count(things: Iterable[object], word: str) -> str:
    number = len(list(things))
    return f"{number} {word}{'' if number == 1 else 's'}"
