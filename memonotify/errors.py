"""Every error memonotify raises on purpose, and the closed set of reasons why something outside failed.

    MemonotifyError
    ├── ConfigError            the configuration or the rules are wrong; carries every Problem (exit status 2)
    ├── StoreError
    │   ├── StoreUnavailable   it cannot be written now (disk full, database away): come again
    │   ├── StoreInUse         another daemon has the store open
    │   └── StoreUnusable      it cannot be used at all (corrupt, newer than this version, not writable)
    ├── CompileError           a template or an expression cannot be compiled; carries its line
    ├── RenderError            a template or an expression failed while running
    ├── CallError              something outside failed, for a Reason
    │   ├── FetchError         the bank's API
    │   └── SendError          a channel's receiver
    ├── ListenError            an address to listen on cannot be had
    ├── ControlError           the running daemon refused or did not answer a command
    │   └── NotFound           what was asked for by its name is not there
    └── StandInError           the local stand-in of the bank could not do what was asked

Library errors are translated where the library is called, nowhere else. "No rule matched", "duplicate" and "field
missing" are values, not errors. What an error says never holds a secret, a header or a signed URL.
This module imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Reason(StrEnum):
    """Why a call to the outside failed; also the label of metrics and what lists show. The set is closed."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    DEFERRED = "deferred"
    CONFLICT = "conflict"
    TOO_EARLY = "too_early"
    AUTH = "auth"
    REJECTED = "rejected"
    REDIRECTED = "redirected"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    INVALID_RESPONSE = "invalid_response"
    TEMPLATE = "template"
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


RETRIED: frozenset[Reason] = frozenset(
    {
        Reason.TIMEOUT,
        Reason.UNREACHABLE,
        Reason.TLS,
        Reason.RATE_LIMITED,
        Reason.SERVER_ERROR,
        Reason.DEFERRED,
        Reason.CONFLICT,
        Reason.TOO_EARLY,
        Reason.INTERNAL,
    }
)
"""The one table of what is tried again. Everything else is permanent: it would fail the same way."""

_BY_STATUS: dict[int, Reason] = {
    401: Reason.AUTH,
    403: Reason.AUTH,
    404: Reason.NOT_FOUND,
    408: Reason.TIMEOUT,
    409: Reason.CONFLICT,
    410: Reason.NOT_FOUND,
    413: Reason.TOO_LARGE,
    425: Reason.TOO_EARLY,
    429: Reason.RATE_LIMITED,
}


def reason_of_status(status: int) -> Reason:
    """Return the Reason of an HTTP status that is not a success (RFC 9110 §15); 3xx is refused, never followed."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Reason.SERVER_ERROR
    if 300 <= status < 400:
        return Reason.REDIRECTED
    if 400 <= status < 500:
        return Reason.REJECTED
    return Reason.INVALID_RESPONSE


Severity = Literal["error", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong (or, as a note, doubtful) in a file, with the place it stands at.

    `line` and `column` count from 1. `field` is the path of the value, such as `channels.erp.url`.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    field: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class MemonotifyError(Exception):
    """The root of all errors of this package."""


class ConfigError(MemonotifyError):
    """The configuration or the rules are wrong. Holds every problem found, in the order of files and lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StoreError(MemonotifyError):
    """The store failed."""


class StoreUnavailable(StoreError):  # noqa: N818 - the word of the design; it is a state, not a mistake
    """The store cannot be written now; the same call may work later."""


class StoreInUse(StoreError):  # noqa: N818
    """Another process has the store open for writing."""


class StoreUnusable(StoreError):  # noqa: N818
    """The store cannot be used until somebody repairs or moves it."""


class CompileError(MemonotifyError):
    """A template or an expression cannot be compiled.

    `line` counts from 1 within the source that was compiled; `file` is the template's file where it came from one.
    """

    def __init__(self, message: str, *, line: int = 1, file: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.file = file


class RenderError(MemonotifyError):
    """A template or an expression failed while running. Its text names the template and what was missing.

    `reason` is the text without the place. The place: `path` leads to the field within the message, `line` (from 1) is
    within its source, or within the template `file`, and `word` is what of the source it is about, where that is known.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        path: tuple[str | int, ...] = (),
        line: int = 1,
        file: str = "",
        word: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or message
        self.path = path
        self.line = line
        self.file = file
        self.word = word

    def within(self, name: str, path: tuple[str | int, ...]) -> RenderError:
        """Return the same error as one of the field at `path`, by the name that stands before the text."""
        return RenderError(
            f"{name}: {self}", reason=self.reason, path=path, line=self.line, file=self.file, word=self.word
        )


class CallError(MemonotifyError):
    """A call to the outside failed.

    `reason` decides whether it is tried again, `status` is the HTTP status or SMTP code where one was read, and
    `retry_after_s` is the receiver's own wish in seconds, a floor for the next wait.
    """

    def __init__(
        self, reason: Reason, detail: str = "", *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def is_retried(self) -> bool:
        """Whether the table says to try again."""
        return self.reason in RETRIED


class FetchError(CallError):
    """The bank's API did not answer with the resource."""


class SendError(CallError):
    """A channel's receiver did not take the message."""


class ListenError(MemonotifyError):
    """A server cannot listen where the configuration says; names the address and what to do."""


class ControlError(MemonotifyError):
    """The running daemon refused a command or did not answer it."""


class NotFound(ControlError):  # noqa: N818 - the word that a person reads
    """What was asked for by its name is not there; says what is, where something is near."""


class StandInError(MemonotifyError):
    """The local stand-in of the bank could not do what was asked."""
