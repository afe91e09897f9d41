"""The messages of a rule's `notify` and `resolved`: one entry's fields compiled, rendered into a channel's payload.

Takes the fields as the rule writes them, gives a `Message`; its `render` gives JSON data in the shape that the channel
sends: email `{to?, cc?, reply_to?, subject, text, html?}`, slack `{text, blocks?}`, http `{json | body, path?,
headers?}`. The rules' loader compiles, the engine renders, adds to a mail the files that its `attach` names, and to
each message the `severity` of its rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from memonotify.config import checks
from memonotify.errors import CompileError, MemonotifyError, RenderError
from memonotify.templating import groupform
from memonotify.templating.compiled import FieldPath, Part, written
from memonotify.templating.environment import Escape, Place, Templates, Text, Value, Written
from memonotify.templating.escaping import slack_text
from memonotify.templating.facts import as_lines, event_facts, resource_facts
from memonotify.templating.htmltext import html_to_text
from memonotify.templating.jsondata import json_data
from memonotify.templating.plainform import NOTE_HEADER, annotate, one_line, plain_payload, test_payload, with_severity

__all__ = [
    "FIELDS",
    "NOTE_HEADER",
    "FieldError",
    "Message",
    "MessageProblems",
    "annotate",
    "compile_message",
    "plain_payload",
    "test_payload",
    "with_severity",
]

FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "email": frozenset({"to", "cc", "reply_to", "subject", "text", "html", "attach"}),
    "slack": frozenset({"text", "blocks"}),
    "http": frozenset({"json", "body", "path", "headers"}),
}
"""The fields that a message of each channel type has."""

_ADDRESSING: Final[Mapping[str, tuple[str, ...]]] = {
    "email": ("to", "cc", "reply_to"),
    "slack": (),
    "http": ("path", "headers"),
}

Rendered = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that cannot be compiled: the keys and indexes that lead to it within the entry, and why."""

    path: FieldPath
    error: CompileError


