"""What is printed of text from outside."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from memonotify.cli.trees import Node, as_rich, plain_lines
from memonotify.cli.visible import MAX_LINE, json_visible, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12 500,00 €", "12 500,00 €"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("\x9b31mred", "\\u009b31mred"),
        ("a\u202eb\u200bc", "a\\u202eb\\u200bc"),
        ("one\r\n  two\tthree", "one two three"),
        ("x" * 9000, "x" * (MAX_LINE - 1) + "…"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out(text, shown):
    assert visible(text) == shown


def test_json_that_is_printed_says_the_same_without_such_characters():
    data = {"a": "\x9b31m\u202e\ud800é", "b": "\x1b"}
    text = json_visible(json.dumps(data, ensure_ascii=False, indent=2))
    assert json.loads(text) == data
    assert "é" in text
    assert not {"\x9b", "\u202e", "\ud800", "\x1b"} & set(text)


RED = Node("a [red]value[/red] \x1b[2J", (Node("under"),), "red")
TREE = Node("root", (RED, Node("w" * 200), Node("last")), "bold")


def test_a_tree_on_a_pipe_is_indented_text_with_whole_lines():
    assert list(plain_lines(TREE)) == [
        "root", "  a [red]value[/red] \\u001b[2J", "    under", "  " + "w" * 200, "  last",
    ]  # fmt: skip


@pytest.mark.parametrize("no_color", [False, True])
def test_a_tree_on_a_terminal_keeps_to_eighty_columns_and_to_no_color(no_color):
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, no_color=no_color, color_system="standard")
    console.print(as_rich(TREE))
    printed = out.getvalue()
    assert ("\x1b[31m" in printed) is not no_color
    plain = Console(file=io.StringIO(), width=80)
    plain.print(as_rich(TREE))
    lines = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    assert "a [red]value[/red] \\u001b[2J" in lines[1]
    assert "".join(line.lstrip("│├─└ ") for line in lines).count("w") == 200
