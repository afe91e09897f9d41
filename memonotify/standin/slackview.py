"""Draws a Slack message as Slack would: mrkdwn and the common blocks as HTML, everything of a sender as text.

Takes what was posted, whatever its shape, gives HTML and a one-line title; never raises. The mailbox's page calls it.
What Slack would act on stands out here too: a raw `<!channel>` is drawn as the mention that it is, an escaped one as
text. Source: docs.slack.dev, "Formatting message text" and the reference of blocks.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup

EMOJI: Final = {
    "+1": "👍",
    "arrows_counterclockwise": "🔄",
    "bank": "🏦",
    "bell": "🔔",
    "calendar": "📅",
    "chart_with_downwards_trend": "📉",
    "chart_with_upwards_trend": "📈",
    "clipboard": "📋",
    "credit_card": "💳",
    "email": "✉️",
    "euro": "💶",
    "eyes": "👀",
    "fire": "🔥",
    "globe_with_meridians": "🌐",
    "grey_question": "❔",
    "heavy_check_mark": "✔️",
    "hourglass": "⌛",
    "hourglass_flowing_sand": "⏳",
    "inbox_tray": "📥",
    "information_source": "ℹ️",
    "leftwards_arrow_with_hook": "↩️",
    "link": "🔗",
    "lock": "🔒",
    "lower_left_fountain_pen": "🖋️",
    "mag": "🔍",
    "memo": "📝",
    "money_with_wings": "💸",
    "moneybag": "💰",
    "no_entry": "⛔",
    "outbox_tray": "📤",
    "package": "📦",
    "page_facing_up": "📄",
    "question": "❓",
    "receipt": "🧾",
    "red_circle": "🔴",
    "rotating_light": "🚨",
    "tada": "🎉",
    "warning": "⚠️",
    "wave": "👋",
    "white_check_mark": "✅",
    "x": "❌",
}
"""The names of emoji that are drawn; another one stays as it is written."""

_OPEN, _CLOSE = "\ue000", "\ue001"
# A sender must not be able to write what stands for a piece that is drawn already.
_RESERVED: Final = {ord(_OPEN): None, ord(_CLOSE): None}
_PIECE: Final = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_CODE: Final = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
_CONTROL: Final = re.compile(r"<([^<>\n]+)>")
_LINK: Final = re.compile(r"(?:https?://|mailto:|tel:)[^\s|]+", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"&(amp|lt|gt);")
_ESCAPES: Final = {"amp": "&", "lt": "<", "gt": ">"}
_EMOJI_NAME: Final = re.compile(r":([a-z0-9_+-]+):")
_TRAILING_LINK: Final = re.compile(r"(?<=\S)\s+<https?://[^<>\n]*>\s*$")
_MARKS: Final = tuple(
    (re.compile(rf"(?<![\w{sign}])\{sign}(?=\S)([^{sign}\n]+)(?<=\S)\{sign}(?![\w{sign}])"), rf"<{tag}>\1</{tag}>")
    for sign, tag in (("*", "strong"), ("_", "em"), ("~", "del"))
)
_COLOURS: Final = ("good", "warning", "danger")
_TAG: Final = re.compile(r"<[^>]*>")
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_QUOTE: Final = re.compile(r"^&gt; ?(.*)$", re.MULTILINE)


def mrkdwn(text: str) -> Markup:
    """Return Slack's mark-up as HTML. `&amp; &lt; &gt;` are a sender's characters, a raw `<…>` is Slack's own."""
    drawn: list[Markup] = []

    def keep(piece: Markup) -> str:
        drawn.append(piece)
        return f"{_OPEN}{len(drawn) - 1}{_CLOSE}"

    def code(found: re.Match[str]) -> str:
        tag, content = ("pre", found[1].strip("\n")) if found[1] is not None else ("code", found[2])
        return keep(Markup(f"<{tag}>{{}}</{tag}>").format(_decoded(content)))  # noqa: S704 - one of two literals

    shown = _CODE.sub(code, text.translate(_RESERVED))
    shown = _CONTROL.sub(lambda found: keep(_control(found[1])), shown)
    shown = html.escape(_decoded(shown), quote=False)
    for pattern, replacement in _MARKS:
        shown = pattern.sub(replacement, shown)
    shown = _QUOTE.sub(r"<span class=quote>\1</span>", emoji(shown)).replace("\n", "<br>")
    # Code within a link's text is a piece within a piece.
    for _ in range(2):
        shown = _PIECE.sub(lambda found: str(drawn[int(found[1])]), shown)
    return Markup(shown)  # noqa: S704 - escaped above


