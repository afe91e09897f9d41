"""Where a message goes, as far as its rule writes it out: an entry's data and its channel in, problems out.

What an expression puts in is known only when it is rendered: an address with one is left alone. `entries` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from memonotify.config import checks
from memonotify.config.fields import named
from memonotify.config.values import ChannelConfig, EmailConfig, HttpConfig
from memonotify.errors import Problem
from memonotify.rules.lookups import MARKUP
from memonotify.templating.plainform import one_line
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

_MARKS: Final = ("{{", "{%", "{#")


def addressing_problems(
    document: Document, path: DataPath, data: Mapping[str, Any], channel: ChannelConfig
) -> list[Problem]:
    """Return a problem for each part of the entry at `path` with which its message can reach nobody."""
    if isinstance(channel, EmailConfig):
        return list(_of_mail(document, path, data, channel))
    if isinstance(channel, HttpConfig):
        return list(_of_http(document, path, data))
    return []


def _of_mail(document: Document, path: DataPath, data: Mapping[str, Any], channel: EmailConfig) -> Iterator[Problem]:
    if data.get("to") == []:
        hint = "name somebody, or remove it: then the channel's recipients hold"
        yield document.problem((*path, "to"), "`to` is an empty list", hint=hint)
    elif not any((data.get("to"), data.get("cc"), channel.to, channel.cc)):
        message = f"the mail has no recipient: neither the entry nor channel `{channel.name}` has `to`"
        yield document.problem(path, message, hint="name them here or at the channel")
    for name in ("to", "cc", "reply_to"):
        for step, text in _texts(name, data.get(name)):
            yield from _checked(document, path, step, text, checks.mail_address)


def _of_http(document: Document, path: DataPath, data: Mapping[str, Any]) -> Iterator[Problem]:
    written = data.get("path")
    if isinstance(written, str):
        # Whatever an expression brings, it changes nothing of the parts that stand around it.
        yield from _checked(document, path, ("path",), MARKUP.sub("x", written), checks.added_path)
    headers = data.get("headers")
    for name in headers if isinstance(headers, dict) else ():
        try:
            checks.header_name(name)
        except checks.Refusal as refusal:
            yield document.problem((*path, "headers", name), str(refusal), hint=refusal.hint, key=True)


def _texts(name: str, value: Any) -> Iterator[tuple[DataPath, str]]:
    """Yield each text that says something and holds no expression, with its path within the entry."""
    for at, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, str) and item and not any(mark in item for mark in _MARKS):
            yield ((name, at) if isinstance(value, list) else (name,)), item


def _checked(
    document: Document, path: DataPath, step: DataPath, text: str, check: Callable[[str], object]
) -> Iterator[Problem]:
    if document.is_spoiled((*path, *step)):
        return
    try:
        check(one_line(text))
    except checks.Refusal as refusal:
        yield document.problem((*path, *step), f"{named(step)}: {refusal}", hint=refusal.hint)
