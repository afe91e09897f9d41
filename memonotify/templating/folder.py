"""Template files that are looked at for themselves: those of the folder that no rule uses, and any file by its path.

Takes a `Templates` after the rules were compiled, gives CompileErrors, each with its file. `memonotify check` calls it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memonotify.errors import CompileError
from memonotify.templating.environment import Escape, Templates


def unused_faults(templates: Templates) -> Iterator[CompileError]:
    """Yield what is wrong in each template of the folder that nothing has read so far."""
    if templates.folder is not None:
        for name in templates.unread():
            yield from _faults(templates, name, templates.folder / name)


def file_faults(templates: Templates, path: Path) -> Iterator[CompileError]:
    """Yield what is wrong in the template file at `path`.

    In the configured folder its includes are found as a rule finds them; elsewhere they are looked for beside it.
    """
    whole, folder = path.resolve(), templates.folder
    if folder is not None and whole.is_relative_to(folder.resolve()):
        yield from _faults(templates, whole.relative_to(folder.resolve()).as_posix(), path)
    else:
        yield from _faults(templates.over(path.parent), path.name, path)


def _faults(templates: Templates, name: str, path: Path) -> Iterator[CompileError]:
    """Yield what is wrong in a file, unless some channel could use it: only Slack knows the filter `slack`."""
    first, *others = [Escape.HTML, Escape.NONE, Escape.SLACK] if ".html" in name else [Escape.NONE, Escape.SLACK]
    try:
        templates.file(name, first)
    except CompileError as error:
        for escape in others:
            try:
                templates.file(name, escape)
            except CompileError:
                continue
            return
        yield CompileError(error.message, line=error.line, file=error.file or str(path))
