"""What is shown of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.channels.redaction import SHOWN_CHARACTERS, Redactor

URL = "https://hooks.slack.com/services/T00/B00/abcdefgh12345678"


@pytest.mark.parametrize(
    "text",
    [
        f"cannot POST {URL}",
        '{"url": "' + URL.replace("/", "\\/") + '"}',
        f"x{'y' * 180} {URL}",
        "token s3cret value",
        "word bearer-token-9 alone",
        "password p\\u00e4ss-word",
        "pass%2Fword and pass/word",
        "broken s3cret\nvalue",
    ],
)
def test_no_spelling_of_a_secret_is_shown(text: str) -> None:
    shown = Redactor([URL, "s3cret value", "Bearer bearer-token-9", "päss-word", "pass%2Fword"]).shown(text)
    for secret in (URL, "abcdefgh12345678", "s3cret value", "bearer-token-9", "u00e4ss", "pass/word", "pass%2Fword"):
        assert secret not in shown


def test_short_values_do_not_mask_everything() -> None:
    assert Redactor(["a", "on", ""]).shown("a is on") == "a is on"


def test_without_secrets_the_text_is_shown() -> None:
    assert Redactor([]).shown(b"no \xff\xc3\xa9") == "no \ufffdé"


@given(st.text(st.characters(exclude_categories=[]), max_size=1000))
def test_what_is_shown_is_one_short_printable_line(text: str) -> None:
    shown = Redactor(["secret"]).shown(text)
    assert len(shown) <= SHOWN_CHARACTERS
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert "\x1b" not in shown