def emoji(text: str) -> str:
    """Return a text with `:name:` drawn where the name is known."""
    return _EMOJI_NAME.sub(lambda found: EMOJI.get(found[1], found[0]), text)


def title(message: Any) -> str:
    """Return the first line of a message without mark-up; a link at its end, such as "open", is no part of it."""
    lines = str(message.get("text") or "").strip().splitlines() if isinstance(message, dict) else []
    shown = mrkdwn(_TRAILING_LINK.sub("", lines[0])) if lines else draw(message)
    # Not `striptags`, which would make plain spaces of those that keep an amount together.
    return _SPACES.sub(" ", html.unescape(_TAG.sub("", shown))).strip()


def draw(message: Any) -> Markup:
    """Return a message's blocks, or its text where it has none, and its attachments, as HTML."""
    if not isinstance(message, dict):
        return Markup("")
    blocks = _list(message.get("blocks"))
    body = Markup("").join(_block(block) for block in blocks)
    if not blocks:
        body = Markup("<p>{}</p>").format(mrkdwn(str(message.get("text") or "")))
    return body + Markup("").join(_attachment(one) for one in _list(message.get("attachments")))


def _attachment(attachment: Any) -> Markup:
    if not isinstance(attachment, dict):
        return Markup("")
    colour = attachment.get("color")
    bar = f"bar {colour}" if colour in _COLOURS else "bar"
    return Markup("<p class='{}'>{}</p>").format(bar, mrkdwn(str(attachment.get("text") or "")))


def _decoded(text: str) -> str:
    return _ESCAPED.sub(lambda found: _ESCAPES[found[1]], text)


def _control(content: str) -> Markup:
    """Draw what stands between `<` and `>`: a mention, a link, or nothing that Slack knows."""
    target, _, label = content.partition("|")
    if target.startswith("!date"):
        return Markup("{}").format(_decoded(label))
    if target.startswith(("@", "#", "!")):
        sign = "#" if target[0] == "#" else "@"
        name = _decoded(label or target[1:]).removeprefix(sign)
        return Markup("<span class=mention>{}{}</span>").format(sign, name)
    if not _LINK.fullmatch(target):
        return Markup("{}").format(_decoded(f"<{content}>"))
    address = _decoded(target)
    shown = emoji(_decoded(label)) or address.removeprefix("mailto:").removeprefix("tel:")
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(address, shown)


def _block(block: Any) -> Markup:
    kind = block.get("type") if isinstance(block, dict) else None
    drawer = _BLOCKS.get(kind) if isinstance(kind, str) else None
    if drawer is None:
        return Markup("<p class=context>[{}]</p>").format(str(kind))
    return drawer(block)


def _text(value: Any) -> Markup:
    if not isinstance(value, dict):
        return Markup("{}").format(str(value or ""))
    if value.get("type") == "image":
        return Markup("[{}]").format(str(value.get("alt_text") or "image"))
    content = str(value.get("text") or "")
    return mrkdwn(content) if value.get("type") == "mrkdwn" else Markup("{}").format(emoji(content))


def _header(block: dict[str, Any]) -> Markup:
    return Markup("<p class=header>{}</p>").format(_text(block.get("text")))


def _divider(_: dict[str, Any]) -> Markup:
    return Markup("<hr>")


def _context(block: dict[str, Any]) -> Markup:
    return Markup("<p class=context>{}</p>").format(Markup(" ").join(map(_text, _list(block.get("elements")))))


def _section(block: dict[str, Any]) -> Markup:
    drawn = Markup("<p>{}</p>").format(_text(block["text"])) if block.get("text") else Markup("")
    fields = Markup("").join(Markup("<div>{}</div>").format(_text(one)) for one in _list(block.get("fields")))
    return drawn + (Markup("<div class=fields>{}</div>").format(fields) if fields else Markup(""))


def _image(block: dict[str, Any]) -> Markup:
    # Nothing is loaded from elsewhere: the page shows what a reader of the screen would read.
    return Markup("<p class=context>[{}]</p>").format(str(block.get("alt_text") or "image"))


def _actions(block: dict[str, Any]) -> Markup:
    buttons = [one.get("text") for one in _list(block.get("elements")) if isinstance(one, dict)]
    return Markup("<p>{}</p>").format(
        Markup(" ").join(Markup("<span class=button>{}</span>").format(_text(text)) for text in buttons)
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_BLOCKS: Final[dict[str, Callable[[dict[str, Any]], Markup]]] = {
    "header": _header,
    "divider": _divider,
    "context": _context,
    "section": _section,
    "image": _image,
    "actions": _actions,
}
