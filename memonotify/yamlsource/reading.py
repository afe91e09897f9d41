"""A file or a text in, a Document and all its problems out. Called by the loaders of configuration and rules."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from memonotify.errors import Problem
from memonotify.yamlsource import faults
from memonotify.yamlsource.builder import Builder, Words
from memonotify.yamlsource.document import Document

MAX_BYTES: Final = 1024 * 1024


def parse(text: str, file: str, words: Words | None = None) -> tuple[Document | None, list[Problem]]:
    """Parse YAML text; `file` is the name that problems carry, `words` knows plain words that are text.

    The document is None only where the text is no YAML at all or beyond the caps. With other problems it is there as
    well, so that what else is wrong in it can be told at the same time. Never raises.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        return None, [_whole(file, f"larger than {MAX_BYTES // 1024} KiB")]
    unprintable = faults.unprintable(text, file)
    if unprintable:
        return None, unprintable
    builder = Builder(text, file, words)
    document = builder.build()
    return document, sorted(builder.problems, key=lambda problem: (problem.line, problem.column))


def read(path: Path, shown: str, words: Words | None = None) -> tuple[Document | None, list[Problem]]:
    """Read and parse a file; `shown` is the name that problems carry. A file that cannot be read is a problem."""
    text, problems = read_text(path, shown)
    return (None, problems) if text is None else parse(text, shown, words)


def read_text(path: Path, shown: str) -> tuple[str | None, list[Problem]]:
    """Return a file's text as `parse` takes it, or None and why it cannot be read."""
    try:
        # A pipe or a device would block or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            return None, [_whole(shown, "not a file")]
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None, [_whole(shown, "there is no such file")]
    except (OSError, ValueError) as error:
        return None, [_whole(shown, f"cannot be read: {getattr(error, 'strerror', None) or 'not a path'}")]
    if len(raw) > MAX_BYTES:
        return None, [_whole(shown, f"larger than {MAX_BYTES // 1024} KiB")]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8")) + 1
        problem = Problem(
            file=shown,
            line=line,
            column=column,
            message=f"the byte 0x{raw[error.start]:02X} is not UTF-8",
            hint="save the file as UTF-8",
        )
        return None, [problem]
    return text, []


def _whole(file: str, sentence: str) -> Problem:
    return Problem(file=file, line=1, column=1, message=sentence)
