"""What needs no template: the plain form of a message that failed to render, the test message, note and severity.

Takes facts, gives payloads in the shape of each channel type. The engine sends the plain form so that no alert is lost
to a template; `messages` re-exports these functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from markupsafe import escape as escape_html

from memonotify.model import Severity
from memonotify.templating.escaping import slack_text
from memonotify.templating.facts import Fact, as_lines, event_facts

_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_MAX_BLOCKS: Final = 50
_MAX_ERROR: Final = 1000
_MAX_CONTEXT: Final = 2000

NOTE_HEADER: Final = "X-Memonotify-Note"


def one_line(text: str) -> str:
    """Return text on one line: each run of control characters and blanks is one blank. Typographic spaces stay."""
    return _CONTROL.sub(" ", text).strip(" ")


def plain_payload(
    channel_type: str,
    *,
    event: Mapping[str, Any],
    rule: str,
    error: str,
    workspace: str = "",
    resource: Any = None,
    facts: Sequence[Fact] = (),
) -> dict[str, Any]:
    """Return the plain form of a message: the rule, the event's facts, and why the message itself failed to render.

    `facts` are those of the resource, where there is one: who paid and how much is what people need to know.
    """
    error = one_line(error)[:_MAX_ERROR]
    title = f"{rule}: {one_line(str(event.get('event_type', 'event')))}"
    reason = f"The rule's own message could not be written, so this one is in a plain form. The error: {error}"
    parts = (title, as_lines(facts), as_lines(event_facts(event, workspace)), reason)
    data = {"kind": "plain_form", "rule": rule, "error": error, "event": dict(event)}
    if resource is not None:
        data["resource"] = resource
    return as_payload(channel_type, subject=title, text="\n\n".join(part for part in parts if part), data=data)


def test_payload(channel_type: str, *, channel: str) -> dict[str, Any]:
    """Return the message that `memonotify channel test` sends: marked as a test."""
    title = f"memonotify: test of the channel {channel}"
    text = f"This is a test message of memonotify through the channel {channel}. Nothing happened at the bank."
    return as_payload(
        channel_type, subject=title, text=text, data={"kind": "test", "channel": channel, "message": text}
    )


def annotate(channel_type: str, payload: Mapping[str, Any], note: str) -> dict[str, Any]:
    """Return a payload that also says `note`, such as that the bank did not give the resource.

    Mail says it below its text and its HTML, Slack below its text or in a block of its own, HTTP in the header
    `X-Memonotify-Note`, because the body's shape belongs to the rule.
    """
    return _ANNOTATORS[channel_type](payload, one_line(note))


def with_severity(payload: Mapping[str, Any], severity: Severity) -> dict[str, Any]:
    """Return a payload that says its severity, so that its channel can show it; `info` is what none says."""
    return dict(payload) if severity is Severity.INFO else {**payload, "severity": str(severity)}


def as_payload(channel_type: str, *, subject: str, text: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return a plain text in the shape of a channel's message; an HTTP receiver gets the data instead."""
    if channel_type == "email":
        return {"subject": subject, "text": text}
    if channel_type == "slack":
        return {"text": slack_text(text)}
    return {"json": data}


def _annotate_email(payload: Mapping[str, Any], note: str) -> dict[str, Any]:
    noted = {**payload, "text": f"{str(payload.get('text', '')).rstrip()}\n\nNote: {note}\n"}
    html = payload.get("html")
    if html:
        paragraph = f"<p><em>Note: {escape_html(note)}</em></p>"
        ends = list(_BODY_END.finditer(html))
        at = ends[-1].start() if ends else len(html)
        noted["html"] = f"{html[:at]}{paragraph}{html[at:]}"
    return noted


def _annotate_slack(payload: Mapping[str, Any], note: str) -> dict[str, Any]:
    written = f"Note: {slack_text(note[:_MAX_CONTEXT])}"
    noted = {**payload, "text": f"{str(payload.get('text', '')).rstrip()}\n_{written}_".lstrip()}
    blocks = payload.get("blocks")
    if blocks:
        block = {"type": "context", "elements": [{"type": "mrkdwn", "text": written}]}
        noted["blocks"] = [*blocks[: _MAX_BLOCKS - 1], block]
    return noted


def _annotate_http(payload: Mapping[str, Any], note: str) -> dict[str, Any]:
    value = note.encode("ascii", "replace").decode()[:_MAX_ERROR]
    return {**payload, "headers": {**(payload.get("headers") or {}), NOTE_HEADER: value}}


_ANNOTATORS: Final[Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]]] = {
    "email": _annotate_email,
    "slack": _annotate_slack,
    "http": _annotate_http,
}
