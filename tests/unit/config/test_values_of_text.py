# ruff: noqa: E501 - a text and what it means are read side by side
"""Durations, addresses to listen on, networks, mail addresses, suggestions: small texts and what they mean."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.channels.mailbox import parse_mailbox
from memonotify.config import checks
from memonotify.config.addresses import parse_listen, parse_network
from memonotify.config.checks import Refusal
from memonotify.config.durations import UNITS_S, format_duration, parse_duration
from memonotify.config.problems import format_problems
from memonotify.config.suggest import did_you_mean
from memonotify.config.values import Listen
from memonotify.errors import Problem

HERE = Path("/etc/memonotify")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("15m", 900), ("24h", 86400), ("90d", 7776000), ("2w", 1209600), ("1.5h", 5400), ("5 s", 5)],
)  # fmt: skip
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a duration is a number and a unit"),
        ("5", "a duration needs a unit: 5s, 5m or 5h"),
        ("5 min", "`min` is not a unit of time"),
        ("5M", "`M` is not a unit of time"),
        ("-5s", "a duration is a number and a unit"),
        ("1h30m", "a duration is a number and a unit"),
        ("٥s", "a duration is a number and a unit"),
        ("999999999999w", "the duration is too long"),
    ],
)
def test_what_is_no_duration_says_what_to_write(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(sorted(UNITS_S)))
def test_a_duration_written_out_reads_back_the_same(count: int, unit: str) -> None:
    seconds = count * UNITS_S[unit]
    if seconds <= 3e11:
        assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(("seconds", "text"), [(900, "15m"), (5, "5s"), (0.25, "250ms"), (86400, "1d"), (90 * 86400, "90d"), (0, "0s"), (90, "90s")])  # fmt: skip
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:8080", Listen(host="127.0.0.1", port=8080)),
        ("localhost:0", Listen(host="localhost", port=0)),
        ("[::1]:8080", Listen(host="::1", port=8080)),
        ("unix:/run/m/web.sock", Listen(unix=Path("/run/m/web.sock"))),
        ("unix:///run/m/web.sock", Listen(unix=Path("/run/m/web.sock"))),
        ("unix:web.sock", Listen(unix=HERE / "web.sock")),
    ],
)
def test_where_to_listen(text: str, listen: Listen) -> None:
    assert parse_listen(text, HERE) == listen


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("8080", "did you mean `127.0.0.1:8080`?"),
        (":8080", "0.0.0.0:8080 listens on every IPv4 address, [::]:8080 on IPv6"),
        ("*:8080", "0.0.0.0:8080 listens on every IPv4 address, [::]:8080 on IPv6"),
        ("::1:8080", "an IPv6 address stands in brackets: [::1]:8080"),
        ("/run/web.sock", "did you mean `unix:/run/web.sock`?"),
        ("http://127.0.0.1:8080", "without http://"),
        ("localhost", "127.0.0.1:8080, [::1]:8080 or unix:/run/memonotify/web.sock"),
        ("unix:", "unix:/run/memonotify/web.sock"),
        ("a b:80", ""),
        ("unix:/" + "x" * 200, ""),
    ],
)
def test_where_nobody_can_listen_is_refused_with_a_way_out(text: str, hint: str) -> None:
    with pytest.raises(Refusal) as raised:
        parse_listen(text, HERE)
    assert raised.value.hint == hint


@given(st.ip_addresses(), st.integers(min_value=0, max_value=65535))
def test_a_listen_address_reads_back_as_it_is_written(address: IPv4Address | IPv6Address, port: int) -> None:
    listen = Listen(host=str(address), port=port)
    assert parse_listen(str(listen), HERE) == listen


@given(st.one_of(st.text(max_size=40), st.from_regex(r"[0-9a-f:.\[\]/*]{0,30}", fullmatch=True)))
def test_no_text_is_read_as_an_address_or_fails_in_another_way(text: str) -> None:
    for parse in (lambda: parse_listen(text, HERE), lambda: parse_network(text)):
        try:
            parse()
        except Refusal as refusal:
            assert str(refusal)


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_address_itself(address: IPv4Address) -> None:
    assert parse_network(f"::ffff:{address}") == IPv4Network(address)
    assert parse_network(f"::ffff:{address}/128") == IPv4Network(address)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:0DB8::/32", "::1", "0.0.0.0/0", "::/0"]
)
def test_addresses_and_networks_of_both_families_are_taken(text: str) -> None:
    assert parse_network(text) == ip_network(text)


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "2001:db8::1/32", "10.0.0.0/33", "10.0.0", "example.com", "", "10.0.0.1-9"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse_network(text)


@pytest.mark.parametrize(
    "text",
    ["a@b.example", "A B <a@b.example>", '"Doe, John" <a@b.example>', "<a@b.example>", "é.à+x@exämple.fr", "root@localhost", "Côté <a@b-c.fr>", "a@[192.0.2.1]", '"A \\"B\\"" <a@b>'],
)  # fmt: skip
def test_mail_addresses_as_people_write_them(text: str) -> None:
    assert checks.mail_address(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@", "@b", "a b@c", "a@b, c@d", "a@b>", "A <a@b", "Doe, John <a@b.c>", "a@b\nBcc: c@d", "a..b@c", "a@-b", "a@b..c", "A <a@b> c", "a@b.c.", "a@::1", "a@[x]", "a@ab--c.\u0301x"],
)  # fmt: skip
def test_what_is_no_mail_address_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        checks.mail_address(text)


_MAIL = st.from_regex(r"([\w \"\\,]{0,6}<)?[\w.+\"]{1,4}@[\w.:\[\]-]{1,12}>?", fullmatch=True)


@given(st.one_of(st.text(), _MAIL))
def test_every_mail_address_that_is_taken_is_one_to_the_channel_as_well(text: str) -> None:
    try:
        address = checks.mail_address(text)
    except Refusal:
        return
    assert parse_mailbox(address).address


@given(st.text())
def test_a_mail_address_never_holds_a_line_break(text: str) -> None:
    try:
        address = checks.mail_address(text)
    except Refusal:
        return
    assert address.isprintable()


@pytest.mark.parametrize(
    "url",
    ["", "erp.example.com", "ftp://a", "https://", "https://a b", "https://a:99999", "https://a:x", "https://[::1", "https://a/#x", "https://a\n", "https://a:0"],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver_is_refused_unseen(url: str) -> None:
    with pytest.raises(Refusal) as raised:
        checks.http_url(url)
    assert not url or url not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://a.example/x?y=z", "http://127.0.0.1:8080", "https://[::1]:8443/a", "https://u:p@a"]
)
def test_addresses_of_receivers(url: str) -> None:
    assert checks.http_url(url) == url


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("http://evil.example/x", "is an address of its own"),
        ("/a/../b", "has a part that is empty, `.` or `..`"),
        ("//evil.example", "has a part that is empty, `.` or `..`"),
        ("/%252e%252e/x", "has a part that is empty, `.` or `..`"),
        ("/a\\b", "holds a backslash or a control character"),
    ],
)
def test_a_path_that_could_leave_the_receivers_address_is_refused(path: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=f"^{re.escape(sentence)}"):
        checks.added_path(path)


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_a", "whsec_abc", "whsec_ab c=", "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a-_="]
)
def test_a_signing_secret_is_whsec_and_base64_and_nothing_else(secret: str) -> None:
    with pytest.raises(Refusal):
        checks.signing_secret(secret)


@pytest.mark.parametrize(
    ("word", "known", "hint"),
    [
        ("allowed-ips", ["listen", "allowed_ips"], "did you mean `allowed_ips`?"),
        ("ChannelS", ["channels"], "did you mean `channels`?"),
        ("xyz", ["channels"], ""),
        ("", ["channels"], ""),
    ],
)
def test_what_was_probably_meant(word: str, known: list[str], hint: str) -> None:
    assert did_you_mean(word, known) == hint


def test_problems_beyond_the_limit_are_counted() -> None:
    problems = [Problem(file="f", line=line, column=1, message="wrong") for line in range(1, 63)]
    lines = format_problems(problems).splitlines()
    assert len(lines) == 51
    assert lines[0] == "f:1:1: wrong"
    assert lines[-1] == "… and 12 more"
    assert format_problems(problems[:2]) == "f:1:1: wrong\nf:2:1: wrong"
