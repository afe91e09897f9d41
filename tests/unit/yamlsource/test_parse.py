"""What YAML text becomes, and what is refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from memonotify.yamlsource import MAX_BYTES, parse, read

IN_QUOTES = " (put the key in quotes)"
ESCAPED = " (delete it, or write it as an escape in double quotes)"
AFTER = " after a value"


def complaints(text: str) -> list[str]:
    _, problems = parse(text, "f.yaml")
    return [str(problem) for problem in problems]


def test_values_become_plain_data() -> None:
    text = dedent("""\
        text: hello
        quoted: "yes"
        number: 12
        negative: -3
        fraction: 1.5
        truth: true
        lie: false
        nothing:
        tilde: ~
        list: [a, 1]
        block: |
          one
          two
        map: {a: {b: c}}
        address: 127.0.0.1:8080
        """)
    document, problems = parse(text, "f.yaml")
    assert problems == []
    assert document is not None
    assert document.data == {
        "text": "hello",
        "quoted": "yes",
        "number": 12,
        "negative": -3,
        "fraction": 1.5,
        "truth": True,
        "lie": False,
        "nothing": None,
        "tilde": None,
        "list": ["a", 1],
        "block": "one\ntwo\n",
        "map": {"a": {"b": "c"}},
        "address": "127.0.0.1:8080",
    }


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_a_document_of_nothing(text: str) -> None:
    document, problems = parse(text, "f.yaml")
    assert problems == []
    assert document is not None
    assert document.data is None
    assert document.place(("a", 0)) == (1, 1) or text == "---\n"


@pytest.mark.parametrize(
    ("scalar", "core"),
    [
        ("on", "`on` is true or false to some readers"),
        ("Off", "`Off` is true or false to some readers"),
        ("yes", "`yes` is true or false to some readers"),
        ("NO", "`NO` is true or false to some readers"),
        ("True", "only `true` and `false` in small letters"),
        ("NULL", "only `null` in small letters"),
        ("010", "`010` is an octal number to some readers"),
        ("-07", "octal number"),
        ("0x1F", "hexadecimal numbers are not taken"),
        ("0o17", "octal numbers are not taken"),
        ("0b11", "binary numbers are not taken"),
        ("12:30:00", "`12:30:00` is a number in base sixty"),
        ("8080:22", "is a number in base sixty"),
        ("1_000", "a number has no underscores"),
        ("2024-01-01", "`2024-01-01` is a date"),
        ("2024-01-01T10:00:00Z", "is a date"),
        ("2024-01-01 10:00:00 +01:00", "is a date"),
        (".inf", "infinity and not-a-number are not taken"),
        ("-.INF", "infinity and not-a-number are not taken"),
        (".nan", "infinity and not-a-number are not taken"),
        ("1e5", "`1e5` is a number to some readers"),
        ("007.5", "a number does not begin with a zero"),
        ("12345678901234567890", "too long for a number"),
        ("1.0e999", "too large for a number"),
    ],
)
def test_what_readers_of_yaml_disagree_on_is_refused_where_it_stands(scalar: str, core: str) -> None:
    (complaint,) = complaints(f"a: 1\nb: {scalar}\n")
    assert complaint.startswith("f.yaml:2:4: ")
    assert core in complaint
    quoted, problems = parse(f"b: '{scalar}'\n", "f.yaml")
    assert problems == []
    assert quoted is not None
    assert quoted.data == {"b": scalar}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("listen: [::1]:8080\n", 'f.yaml:1:9: `[::1]:8080` begins as a list does (put it in quotes: "[::1]:8080")'),
        (
            "a: {b: [2001:db8::1]:80}\n",
            'f.yaml:1:8: `[2001:db8::1]:80` begins as a list does (put it in quotes: "[2001:db8::1]:80")',
        ),
        ("a: [10.0.0.0/8, ::1]\n", "f.yaml:1:17: a value is expected here (one that begins with `:` stands in quotes)"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key `a` stands here twice (the first is on line 1)"),
        (
            "a: &x 1\nb: *x\n",
            (
                "f.yaml:1:4: `&x`: anchors are not taken (remove it, or quote the value)\n"
                "f.yaml:2:4: `*x`: aliases are not taken (write the value out, or quote it)"
            ),
        ),
        ("a: !!str 1\n", "f.yaml:1:4: `!!str`: tags are not taken (remove it, or quote the value)"),
        ("a: !secret x\n", "f.yaml:1:4: `!secret`: tags are not taken (remove it, or quote the value)"),
        ("a: {<<: {b: 1}}\n", "f.yaml:1:5: `<<`: merge keys are not taken (write the keys out)"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document begins here; a file holds one"),
        ("1: a\n", "f.yaml:1:1: the key `1` is a number (put the key in quotes)"),
        ("true: a\n", "f.yaml:1:1: the key `true` is true or false (put the key in quotes)"),
        (
            "on: a\n",
            "f.yaml:1:1: `on` is true or false to some readers of YAML and text to others (put the key in quotes)",
        ),
        ("? [a]\n: b\n", "f.yaml:1:3: a key must be text, not a list or a mapping"),
        ('a: "x\\0y"\n', "f.yaml:1:4: a text cannot hold the character NUL (remove `\\0`)"),
        (
            "a: x\0y\n",
            "f.yaml:1:5: the character U+0000 cannot stand in a YAML file" + ESCAPED,
        ),
        (
            "a: x\u2028b: y\n",
            "f.yaml:1:5: the character U+2028 cannot stand in a YAML file" + ESCAPED,
        ),
        ("a: {{ resource.id }}\n", 'f.yaml:1:4: a value that begins with `{{` must be in quotes: "{{ … }}"'),
        ("a:\n\t- b\n", "f.yaml:2:1: a tab stands in the indentation; YAML wants spaces"),
        ("a: |\n\tb\n", "f.yaml:2:1: a tab stands where YAML wants spaces"),
        ("a: @b\n", "f.yaml:1:4: a value cannot begin with `@`; put it in quotes"),
        ("a: b: c\n", "f.yaml:1:5: a second `: ` in this value, or a line that is indented wrongly"),
        (
            "a:\n  b: 1\n c: 2\n",
            "f.yaml:3:2: this line does not fit the ones above: wrong indentation, or text after a value",
        ),
        ("x: 1\na: 'b\nc: 1\n", "f.yaml:2:4: the quote that opens here is not closed"),
        ("a: [1, 2\nb: 3\n", "f.yaml:1:4: the `[` that opens here is not closed, or a comma is missing"),
        ("a: - b\n", "f.yaml:1:4: a list cannot begin here; its first `- ` stands on a line of its own"),
        ('a: "\\d"\n', "f.yaml:1:5: an unknown `\\` escape; use single quotes, or write `\\\\`"),
        ("- a\nb: 1\n", "f.yaml:2:1: a list item (`- `) is expected here, or less indentation"),
        ("a: |x\n  b\n", "f.yaml:1:5: text after `|` or `>`; it begins on the next line"),
    ],
)
def test_a_fault_is_told_in_a_sentence_at_its_place(text: str, complaint: str) -> None:
    assert "\n".join(complaints(text)) == complaint


def test_text_after_an_unquoted_template_says_to_quote_it() -> None:
    (complaint,) = complaints("a: {{ x }} and {{ y }}\n")
    assert complaint == 'f.yaml:1:4: a value that begins with `{{` must be in quotes: "{{ … }}"'


def test_all_faults_of_a_file_are_told_at_once_in_order() -> None:
    found = complaints("a: on\nb: 010\na: 2\nc: *d\ne: [12:30:00, {f: 1, f: 2}]\n")
    assert [complaint.split(": ")[0] for complaint in found] == [
        "f.yaml:1:4",
        "f.yaml:2:4",
        "f.yaml:3:1",
        "f.yaml:4:4",
        "f.yaml:5:5",
        "f.yaml:5:22",
    ]


def test_values_that_were_refused_are_marked_so_that_nobody_complains_twice() -> None:
    document, _ = parse("a: 0x1F\nb: [ok, *x]\nc: fine\n", "f.yaml")
    assert document is not None
    assert document.is_spoiled(("a",))
    assert document.is_spoiled(("b", 1, "deeper"))
    assert not document.is_spoiled(("b", 0))
    assert not document.is_spoiled(("c",))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_a_nesting_bomb_is_refused(opening: str) -> None:
    (complaint,) = complaints(opening * 5000)
    assert "nested deeper than 40 levels" in complaint


def test_a_flood_of_values_is_refused() -> None:
    (complaint,) = complaints("[" + "1," * 200_000 + "]")
    assert "more than 100000 values" in complaint


def test_a_text_beyond_the_cap_is_refused() -> None:
    assert complaints("#" * (MAX_BYTES + 1)) == ["f.yaml:1:1: larger than 1024 KiB"]


def test_a_byte_order_mark_moves_no_column() -> None:
    assert complaints("\ufeffa: on\n")[0].startswith("f.yaml:1:4: ")


def test_a_file_is_read_under_the_name_it_is_shown_by(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: é\n", encoding="utf-8")
    document, problems = read(tmp_path / "a.yaml", "a.yaml")
    assert problems == []
    assert document is not None
    assert document.file == "a.yaml"
    assert document.data == {"a": "é"}


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xc3\xa9t\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    for name, message in {
        "absent.yaml": "s:1:1: there is no such file",
        "latin.yaml": "s:2:6: the byte 0xE9 is not UTF-8 (save the file as UTF-8)",
        "large.yaml": "s:1:1: larger than 1024 KiB",
        ".": "s:1:1: not a file",
        "nul\0": "s:1:1: cannot be read: not a path",
        "x" * 300: "s:1:1: cannot be read: File name too long",
    }.items():
        document, problems = read(tmp_path / name, "s")
        assert document is None
        assert [str(problem) for problem in problems] == [message]
