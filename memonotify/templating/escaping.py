"""How a value is written into a message: as it is, for HTML, for Slack's mrkdwn, or into an address.

Takes the value of one expression, gives the text that stands in its place. `sandbox` compiles calls to these
functions into templates. The rule's own text never passes here.

Slack decodes exactly three entities and reads control sequences between `<` and `>` (docs.slack.dev, "Formatting
message text"), so these three characters are all a value can do harm with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined
from markupsafe import Markup
from markupsafe import escape as escape_html

from memonotify.errors import RenderError
from memonotify.templating.jsondata import json_data, json_text


class Escape(Enum):
    """What is done to each expression's value: nothing, HTML's autoescape, Slack's three entities, or percent-encoding.

    The last keeps a value within one part of an address's path or one value of its query.
    """

    NONE = "none"
    HTML = "html"
    SLACK = "slack"
    PATH = "path"

    # Part of the key of each text that a load compiles; Enum's own hash is a call into Python.
    __hash__ = object.__hash__


_STRAY_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt);)")


def shown(value: Any) -> Any:
    """Return what stands for a value in text, not yet escaped: nothing for none, JSON for a mapping or a list.

    Raises:
        RenderError: the value has no text of its own (a function, a generator).
        MissingError: the value is missing.
    """
    kind = type(value)
    if kind is str or kind is Markup or kind is int:
        return value
    if value is None:
        return ""
    if isinstance(value, Undefined):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping | list | tuple):
        return json_text(value)
    if isinstance(value, Iterator):
        raise RenderError("this is a sequence of values, not a text: end it with `| join(', ')` or `| list`")
    if callable(value):
        raise RenderError("this is a function, not a text: are the parentheses of a call missing?")
    return value


def slack_text(value: Any) -> str:
    """Return a value as Slack text, with `&`, `<` and `>` escaped.

    What a macro or a block of the rule wrote is `Markup` and escaped already; only an ampersand that a filter cut out
    of its entity is escaped again.
    """
    if type(value) is not str:
        value = shown(value)
        if isinstance(value, Markup):
            return _STRAY_AMPERSAND.sub("&amp;", str(value))
        value = str(value)
    text: str = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def slack_markup(value: Any) -> Markup:
    """Return a value as Slack text that is not escaped again."""
    return Markup(slack_text(value))  # noqa: S704 - it was escaped for Slack the line before; HTML never sees it


def path_text(value: Any) -> str:
    """Return a value percent-encoded whole (RFC 3986 §2.1): it can add no part, query or fragment of its own.

    Raises:
        RenderError: the value is none, a mapping or a list, none of which means anything in an address.
    """
    if value is None or isinstance(value, Mapping | list | tuple):
        raise RenderError(f"{'none' if value is None else 'a mapping or a list'} cannot stand in a path")
    return quote(str(shown(value)), safe="", errors="replace")


def plain_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON text: the filter `tojson` outside of HTML."""
    return json.dumps(json_data(value), ensure_ascii=False, indent=indent)


ESCAPERS: Mapping[Escape, Callable[[str], str]] = {
    Escape.NONE: str,
    Escape.HTML: lambda text: str(escape_html(text)),
    Escape.SLACK: slack_text,
    Escape.PATH: path_text,
}
"""How a string is escaped that is a value of its own, within a structure."""
