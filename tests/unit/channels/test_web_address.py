"""A message's path stays on the address it is appended to."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.channels.web_address import parse_address, secrets_of, with_path
from memonotify.errors import Reason, SendError
from memonotify.secret import Secret

BASE = httpx.URL("https://erp.example.com:8443/hooks/bank?key=a%20b")


@pytest.mark.parametrize(
    ("path", "appended"),
    [
        ("/a", "/hooks/bank/a"),
        ("a/b/", "/hooks/bank/a/b/"),
        ("/", "/hooks/bank/"),
        ("/é €", "/hooks/bank/%C3%A9%20%E2%82%AC"),
        ("/a%2Bb", "/hooks/bank/a%2Bb"),
        ("/100%", "/hooks/bank/100%25"),
        ("/a?x=1#y", "/hooks/bank/a%3Fx=1%23y"),
        ("/@evil.example/x:1", "/hooks/bank/@evil.example/x:1"),
        ("/...", "/hooks/bank/..."),
    ],
)
def test_a_path_is_appended_before_the_query(path: str, appended: str) -> None:
    url = with_path(BASE, path)
    assert url.raw_path.decode() == appended + "?key=a%20b"
    assert (url.scheme, url.host, url.port) == ("https", "erp.example.com", 8443)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "/../x",
        "/a/../../x",
        "/./x",
        "//evil.example/x",
        "/a//b",
        "/%2e%2E/x",
        "/a%2f..%2fx",
        "/%252e%252e/x",
        "/..;/x",
        "/a\\..\\x",
        "/a%5c..",
        "/a\r\nX: y",
        "/a%0d%0a",
        "/a\0",
    ],
)
def test_a_path_that_could_leave_is_refused(path: str) -> None:
    with pytest.raises(SendError) as caught:
        with_path(BASE, path)
    assert caught.value.reason is Reason.TEMPLATE


@given(st.text(min_size=1, max_size=60))
def test_no_path_leaves_the_address(path: str) -> None:
    try:
        url = with_path(BASE, path)
    except SendError:
        return
    assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "erp.example.com", 8443, b"")
    assert url.raw_path.startswith(b"/hooks/bank/")
    assert url.query == b"key=a%20b"
    assert url.fragment == ""


@pytest.mark.parametrize("text", ["", "example.com", "ftp://x/", "https://", "https://[", "mailto:a@b.c"])
def test_what_is_no_web_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SendError) as caught:
        parse_address(Secret(text))
    assert caught.value.reason is Reason.CONFIGURATION
    assert text in {"", "https://"} or text not in str(caught.value)


def test_every_part_that_may_be_a_credential_is_a_secret() -> None:
    found = set(secrets_of(httpx.URL("https://user:p%40ss@host.example/services/T0/abcdefgh1234?token=tok-en")))
    assert {"p@ss", "abcdefgh1234", "tok-en", "user:p%40ss", "/services/T0/abcdefgh1234?token=tok-en"} <= found
    assert "host.example" not in found
