"""Structured logs on stderr: one JSON object a line, with a stable `event` word and fields; text on a terminal.

`configure` is called once by the command. Everybody else asks `logger()`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, cast

import structlog

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def configure(level: str = "info", form: Literal["auto", "json", "text"] = "auto") -> None:
    """Send logs of at least `level` to stderr, as JSON lines or, on a terminal, as coloured text."""
    text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor
    if text:
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    exceptions: list[structlog.types.Processor] = (
        []
        if text
        else [structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *exceptions,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LibraryText("%(levelname)s %(name)s: %(message)s") if text else _LibraryLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


class _LibraryLines(logging.Formatter):
    """A library's record as one JSON line. Of an exception only type and place are told: its text may hold an address
    with credentials."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, str] = {
            "event": "library",
            "logger": record.name,
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info is not None and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["at"] = _place(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


class _LibraryText(logging.Formatter):
    """A library's record as text; of an exception, here too, only type and place are told."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - the standard library's name
        return f"{ei[0].__name__ if ei[0] is not None else ''} at {_place(ei[2])}"


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def place_of(error: BaseException) -> str:
    """Return where it was raised, as `file:line`; "" where it never was."""
    return _place(error.__traceback__)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger())
