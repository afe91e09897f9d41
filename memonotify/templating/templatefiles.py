"""Reads the user's template files.

Takes a name within the folder, gives its text; `environment` and Jinja's includes call it. Names stay inside the
folder; a file is UTF-8 and 1 MiB at most.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import BaseLoader, Environment, TemplateNotFound
from jinja2.loaders import split_template_path

from memonotify.errors import CompileError

SUFFIX = ".j2"
"""How a template file's name ends."""

MAX_FILE = 1024 * 1024
"""The largest template file, in bytes."""


class TemplateFiles(BaseLoader):
    """The folder of templates; None where there is none. Each file is read once and then stays as it was,
    also one that was not there. With `texts`, these by their names are all that there is, whatever the folder holds."""

    def __init__(self, folder: Path | None, texts: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._texts = texts
        self._read: dict[str, str | CompileError] = {}

    @property
    def asked(self) -> dict[str, bool]:
        """Every name that was asked for, and whether there was a text for it."""
        return {name: isinstance(found, str) for name, found in self._read.items()}

    def source(self, name: str) -> str:
        """Return a file's text.

        Raises:
            CompileError: there is no such file, or it cannot be read as text.
        """
        if name not in self._read:
            try:
                self._read[name] = self._load(name)
            except CompileError as error:
                self._read[name] = error
        found = self._read[name]
        if isinstance(found, CompileError):
            raise CompileError(found.message, line=found.line, file=found.file)
        return found

    def path(self, name: str) -> Path:
        """Return where a template of this name is looked for; raises CompileError where that is outside the folder."""
        if self.folder is None:
            raise CompileError(f"template file {name!r}: no folder of templates is configured")
        try:
            return self.folder.joinpath(*split_template_path(name))
        except TemplateNotFound:
            raise CompileError(f"template file {name!r} is outside of the folder {self.folder}") from None

    def unread(self) -> list[str]:
        """Return the names of the template files in the folder whose text nobody has asked for, sorted."""
        return [name for name in self._names() if name not in self._read]

    def _names(self) -> list[str]:
        folder = self.folder
        if folder is None or not folder.is_dir():
            return []
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}"))

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:  # noqa: ARG002
        """Answer Jinja's own question for a file that another one includes."""
        try:
            return self.source(template), str(self.path(template)), lambda: True
        except CompileError as error:
            raise TemplateNotFound(template, error.message) from error

    def _load(self, name: str) -> str:
        path = self.path(name)
        if self._texts is not None:
            if name not in self._texts:
                raise CompileError(f"there is no template file {path}")
            return self._texts[name]
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            raise CompileError(f"there is no template file {path}{self._suggestion(name)}") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no valid name"
            raise CompileError(f"template file {path} cannot be read: {reason}") from None
        if len(raw) > MAX_FILE:
            raise CompileError(f"template file {path} is larger than 1 MiB")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise CompileError("the file is not UTF-8", line=line, file=str(path)) from None

    def _suggestion(self, name: str) -> str:
        folder = self.folder
        if folder is None or not folder.is_dir():
            return f": the folder {folder} does not exist"
        close = difflib.get_close_matches(name, self._names(), 1)
        return f" (did you mean {close[0]!r}?)" if close else ""
