"""Where values, keys and the lines of texts stand."""

from __future__ import annotations

from textwrap import dedent

import pytest
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


FOLDED = """\
    a: >-
      one
      still one

      two
        deeper three
      four
    """


def test_the_lines_of_folded_text_are_where_they_begin() -> None:
    document = document_of(FOLDED)
    value = document.data["a"]
    for number, text in enumerate(value.split("\n"), start=1):
        line, column = document.text_place(("a",), number)
        source = dedent(FOLDED).split("\n")[line - 1]
        if text:
            assert text.strip().startswith(source[column - 1 :])


def test_the_lines_of_quoted_text_are_where_they_begin() -> None:
    document = document_of('a: "one\n  still one\n\n  two"\nb: "x\\ny"\n')
    assert document.text_place(("a",), 1) == (1, 4)
    assert document.text_place(("a",), 2) == (3, 1)
    assert document.text_place(("b",), 2) == (5, 4)


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
