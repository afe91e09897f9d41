"""Sentences for what the YAML scanner stumbles over. Comes from PyYAML's errors; goes to whoever edits the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import yaml

from memonotify.errors import Problem

# The set that YAML 1.1 §5.1 calls printable, less the three line breaks that no editor shows as one: with them in the
# text, the lines we count would not be the lines a person sees.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_UNQUOTED_TEMPLATE: Final = re.compile(r"(?:^|[:\-,\[{]\s+)\{\{")
_BRACKETED_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]:[0-9]+")
_QUOTE_TEMPLATE: Final = 'a value that begins with `{{` must be in quotes: "{{ … }}"'

_SENTENCES: Final[tuple[tuple[str, str], ...]] = (
    ("found a tab character", "a tab stands where YAML wants spaces"),
    ("mapping values are not allowed", "a second `: ` in this value, or a line that is indented wrongly"),
    ("block sequence entries are not allowed", "a list cannot begin here; its first `- ` stands on a line of its own"),
    ("mapping keys are not allowed", "`? ` cannot stand here; quote the value if it is text"),
    ("did not find expected key", "this line does not fit the ones above: wrong indentation, or text after a value"),
    ("could not find expected ':'", "a `key: value` is expected here; is the colon missing?"),
    ("did not find expected '-'", "a list item (`- `) is expected here, or less indentation"),
    ("did not find expected ',' or ']'", "the `[` is not closed, or a comma is missing"),
    ("did not find expected ',' or '}'", "the `{` is not closed, or a comma is missing"),
    ("found unknown escape character", "an unknown `\\` escape; use single quotes, or write `\\\\`"),
    ("did not find expected comment or line break", "text after `|` or `>`; it begins on the next line"),
    ("did not find expected node content", "a value is expected here"),
    ("did not find expected <document start>", "text after the end of the document"),
    ("found unknown directive name", "a line cannot begin with `%`"),
    ("found undefined tag handle", "tags (`!…`) are not taken; quote the value if it is text"),
)
_AT_OPENING: Final = {
    "found unexpected end of stream": "the quote that opens here is not closed",
    "found unexpected document indicator": "the quote that opens here is not closed",
    "did not find expected ',' or ']'": "the `[` that opens here is not closed, or a comma is missing",
    "did not find expected ',' or '}'": "the `{` that opens here is not closed, or a comma is missing",
}


def unprintable(text: str, file: str) -> list[Problem]:
    """Return a problem for the first character of each line that a YAML file cannot hold."""
    if _UNPRINTABLE.search(text) is None:
        return []
    problems = []
    for number, line in enumerate(split_lines(text), start=1):
        found = _UNPRINTABLE.search(line)
        if found:
            code = f"U+{ord(found[0]):04X}"
            problems.append(
                Problem(
                    file=file,
                    line=number,
                    column=found.start() + 1,
                    message=f"the character {code} cannot stand in a YAML file",
                    hint="delete it, or write it as an escape in double quotes",
                )
            )
    return problems


def of_scanner(error: yaml.YAMLError, file: str, lines: Sequence[str]) -> Problem:
    """Return the Problem of an error that ended the parse, at the place where a person has to look."""
    problem = str(getattr(error, "problem", "") or "")
    line, column = _place(error, problem, lines)
    text = lines[line - 1]
    for found in _BRACKETED_ADDRESS.finditer(text):
        if found.start() <= column - 1 <= found.end():
            return _bracketed_address(file, line, found)
    character = text[column - 1 : column]
    hint = ""
    if _UNQUOTED_TEMPLATE.search(text):
        hint = _QUOTE_TEMPLATE
    elif character == "{" and problem.startswith("did not find expected ','"):
        hint = "a text that holds `{` stands in quotes here"
    elif character == ":" and problem.startswith("did not find expected node content"):
        hint = "one that begins with `:` stands in quotes"
    return Problem(file=file, line=line, column=column, message=_sentence(error, problem, character), hint=hint)


def _bracketed_address(file: str, line: int, found: re.Match[str]) -> Problem:
    message = f"`{found[0]}` begins as a list does"
    hint = f'put it in quotes: "{found[0]}"'
    return Problem(file=file, line=line, column=found.start() + 1, message=message, hint=hint)


def template_as_mapping(file: str, line: int, column: int) -> Problem:
    """Return the Problem of an unquoted `{{ … }}`, which YAML reads as a mapping in a mapping."""
    return Problem(file=file, line=line, column=column, message=_QUOTE_TEMPLATE)


def split_lines(text: str) -> list[str]:
    """Return the lines as the scanner and every editor count them."""
    return re.split("\r\n|\r|\n", text) if "\r" in text else text.split("\n")


def inside(line: int, column: int, lines: Sequence[str]) -> tuple[int, int]:
    """Return the place (from 1), moved to the end of the text where it lies behind it."""
    last = len(lines)
    while last > 1 and not lines[last - 1].strip():
        last -= 1
    if line > last:
        return last, len(lines[last - 1].rstrip()) + 1
    return line, min(column, len(lines[line - 1]) + 1)


def _place(error: yaml.YAMLError, problem: str, lines: Sequence[str]) -> tuple[int, int]:
    mark = getattr(error, "problem_mark", None)
    opening = getattr(error, "context_mark", None)
    if opening is not None and _is_about_opening(error, problem):
        mark = opening
    if mark is None:
        return inside(len(lines), 1, lines)
    return inside(mark.line + 1, mark.column + 1, lines)


def _is_about_opening(error: yaml.YAMLError, problem: str) -> bool:
    """Whether the fault is a bracket or quote that stays open, far from where the scanner gives up."""
    opening, mark = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    return problem in _AT_OPENING and opening is not None and mark is not None and mark.line > opening.line


def _sentence(error: yaml.YAMLError, problem: str, character: str) -> str:
    if _is_about_opening(error, problem):
        return _AT_OPENING[problem]
    if problem.startswith("found character that cannot start any token"):
        if character == "\t":
            return "a tab stands in the indentation; YAML wants spaces"
        return f"a value cannot begin with `{character}`; put it in quotes"
    for known, sentence in _SENTENCES:
        if problem.startswith(known):
            return sentence
    return f"this is not YAML: {problem or 'it cannot be read'}"
