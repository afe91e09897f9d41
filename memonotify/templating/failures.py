"""Says in one sentence why a template cannot be compiled or failed while running.

Takes Jinja's and Python's exceptions, gives CompileError and RenderError; `compiled` and `environment` call it. A
sentence names the field by its whole path where it can, and never holds a traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import InvalidOperation
from types import TracebackType
from typing import Any

from jinja2 import TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError
from jinja2.utils import missing

from memonotify.errors import CompileError, RenderError
from memonotify.templating.sandbox import MissingError

_COMPILE_HINTS = (
    (re.compile(r"unexpected char '&'"), "write `and`"),
    (re.compile(r"got '\|'"), "write `or`"),
    (re.compile(r"unexpected char '!'|got '!'"), "write `not`"),
    (re.compile(r"got '='"), "two values are compared with `==`"),
    (re.compile(r"unexpected char '\?'"), "write `a if condition else b`"),
)


def with_hint(message: str) -> str:
    """Return a syntax error's message with what to write instead, where it looks like another language's operator."""
    hint = next((hint for pattern, hint in _COMPILE_HINTS if pattern.search(message)), "")
    return f"{message} ({hint})" if hint else message


def compile_failure(error: Exception, source: str) -> CompileError:
    """Return the CompileError of whatever compiling raised."""
    if isinstance(error, CompileError):
        return error
    if isinstance(error, TemplateSyntaxError):
        message = _sentence(error.message or "cannot be understood")
        # Jinja puts words in angle brackets where it has no file.
        file = "" if (error.filename or "<").startswith("<") else str(error.filename)
        line = error.lineno if file else min(error.lineno, source.count("\n") + 1)
        return CompileError(with_hint(message), line=line, file=file)
    if isinstance(error, RecursionError):
        return CompileError("it is nested too deeply")
    return CompileError(f"it cannot be compiled: {_sentence(str(error)) or type(error).__name__}")


def render_failure(error: Exception, context: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> RenderError:
    """Return the RenderError of whatever rendering raised; `paths` are what the template reads."""
    reason = _reason(error, context, paths)
    name, file, line = _place(error.__traceback__)
    place = f"{name}:{line}" if name else (f"line {line}" if line > 1 else "")
    word = str(error.name) if isinstance(error, MissingError) else ""
    return RenderError(f"{place}: {reason}" if place else reason, reason=reason, line=line, file=file, word=word)


def _reason(error: Exception, context: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> str:
    if isinstance(error, MissingError):
        return _missing(error, context, paths)
    if isinstance(error, RenderError | SecurityError):
        return str(error)
    if isinstance(error, TemplateNotFound):
        return f"template file {error.name!r} is not there"
    if isinstance(error, ZeroDivisionError):
        return "division by zero"
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    if isinstance(error, InvalidOperation):
        return "a number cannot be calculated with"
    return _sentence(str(error)) or type(error).__name__


def _missing(error: MissingError, context: Mapping[str, Any], paths: Iterable[tuple[str, ...]]) -> str:
    if error.is_top_level:
        return f"`{error.name}` is not defined"
    for path in sorted(paths, key=lambda path: (len(path), path)):
        parent = _holder(path, error, context)
        if parent:
            why = f", for `{'.'.join(parent)}` is none" if error.obj is None else ""
            return f"`{'.'.join((*parent, str(error.name)))}` is missing{why}"
    why = ", for what it is read from is none" if error.obj is None else ""
    return f"`{error.name}` is missing{why}"


def _holder(path: tuple[str, ...], error: MissingError, context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the part of a path that leads to the value in which the field was looked for, or nothing."""
    value: Any = context.get(path[0], missing)
    for at, name in enumerate(path[1:], 1):
        if name == error.name and value is error.obj:
            return path[:at]
        if not isinstance(value, Mapping) or name not in value:
            return ()
        value = value[name]
    return ()


def _place(trace: TracebackType | None) -> tuple[str, str, int]:
    """Return where in a template the error arose, by the innermost template's frame: its name, its file, the line."""
    place = ("", "", 1)
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            line = template.get_corresponding_lineno(trace.tb_lineno)
            name = template.name or ""
            place = (name, str(template.filename or "") if name else "", line)
        trace = trace.tb_next
    return place


def _sentence(message: str) -> str:
    """Return a library's message on one line, as the rest of a sentence."""
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
