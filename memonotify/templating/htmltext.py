"""Plain text made from HTML: what a mail shows where it is read without HTML.

Takes any string whatsoever, gives readable text; never raises. `messages` calls it for a mail that has only `html`.
Built for the HTML of mails, not of the web: headings, paragraphs, lists, tables in rows, links with their addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final, NamedTuple

_SILENT: Final = frozenset({"script", "style", "head", "title", "template", "noscript"})
_BLOCK_TAGS: Final = (
    "address article aside blockquote body center div dl dd dt fieldset figure figcaption footer form header html main "
    "nav section tr table tbody thead tfoot"
)
_BLOCKS: Final = frozenset(_BLOCK_TAGS.split())
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre", "table", "blockquote"})
_VOID: Final = frozenset(["br", "hr", "img", "input", "meta", "link", "col", "wbr"])
_UNDERLINES: Final = {"h1": "=", "h2": "-"}
_MAX_UNDERLINE: Final = 72
_MAX_INDENTED: Final = 8
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_TAG_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
_TAG_END = re.compile(r"""[^"'>]*+(?:"[^"]*+"[^"'>]*+|'[^']*+'[^"'>]*+)*+>""")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]++)(?:\s*+=\s*+("[^"]*+"|'[^']*+'|[^\s>]*+))?""")
_RAW_END = {"script": re.compile(r"</script", re.IGNORECASE), "style": re.compile(r"</style", re.IGNORECASE)}
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)


def html_to_text(html: str) -> str:
    """Return the text of some HTML: links as `text (address)`, list items with dashes, table rows on their own lines.

    A row that begins with a heading reads `label: value`, with the space that French asks for in a French document.
    Entities are characters again; scripts, styles and what is styled away (a preheader) are left out. Text that is no
    HTML comes back as it is, but for its blanks.
    """
    writer = _Writer()
    for token in _tokens(html):
        if token.tag is None:
            writer.write_data(unescape(token.text))
        elif token.is_end:
            writer.end_tag(token.tag)
        else:
            writer.start_tag(token.tag, _attributes(token.text))
    return writer.text()


class _Token(NamedTuple):
    """A tag with the text of its attributes, or (`tag` None) a run of text."""

    tag: str | None
    text: str
    is_end: bool = False


def _tokens(html: str) -> Iterator[_Token]:
    """Split HTML in one pass. What looks like a tag but never ends is text.

    The parser of the standard library takes quadratic time on some broken input, and fails on other.
    """
    at, trusts_quotes = 0, True
    while True:
        found = html.find("<", at)
        if found < 0:
            yield _Token(None, html[at:])
            return
        yield _Token(None, html[at:found])
        name = _TAG_NAME.match(html, found)
        if name is None:
            at = _after_declaration(html, found)
            if at == found:
                yield _Token(None, "<")
                at += 1
            continue
        end = _TAG_END.match(html, name.end()) if trusts_quotes else None
        if end is None:
            # An open quote swallows all that follows; from here on a tag ends at the next `>`.
            trusts_quotes = False
        after = end.end() if end is not None else html.find(">", name.end()) + 1
        if not after:
            yield _Token(None, html[found:])
            return
        tag, is_end = name[1].lower(), html[found + 1] == "/"
        yield _Token(tag, html[name.end() : after - 1], is_end)
        at = after
        if tag in _RAW_END and not is_end:
            close = _RAW_END[tag].search(html, after)
            at = close.start() if close is not None else len(html)


def _after_declaration(html: str, at: int) -> int:
    """Return where a comment, a doctype or a processing instruction ends; `at` itself where none begins there."""
    if html.startswith("<!--", at):
        end = html.find("-->", at + 4)
        return end + 3 if end >= 0 else len(html)
    if html.startswith(("<!", "<?"), at):
        end = html.find(">", at)
        return end + 1 if end >= 0 else len(html)
    return at


def _attributes(text: str) -> dict[str, str]:
    if not text or text.isspace():
        return {}
    return {name.lower(): unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(text)}


class _Writer:
    """Collects lines, token by token. `_gap` is how many line ends are due before the next word."""

    def __init__(self) -> None:
        self._lines: list[str] = [""]
        self._gap = 0
        self._blank = False
        self._silent: list[str] = []
        self._preformatted = 0
        self._lists: list[int | None] = []
        self._links: list[tuple[str, int, int]] = []
        self._cells = 0
        self._labelled = False
        self._colon = ":"
        self._heading_at = 0

    def text(self) -> str:
        """Return what was collected."""
        return _tidied(self._lines)

    def start_tag(self, tag: str, given: dict[str, str]) -> None:
        """Take a start tag with its attributes."""
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.append(tag)
            return
        if tag not in _VOID and (tag in _SILENT or "hidden" in given or _HIDDEN.search(given.get("style", ""))):
            self._silent.append(tag)
            return
        self._break(tag)
        if tag == "a":
            self._links.append((given.get("href", "").strip(), len(self._lines) - 1, len(self._lines[-1])))
        elif tag == "img":
            self.write_data(given.get("alt", ""))
        elif tag in ("ul", "ol"):
            self._lists.append(_start(given.get("start")) if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag in ("td", "th"):
            self._cell(tag)
        elif tag == "html" and given.get("lang", "").lower().startswith("fr"):
            self._colon = "\u00a0:"
        elif tag == "pre":
            self._preformatted += 1
        elif tag in _UNDERLINES:
            self._heading_at = len(self._lines)

    def end_tag(self, tag: str) -> None:
        """Take an end tag."""
        if self._silent:
            if tag == self._silent[-1]:
                self._silent.pop()
            return
        if tag == "a" and self._links:
            self._address(*self._links.pop())
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        elif tag in _UNDERLINES:
            self._underline(_UNDERLINES[tag])
        if tag not in _VOID:
            self._break(tag)

    def write_data(self, data: str) -> None:
        """Take a run of text, its entities decoded."""
        if self._silent or not data:
            return
        if self._preformatted:
            self._preformat(data)
            return
        words = _BLANKS.sub(" ", data)
        if words == " ":
            self._blank = True
            return
        self._write(words.strip(" "), blank=words.startswith(" "))
        self._blank = words.endswith(" ")

    def _write(self, words: str, *, blank: bool = False) -> None:
        self._flush()
        if (blank or self._blank) and self._lines[-1] and not self._lines[-1].endswith(" "):
            self._lines[-1] += " "
        self._blank = False
        self._lines[-1] += words

    def _preformat(self, data: str) -> None:
        first, *others = data.replace("\r\n", "\n").split("\n")
        self._flush()
        self._lines[-1] += first
        self._lines.extend(others)

    def _flush(self) -> None:
        if self._gap:
            if any(self._lines):
                self._lines.extend([""] * self._gap)
            self._gap = 0
            self._blank = False

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS and not (tag in ("ul", "ol") and self._lists):
            self._gap = max(self._gap, 2)
        elif tag in _BLOCKS or tag in ("ul", "ol", "li"):
            self._gap = max(self._gap, 1)
        elif tag == "br":
            self._gap = min(self._gap + 1, 2)
        elif tag == "hr":
            self._gap = 2
            self._write("-" * 10)
            self._gap = 2
        if tag in ("tr", "table"):
            self._cells = 0
            self._labelled = False

    def _item(self) -> None:
        depth = min(max(0, len(self._lists) - 1), _MAX_INDENTED)
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        self._write("  " * depth + ("- " if number is None else f"{number}. "))

    def _cell(self, tag: str) -> None:
        if self._labelled and tag == "td" and self._lines[-1][-1:].isalnum():
            self._lines[-1] += self._colon
        if self._cells:
            self._blank = True
        self._labelled = tag == "th"
        self._cells += 1

    def _address(self, href: str, line: int, column: int) -> None:
        shown = (self._lines[line][column:] + "".join(self._lines[line + 1 :])).strip()
        plain = href.removeprefix("mailto:").removeprefix("tel:")
        if href and not href.startswith("#") and shown not in (href, plain):
            self._write(f"({plain})" if shown else plain, blank=bool(shown))

    def _underline(self, sign: str) -> None:
        length = len(self._lines[-1].strip())
        if length and self._gap == 0 and len(self._lines) >= self._heading_at:
            self._lines.append(sign * min(length, _MAX_UNDERLINE))


def _start(given: str | None) -> int:
    try:
        return int(given or "1")
    except ValueError:
        return 1


def _tidied(lines: list[str]) -> str:
    """Return lines without blanks at their ends, and never more than one empty line together."""
    return "\n".join(_without_repeated_blanks(line.rstrip() for line in lines)).strip("\n")


def _without_repeated_blanks(lines: Iterator[str]) -> Iterator[str]:
    before = ""
    for line in lines:
        if line or before:
            yield line
        before = line
