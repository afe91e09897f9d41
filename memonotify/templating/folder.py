"""Template files that are looked at for themselves: those of the folder that no rule uses, and any file by its path.

Takes a `Templates` after the rules were compiled, gives what is wrong as CompileErrors, each with its file, and what is
doubtful as UnescapedIn. `memonotify check` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memonotify.errors import CompileError
from memonotify.templating.environment import Escape, Templates
from memonotify.templating.unescaped import LetThrough


@dataclass(frozen=True, slots=True)
class UnescapedIn:
    """A value that the template at `file` lets into HTML as it is."""

    file: str
    through: LetThrough


def unused_faults(templates: Templates) -> Iterator[CompileError | UnescapedIn]:
    """Yield what is wrong or doubtful in each template of the folder that nothing has read so far."""
    if templates.folder is not None:
        for name in templates.unread():
            yield from _faults(templates, name, templates.folder / name)


def file_faults(templates: Templates, path: Path) -> Iterator[CompileError | UnescapedIn]:
    """Yield what is wrong or doubtful in the template file at `path`.

    In the configured folder its includes are found as a rule finds them; elsewhere they are looked for beside it.
    """
    whole, folder = path.resolve(), templates.folder
    if folder is not None and whole.is_relative_to(folder.resolve()):
        yield from _faults(templates, whole.relative_to(folder.resolve()).as_posix(), path)
    else:
        yield from _faults(templates.over(path.parent), path.name, path)


def _faults(templates: Templates, name: str, path: Path) -> Iterator[CompileError | UnescapedIn]:
    """Yield what is wrong in a file, unless some channel could use it: only Slack knows the filter `slack`."""
    first, *others = [Escape.HTML, Escape.NONE, Escape.SLACK] if ".html" in name else [Escape.NONE, Escape.SLACK]
    try:
        text = templates.file(name, first)
    except CompileError as error:
        for escape in others:
            try:
                templates.file(name, escape)
            except CompileError:
                continue
            return
        yield CompileError(error.message, line=error.line, file=error.file or str(path))
    else:
        if first is Escape.HTML:
            for through, place in text.analysis.unescaped:
                yield UnescapedIn(place.file or str(path), through)
