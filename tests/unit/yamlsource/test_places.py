"""Where values, keys and the lines of texts stand."""

from __future__ import annotations

from textwrap import dedent

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from memonotify.yamlsource import Document, parse
from memonotify.yamlsource.faults import split_lines


def document_of(text: str) -> Document:
    document, problems = parse(dedent(text), "f.yaml")
    assert problems == []
    assert document is not None
    return document


def test_places_count_from_one_and_point_at_value_or_key() -> None:
    document = document_of("""\
        a:
          - b: 1
            "c": [x, y]
        d:
        """)
    assert document.place(()) == (1, 1)
    assert document.place(("a", 0, "b")) == (2, 8)
    assert document.place(("a", 0, "b"), key=True) == (2, 5)
    assert document.place(("a", 0, "c", 1)) == (3, 14)
    assert document.place(("a", 0, "c"), key=True) == (3, 5)
    assert document.place(("d",)) == (4, 3)


def test_the_place_of_what_is_not_there_is_the_nearest_value_around_it() -> None:
    document = document_of("a:\n  b: 1\n")
    assert document.place(("a", "x", "y")) == (2, 3)
    assert document.place(("a", "x"), key=True) == (2, 3)


def test_a_problem_carries_its_field() -> None:
    problem = document_of("a: [1]\n").problem(("a", 0), "wrong", hint="do this")
    assert str(problem) == "f.yaml:1:5: wrong (do this)"
    assert problem.field == "a.0"


BLOCK = """\
    a: |
      one
        two

      four
    b: x
    """


@pytest.mark.parametrize(("line", "place"), [(1, (2, 3)), (2, (3, 5)), (4, (5, 3)), (99, (5, 3))])
def test_the_lines_of_a_block_are_found(line: int, place: tuple[int, int]) -> None:
    assert document_of(BLOCK).text_place(("a",), line) == place


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a: |\n  one\n\n  two\n", "one\n\ntwo\n"),
        ("a: >-\n  one\n  still one\n\n  two\n    deeper\n  four\n", "one\nstill one\n\ntwo\ndeeper\nfour"),
        ("a: >\n\n  one\n  two\n\n", "\none\ntwo"),
        ("a: one\n  two   # remark\n", "one\ntwo"),
        ("a: 'it''s\n\n  two' # remark\n", "it's\n\ntwo"),
        ('a: ["one\n  two\\n three\n  four", x]\n', "one\ntwo  three\nfour"),
        ('a: "one \\\n  \\  two"\n', "one \n  two"),
        ('a: "o\\\n  ne"\n', "o\nne"),
        ('a: "x\\ny"\n', "x\ny"),
        ("a: 1\n", ""),
    ],
)
def test_a_text_is_given_with_the_line_breaks_of_its_file(text: str, written: str) -> None:
    document = document_of(text)
    path = ("a", 0) if isinstance(document.data["a"], list) else ("a",)
    assert document.written(path) == written


_words = st.lists(
    st.lists(st.text("ab{}|%:'\"\\é#. ", min_size=1, max_size=9), min_size=1, max_size=9).map(" ".join),
    min_size=1,
    max_size=4,
).map("\n".join)


@given(_words, st.sampled_from([None, "'", '"', ">", "|"]), st.integers(min_value=1, max_value=30))
def test_every_line_of_a_text_as_written_stands_on_its_line_of_the_file(
    text: str, style: str | None, width: int
) -> None:
    source = yaml.safe_dump({"a": {"b": text}, "c": "x"}, default_style=style, width=width, allow_unicode=True)
    document = document_of(source)
    written = document.written(("a", "b"))
    assert "".join(written.split()) == "".join(text.split())
    lines = source.split("\n")
    line, column = document.place(("a", "b"))
    style = lines[line - 1][column - 1]  # where this style cannot hold the text, another was taken
    places = [document.text_place(("a", "b"), number) for number in range(1, written.count("\n") + 2)]
    if places[0] == places[-1]:
        return
    for (line, column), said in zip(places, written.split("\n"), strict=True):
        for word in said.split():
            shown = word.replace("'", "''") if style == "'" else word
            shown = shown.replace("\\", "\\\\").replace('"', '\\"') if style == '"' else shown
            assert shown in lines[line - 1][column - 1 :]


def test_the_lines_of_folded_and_quoted_text_are_found() -> None:
    document = document_of('a: >-\n  one\n  two\nb: "x\n\n  y"\nc: "x\\ny"\n')
    assert document.text_place(("a",), 2) == (3, 3)
    assert document.text_place(("b",), 1) == (4, 4)
    assert document.text_place(("b",), 3) == (6, 3)
    assert document.text_place(("c",), 2) == (7, 4)


def test_the_text_of_nothing_stands_where_its_parent_stands() -> None:
    assert document_of("a: 1\n").text_place(("b",), 3) == (1, 1)


FRAGMENTS = [
    *(
        "a",
        "b: ",
        "- ",
        "\n",
        "  ",
        "\t",
        "[",
        "]",
        "{",
        "}",
        "{{",
        "}}",
        ", ",
        '"',
        "'",
        "|\n",
        ">\n",
        "&a ",
        "*a",
        "!t ",
    ),
    *(
        "<<: ",
        "? ",
        ": ",
        "---\n",
        "...\n",
        "# c",
        "on",
        "010",
        "12:30:00",
        "~",
        "\r",
        "\r\n",
        "%",
        "\\",
        "\ufeff",
        "é",
    ),
]
_fragments = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=40).map("".join)


def paths(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    if isinstance(data, dict):
        for key, value in data.items():
            found += paths(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            found += paths(value, (*path, index))
    return found


def is_inside(place: tuple[int, int], text: str) -> bool:
    lines = split_lines(text.removeprefix("\ufeff"))
    line, column = place
    return 1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1


@given(st.one_of(st.text(), _fragments))
def test_no_text_makes_the_parser_raise_and_every_place_is_inside_the_file(text: str) -> None:
    document, problems = parse(text, "f.yaml")
    assert document is not None or problems
    for problem in problems:
        assert is_inside((problem.line, problem.column), text)
        assert "\n" not in problem.message
    if document is not None:
        for path in paths(document.data):
            assert is_inside(document.place(path), text)
            assert is_inside(document.place(path, key=True), text)
            for line in (1, 2, 50):
                assert is_inside(document.text_place(path, line), text)
            if path == () or path[:-1] == ():
                assert isinstance(document.written(path), str)