class MessageProblems(MemonotifyError):  # noqa: N818 - it holds errors, each with its field
    """Fields of a message that cannot be compiled: all of them, in `problems`."""

    def __init__(self, problems: Iterable[FieldError]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{written(each.path)}: {each.error}" for each in self.problems))


class Message:
    """One entry's message. `names` are what it takes from the context; `parts` are its expressions with their paths."""

    __slots__ = ("_description", "_fields", "_templates", "channel_type", "names", "parts", "rule")

    def __init__(
        self,
        channel_type: str,
        fields: Mapping[str, Text | Value],
        parts: Iterable[Part],
        templates: Templates,
        *,
        rule: str,
        description: str,
    ) -> None:
        self.channel_type = channel_type
        self.rule = rule
        self.parts = tuple(parts)
        self.names = frozenset[str]().union(*[part.names for _, part in self.parts])
        self._description = description
        self._fields = fields
        self._templates = templates

    @property
    def digest(self) -> str:
        """A digest of all its fields, and of all files they include."""
        shape = "".join(f"{name}\0{field.digest}\0" for name, field in sorted(self._fields.items()))
        return hashlib.sha256(f"{self.channel_type}\0{shape}".encode()).hexdigest()

    @property
    def places(self) -> Mapping[str, Place]:
        """Where each name stands first, its line within the field's own text."""
        return {name: place for _, part in reversed(self.parts) for name, place in part.places.items()}

    def render(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the payload: fresh JSON data.

        Raises:
            RenderError: a field failed; its name stands first, such as `subject` or `json.cents`.
        """
        fields = self._fields
        if groupform.is_many(context) and self.names.isdisjoint(groupform.NAMES):
            # Its own words are about one event, and would hide the others.
            fields = {name: fields[name] for name in _ADDRESSING[self.channel_type] if name in fields}
        rendered = {name: _rendered(name, field, context) for name, field in fields.items()}
        return _PAYLOADS[self.channel_type](self, rendered, context)

    def plain(self, context: Mapping[str, Any], *, error: str, rule: str = "") -> dict[str, Any]:
        """Return the plain form of this message, to the same recipients or address as far as those can be rendered."""
        workspace = str((context.get("workspace") or {}).get("name", ""))
        event = context.get("event") or {}
        payload = plain_payload(
            self.channel_type,
            event=event,
            rule=rule or self.rule,
            error=error,
            workspace=workspace,
            resource=context.get("resource"),
            facts=resource_facts(context.get("resource"), self._templates.filters.money),
        )
        for name in _ADDRESSING[self.channel_type]:
            field = self._fields.get(name)
            if field is None:
                continue
            try:
                payload.update(_addressing(name, _possible(name, _rendered(name, field, context))))
            except RenderError:
                # The channel's own recipients and address hold; the reason is told in `error` already.
                continue
        return payload

    def default_subject(self, context: Mapping[str, Any]) -> str:
        """Return the title of a message that has none: the rule and the type of the event, or how many events."""
        if groupform.is_many(context):
            return one_line(groupform.title(self.rule, context, self._templates.filters))
        event_type = str((context.get("event") or {}).get("event_type", "event"))
        return one_line(f"{self.rule}: {event_type}" if self.rule else event_type)

    def default_text(self, context: Mapping[str, Any]) -> str:
        """Return the text of a message that has none: the facts of the event, and of the resource if there is one; of
        many events a line each."""
        if groupform.is_many(context):
            return groupform.text(self.rule, self._description, context, self._templates.filters)
        workspace = str((context.get("workspace") or {}).get("name", ""))
        resource = resource_facts(context.get("resource"), self._templates.filters.money)
        parts = [
            self.default_subject(context),
            self._description.strip(),
            as_lines(event_facts(context.get("event") or {}, workspace)),
            as_lines(resource),
        ]
        return "\n\n".join(part for part in parts if part)

    def default_json(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body of an HTTP message that has none: rule, workspace, event, and the resource if any; or all
        events with their resources."""
        if groupform.is_many(context):
            return groupform.data(self.rule, context)
        facts = {"rule": self.rule, **{name: context.get(name) for name in ("workspace", "event", "resource")}}
        return {name: json_data(value) for name, value in facts.items() if value}

    def default_html(self, context: Mapping[str, Any]) -> str | None:
        """Return the HTML of a mail that has neither text nor HTML: a table of many events, none of a single one."""
        if not groupform.is_many(context):
            return None
        return groupform.html(self.rule, self._description, context, self._templates.filters)


def compile_message(
    templates: Templates,
    channel_type: str,
    fields: Mapping[str, Any],
    *,
    rule: str = "",
    description: str = "",
    written: Written | None = None,
) -> Message:
    """Compile one entry of `notify` or `resolved`.

    `fields` are the entry's own keys; those that are no field of the channel type (`channel`, `when`) are passed over,
    and so is `attach`, which holds names and no texts. `rule` and `description` stand in what is said where the entry
    says nothing. `written` gives the text of a field, by its path, with the line breaks of the file.

    Raises:
        MessageProblems: with every field that cannot be compiled.
    """
    compiling = _Compiling(templates, written or (lambda _: ""))
    for name in sorted((FIELDS[channel_type] - _NAMES) & fields.keys()):
        if fields[name] is not None:
            compiling.field(channel_type, name, fields[name])
    if channel_type == "http" and {"json", "body"} <= compiling.fields.keys():
        both = CompileError("a message has either `json` or `body`, not both")
        compiling.problems.append(FieldError(("body",), both))
    if compiling.problems:
        raise MessageProblems(compiling.problems)
    return Message(channel_type, compiling.fields, compiling.parts, templates, rule=rule, description=description)


class _Compiling:
    """Collects the compiled fields of one message and everything that is wrong in them."""

    def __init__(self, templates: Templates, written: Written) -> None:
        self._templates = templates
        self._written = written
        self.fields: dict[str, Text | Value] = {}
        self.parts: list[Part] = []
        self.problems: list[FieldError] = []

    def field(self, channel_type: str, name: str, data: Any) -> None:
        """Compile one field in the way that its channel type reads it."""
        escape = _escape_of(channel_type, name)
        if name in _STRUCTURES or not isinstance(data, str):
            self._structure(name, data, escape)
        else:
            self._text(name, data, escape)

    def _text(self, name: str, source: str, escape: Escape) -> None:
        try:
            if name in _FILES and _is_file(source):
                text = self._templates.file(source, escape)
            else:
                text = self._templates.text(source, escape, written=self._written((name,)))
        except CompileError as error:
            self.problems.append(FieldError((name,), error))
            return
        self.fields[name] = text
        self.parts.append(((name,), text))

    def _structure(self, name: str, data: Any, escape: Escape) -> None:
        problems: list[tuple[FieldPath, CompileError]] = []
        value = self._templates.value(data, escape, at=(name,), problems=problems, written=self._written)
        self.problems += [FieldError(path, error) for path, error in problems]
        self.fields[name] = value
        self.parts += value.parts


_NAMES: Final = frozenset({"attach"})
_STRUCTURES: Final = frozenset({"to", "cc", "blocks", "json", "headers"})
_FILES: Final = frozenset({"text", "html"})


def _escape_of(channel_type: str, name: str) -> Escape:
    if channel_type == "slack":
        return Escape.SLACK
    return {"html": Escape.HTML, "path": Escape.PATH}.get(name, Escape.NONE)


def _is_file(source: str) -> bool:
    return source.endswith(".j2") and "<" not in source and "\n" not in source


def _rendered(name: str, field: Text | Value, context: Mapping[str, Any]) -> Any:
    if isinstance(field, Value):
        return field.render(context)
    try:
        return field.render(context)
    except RenderError as error:
        raise error.within(name, (name,)) from error


def _email(message: Message, rendered: Rendered, context: Mapping[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for name in _ADDRESSING["email"]:
        if name in rendered:
            payload.update(_addressing(name, rendered[name]))
    payload["subject"] = one_line(rendered.get("subject", "")) or message.default_subject(context)
    html = rendered.get("html")
    if html is None and "text" not in rendered:
        html = message.default_html(context)
    if html is not None:
        payload["html"] = html
    if "text" in rendered:
        payload["text"] = rendered["text"]
    elif "html" in rendered and html is not None:
        payload["text"] = html_to_text(html)
    else:
        payload["text"] = message.default_text(context)
    return payload


def _slack(message: Message, rendered: Rendered, context: Mapping[str, Any]) -> dict[str, Any]:
    blocks = rendered.get("blocks")
    if blocks is not None and not (isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks)):
        raise RenderError("blocks: they are a list of mappings", path=("blocks",))
    text = rendered.get("text")
    if text is None and blocks:
        # What notifications show, and readers of the screen read: Slack asks for it beside blocks.
        text = "\n".join(_texts(blocks)) or slack_text(message.default_subject(context))
    if text is None:
        text = slack_text(message.default_text(context))
    return {"text": text, "blocks": blocks} if blocks else {"text": text}


def _http(message: Message, rendered: Rendered, context: Mapping[str, Any]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    if "body" in rendered:
        payload["body"] = rendered["body"]
    else:
        payload["json"] = rendered["json"] if "json" in rendered else message.default_json(context)
    for name in _ADDRESSING["http"]:
        if name in rendered:
            payload.update(_addressing(name, rendered[name]))
    return payload


_PAYLOADS: Final[Mapping[str, Callable[[Message, Rendered, Mapping[str, Any]], dict[str, Any]]]] = {
    "email": _email,
    "slack": _slack,
    "http": _http,
}


def _addressing(name: str, value: Any) -> dict[str, Any]:
    """Return the part of a payload that says where a message goes: one line each, blank ones left out."""
    if name == "headers":
        if not isinstance(value, dict):
            raise RenderError("headers: they are a mapping", path=("headers",))
        for key in value:
            _checked(name, key, checks.header_name)
        return {name: {key: one_line(_scalar(f"headers.{key}", each)) for key, each in value.items()}}
    if name in ("to", "cc"):
        addresses = [line for line in map(one_line, _addresses(name, value)) if line]
        if name == "to" and not addresses:
            raise RenderError("to: no recipient is left", path=("to",))
        return {name: addresses} if addresses else {}
    line = one_line(_scalar(name, value))
    if name == "path":
        _checked(name, line, checks.added_path)
    return {name: line} if line else {}


def _checked(name: str, text: str, check: Callable[[str], object]) -> None:
    """Raise RenderError where the receiver's channel could not send this: it would be buried unseen."""
    try:
        check(text)
    except checks.Refusal as refusal:
        raise RenderError(f"{name}: {refusal}", path=(name,)) from None


def _possible(name: str, value: Any) -> Any:
    """Return a rendered value without the headers that cannot be sent."""
    if name != "headers" or not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if _is_header(key)}


def _is_header(name: str) -> bool:
    try:
        checks.header_name(name)
    except checks.Refusal:
        return False
    return True


def _addresses(name: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [address for each in value for address in _addresses(name, each)]
    return [] if value is None else [_scalar(name, value)]


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RenderError(f"{name}: a text is needed", path=tuple(name.split(".", 1)))
    return str(value)


def _texts(value: Any) -> list[str]:
    """Return the texts that blocks show, in their order."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    own = value.get("text")
    found = [own] if isinstance(own, str) and own.strip() else []
    return found + [text for each in value.values() if isinstance(each, dict | list) for text in _texts(each)]
