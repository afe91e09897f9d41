"""What tells whether files have changed, and which folders have to be watched to hear of it at once.

In: paths. Out: a stamp for each, equal as long as the file is the same, also where symbolic links lead to it; and the
folders in which a change can happen. Called in a thread by the watcher and the reloader.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from glob import glob, has_magic
from pathlib import Path
from typing import Final, TypeAlias

from memonotify.config.values import Config

Stamp: TypeAlias = tuple[int, ...] | None
Stamps: TypeAlias = Mapping[Path, Stamp]

_MOST_LINKS: Final = 40


def stamps_of(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """Return a stamp for each path: what the file system says of the file it leads to, None where there is none."""
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    # The change time as well: rights that are taken or given change nothing else.
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)


def folders_of(config: Config, files: Iterable[Path]) -> dict[Path, Stamp]:
    """Return the folders to watch, each with what tells it from another of the same name.

    They are those in which a rule file may appear, those that hold the files, and those that hold a symbolic link on
    the way to them: where `rules` is a link, or `..data` beside the files is one, the link is what changes.
    """
    places: set[Path] = set()
    for path in (*_search_folders(config), *files):
        places.update(_places(path))
    return {place: identity for place in places if (identity := _identity(place)) is not None}


def _search_folders(config: Config) -> Iterator[Path]:
    """Yield, for each pattern of `rules:`, a path inside every folder that it looks into."""
    root = config.path.parent
    for pattern in config.rules:
        head, _ = os.path.split(pattern)
        while has_magic(head):
            # Folders that the pattern finds now, and on the way up those in which more may appear.
            yield from (root / name / "*" for name in glob(os.path.join(head, ""), root_dir=root, recursive=True))  # noqa: PTH118, PTH207 - a pattern, not a path
            head, _ = os.path.split(head)
        yield root / head / "*"


def _places(path: Path) -> Iterator[Path]:
    """Yield the folder of a file and of every link on the way to it; of what is not there, the nearest that is."""
    parts = list(reversed(path.parts))
    at = Path(parts.pop())
    links = 0
    while parts:
        step = at / parts.pop()
        try:
            target = step.readlink()
        except (OSError, ValueError):
            if parts and not step.is_dir():
                yield at
                return
            if not parts:
                yield at
            at = step
            continue
        yield at
        links += 1
        if links > _MOST_LINKS:
            return
        if target.is_absolute():
            at = Path(target.anchor)
            target = target.relative_to(target.anchor)
        parts += reversed(target.parts)


def _identity(folder: Path) -> Stamp:
    try:
        found = folder.stat()
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino)
