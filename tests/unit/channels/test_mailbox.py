"""One text is one address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.channels.mailbox import encoded_words, parse_mailbox


@pytest.mark.parametrize(
    ("text", "address", "header"),
    [
        ("a@example.com", "a@example.com", "a@example.com"),
        (" a@EXAMPLE.com ", "a@example.com", "a@example.com"),
        ("Treasury <n@example.com>", "n@example.com", "Treasury <n@example.com>"),
        ("<n@example.com>", "n@example.com", "n@example.com"),
        ('"Doe, Jane" <j@example.com>', "j@example.com", '"Doe, Jane" <j@example.com>'),
        ("Doe, Jane <j@example.com>", "j@example.com", '"Doe, Jane" <j@example.com>'),
        ('"a \\"b\\"" <j@example.com>', "j@example.com", '"a \\"b\\"" <j@example.com>'),
        ("x@a.org <j@example.com>", "j@example.com", '"x@a.org" <j@example.com>'),
        ("Zoé <z@example.com>", "z@example.com", "=?utf-8?b?Wm/DqQ==?= <z@example.com>"),
        ("a@exämple.com", "a@xn--exmple-cua.com", "a@xn--exmple-cua.com"),
        ("a@STRASSE.de", "a@strasse.de", "a@strasse.de"),
        ("root@localhost", "root@localhost", "root@localhost"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a+b.c@sub.example.com", "a+b.c@sub.example.com", "a+b.c@sub.example.com"),
    ],
)
def test_an_address_is_understood(text: str, address: str, header: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.address, mailbox.header()) == (address, header)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nobody",
        "@example.com",
        "a@",
        "a b@example.com",
        "a@exa mple.com",
        "a@b@example.com",
        "a@example.com, b@example.com",
        "a@example.com;b@example.com",
        "a@example.com\r\nRCPT TO:<b@example.com>",
        "a@example.com> SIZE=1",
        "a@example.com>",
        "<a@example.com> <b@example.com",
        "a@-example.com",
        "a@example..com",
        "a@.",
        "a\u2028b@example.com",
        "a\u200bb@example.com",
        "x" * 250 + "@example.com",
        "a@\ud800.com",
    ],
)
def test_what_is_no_single_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_mailbox(text)


@given(st.text(max_size=60), st.text(max_size=30))
def test_no_address_carries_what_would_end_a_command(name: str, tail: str) -> None:
    for text in (name, f"{name} <a@example.com>{tail}", f"{name}@{tail}"):
        try:
            mailbox = parse_mailbox(text)
        except ValueError:
            continue
        assert not set(mailbox.address) & set(' \t\r\n\0<>,;"\\\u2028\u2029\x85')
        assert mailbox.domain.isascii()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_encoded_words_are_short_and_whole(text: str) -> None:
    for word in encoded_words(text).split("\r\n "):
        assert len(word) <= 75
        assert word.startswith("=?utf-8?b?")
