"""`${env:X}`, `${file:path}` and `${credential:name}` in a text: read, or said why they cannot be.

Made by `config.loader` for one configuration. What is read never appears in a sentence; names and paths do.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memonotify.config.suggest import did_you_mean

MAX_BYTES: Final = 64 * 1024
"""The size of the largest file that a reference reads; a key or a token is far smaller."""

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_KINDS: Final = ("env", "file", "credential")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL: Final = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,255}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A text with its references read. Where one could not be, `is_known` is false and `text` is as `written`."""

    text: str
    written: str
    is_known: bool = True

    def masked(self, sentence: str) -> str:
        """Return a sentence in which what was read is the reference again: it may be a secret in the wrong place."""
        return sentence if self.text == self.written else sentence.replace(self.text[:80], self.written)


class UnresolvedError(ValueError):
    """A reference that is ill-formed or leads nowhere. `args[0]` is the sentence, `hint` what to do.

    `is_absent` tells that what it names is not there, as opposed to a reference that is written wrongly.
    """

    def __init__(self, sentence: str, hint: str = "", *, is_absent: bool = False) -> None:
        super().__init__(sentence)
        self.hint = hint
        self.is_absent = is_absent


class References:
    """Reads references. `folder` is what relative paths start from; `must_resolve` false lets absent ones be."""

    def __init__(self, *, folder: Path, environ: Mapping[str, str], must_resolve: bool) -> None:
        self._folder = folder
        self._environ = environ
        self.must_resolve = must_resolve

    def resolve(self, text: str) -> Resolved:
        """Return the text with every reference replaced by what it names; `$${` stands for a plain `${`.

        Raises:
            UnresolvedError: a reference is ill-formed, or (where they must resolve) leads nowhere.
        """
        if "${" not in text:
            return Resolved(text, text)
        try:
            return Resolved(_REFERENCE.sub(self._replacement, text), text)
        except UnresolvedError as error:
            if error.is_absent and not self.must_resolve:
                return Resolved(text, text, is_known=False)
            raise

    def _replacement(self, found: re.Match[str]) -> str:
        if found[0] == "$${":
            return "${"
        if found[1] is None:
            raise UnresolvedError("a `${` is not closed", "write `$${` for a plain `${`")
        kind, colon, name = found[1].partition(":")
        if not colon or kind not in _KINDS:
            raise UnresolvedError(*_unknown_kind(found[1], kind, has_colon=bool(colon)))
        if kind == "env":
            return self._variable(name)
        return self._file(name) if kind == "file" else self._credential(name)

    def _variable(self, name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            raise UnresolvedError(f"`{name}` is no name of an environment variable", "letters, digits and `_`")
        if name not in self._environ:
            raise UnresolvedError(f"the environment variable {name} is not set", is_absent=True)
        value = self._environ[name]
        if not value:
            raise UnresolvedError(f"the environment variable {name} is empty", is_absent=True)
        if "\0" in value or not _is_unicode(value):
            raise UnresolvedError(f"the environment variable {name} is not UTF-8 text", is_absent=True)
        return value

    def _file(self, name: str) -> str:
        if not name:
            raise UnresolvedError("a `${file:…}` needs a path")
        return _read(self._folder / name, f"the file {name}")

    def _credential(self, name: str) -> str:
        if not _CREDENTIAL.fullmatch(name):
            raise UnresolvedError(f"`{name}` is no name of a credential", "letters, digits, `.`, `_` and `-`")
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise UnresolvedError(
                f"the credential {name} is not there: $CREDENTIALS_DIRECTORY is not set",
                f"systemd sets it where the unit has LoadCredential={name}:PATH",
                is_absent=True,
            )
        return _read(Path(folder) / name, f"the credential {name}")


def _unknown_kind(whole: str, kind: str, *, has_colon: bool) -> tuple[str, str]:
    if not has_colon and _VARIABLE.fullmatch(whole):
        return f"`${{{whole}}}` does not say where to look", f"did you mean `${{env:{whole}}}`?"
    hint = did_you_mean(kind, _KINDS) or "known are `${env:NAME}`, `${file:PATH}` and `${credential:NAME}`"
    return f"`{kind}` is no kind of reference", hint


def _read(path: Path, name: str) -> str:
    try:
        # A pipe or a device would block or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnresolvedError(f"{name} is not a file", is_absent=True)
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UnresolvedError(f"{name} is not there", is_absent=True) from None
    except PermissionError:
        raise UnresolvedError(
            f"{name} may not be read", "give its owner's rights to this user", is_absent=True
        ) from None
    except OSError as error:
        raise UnresolvedError(f"{name} cannot be read: {error.strerror}", is_absent=True) from None
    if len(raw) > MAX_BYTES:
        raise UnresolvedError(f"{name} is larger than {MAX_BYTES // 1024} KiB", is_absent=True)
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnresolvedError(f"{name} is not UTF-8 text", is_absent=True) from None
    if not text:
        raise UnresolvedError(f"{name} is empty", is_absent=True)
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
