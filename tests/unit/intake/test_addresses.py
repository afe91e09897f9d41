"""Who calls, and who may."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memonotify.intake.addresses import MAX_HOPS, client_address, is_allowed, parse_address

BANK = "35.181.64.230"
PROXY = "10.0.0.7"
TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def _client(peer: str | None, forwarded: list[str] | None = None, xff: list[str] | None = None) -> str | None:
    found = client_address(peer, forwarded or [], xff or [], TRUSTED)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        (" 1.2.3.4 ", "1.2.3.4"),
        ("1.2.3.4:8080", "1.2.3.4"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("[::ffff:1.2.3.4]:1", "1.2.3.4"),
        ("unknown", None),
        ("_hidden", None),
        ("01.2.3.4", None),
        ("fe80::1%eth0", None),
        ("", None),
    ],
)
def test_an_address_is_read_in_every_form_it_comes_in(text: str, address: str | None) -> None:
    assert parse_address(text) == (None if address is None else ip_address(address))


def test_a_stranger_cannot_speak_for_others() -> None:
    assert _client("203.0.113.9", [f"for={BANK}"], [BANK]) == "203.0.113.9"


def test_a_trusted_proxy_speaks_for_the_client() -> None:
    assert _client(PROXY, xff=[BANK]) == BANK
    assert _client(PROXY, forwarded=[f"for={BANK};proto=https;by={PROXY}"]) == BANK


def test_what_stands_left_of_the_client_is_not_believed() -> None:
    assert _client(PROXY, xff=[f"{BANK}, 203.0.113.9"]) == "203.0.113.9"
    assert _client(PROXY, forwarded=[f"for={BANK}, for=203.0.113.9"]) == "203.0.113.9"


def test_a_chain_of_trusted_proxies_is_walked() -> None:
    assert _client(PROXY, xff=[f"{BANK}, 10.1.1.1", "10.2.2.2"]) == BANK


def test_the_leftmost_counts_where_all_are_trusted() -> None:
    assert _client(PROXY, xff=["10.3.3.3, 10.1.1.1"]) == "10.3.3.3"
    assert _client(PROXY) == PROXY


def test_forwarded_wins_over_x_forwarded_for() -> None:
    assert _client(PROXY, ["for=203.0.113.9"], [BANK]) == "203.0.113.9"


def test_quoted_and_ipv6_forms_of_forwarded_are_read() -> None:
    assert _client(PROXY, ['For="[2001:db8:cafe::17]:4711"']) == "2001:db8:cafe::17"
    assert _client(PROXY, [f'proto=http;by="a,b;for={BANK}";for="1.2.3.4:80"']) == "1.2.3.4"


@pytest.mark.parametrize(
    "hop",
    [
        "unknown",
        "for=unknown",
        "proto=https",
        "for=_gazonk",
        "for=",
        'for=""',
        ";",
        "\x1c",
        "for=1.1.1.1;for=2.2.2.2",
        f"for={BANK};garbage",
        f'for={BANK};x="never closed',
        f'for={BANK};x="y"z',
        f'for="{BANK}\\',
    ],
)
def test_a_hop_that_names_nobody_is_nobody(hop: str) -> None:
    assert _client(PROXY, [hop]) is None


@pytest.mark.parametrize(
    "lines",
    [
        [f"{BANK},"],
        [f",{BANK}, ,\t"],
        [BANK, ""],
        ["", f" , {BANK}", ", ,"],
    ],
)
def test_empty_elements_of_either_header_are_skipped(lines: list[str]) -> None:
    assert _client(PROXY, xff=lines) == BANK
    assert _client(PROXY, forwarded=[line.replace(BANK, f"for={BANK};") for line in lines]) == BANK


def test_a_header_without_any_element_says_nothing() -> None:
    assert _client(PROXY, xff=["", " , "]) == PROXY
    assert _client(PROXY, forwarded=["", ","], xff=[BANK]) == BANK


def test_empty_elements_are_no_hops() -> None:
    assert _client(PROXY, xff=[BANK + "," * (2 * MAX_HOPS)]) == BANK


def test_quoted_pairs_of_forwarded_are_unescaped() -> None:
    assert _client(PROXY, [r'for="\35.181.64.230"']) == BANK
    assert _client(PROXY, [r'by="\"for=1.2.3.4\"";for="\[2001:db8::1\]:80"']) == "2001:db8::1"


def test_a_callers_open_quote_does_not_swallow_what_the_proxy_adds() -> None:
    callers = f'for={BANK};x="'
    assert _client(PROXY, [callers, "for=203.0.113.9"]) == "203.0.113.9"
    assert _client(PROXY, [f"{callers}, for=203.0.113.9"]) is None
    assert _client(PROXY, [f'{callers}, for="[2001:db8::1]:80"']) is None


def test_an_endless_chain_of_trusted_proxies_is_nobody() -> None:
    assert _client(PROXY, xff=[", ".join(["10.0.0.1"] * (MAX_HOPS + 1))]) is None


def test_the_peer_of_a_unix_socket_is_this_machine() -> None:
    assert _client(None, xff=[BANK]) == BANK
    assert _client(None) is None


def test_a_mapped_peer_is_its_ipv4_address() -> None:
    assert _client(f"::ffff:{PROXY}", xff=[f"::ffff:{BANK}"]) == BANK


def test_only_listed_addresses_are_allowed_and_nobody_never_is() -> None:
    allowed = (ip_network(f"{BANK}/32"), ip_network("2001:db8::/32"))
    assert is_allowed(IPv4Address(BANK), allowed)
    assert is_allowed(IPv6Address("2001:db8::5"), allowed)
    assert not is_allowed(IPv4Address("35.181.64.231"), allowed)
    assert not is_allowed(None, allowed)
    assert is_allowed(None, None)


_ADDRESSES = st.ip_addresses().map(str)


@given(st.lists(_ADDRESSES, max_size=6), st.lists(_ADDRESSES, max_size=6))
def test_nothing_to_the_left_of_the_client_changes_the_answer(left: list[str], right: list[str]) -> None:
    client = "203.0.113.9"
    chain = [*left, client, *(["10.1.2.3"] * len(right))]
    assert _client(PROXY, xff=[", ".join(chain)]) == client


_FORWARDED = st.text(st.sampled_from(f'for={BANK};x=",\\ ') | st.characters(), max_size=40)


@given(_FORWARDED, st.sampled_from(["for=203.0.113.9", 'for="203.0.113.9:80";proto=https', 'by=x;for="203.0.113.9"']))
def test_no_caller_can_write_a_forwarded_that_hides_its_address(left: str, added: str) -> None:
    assert _client(PROXY, [left, added]) == "203.0.113.9"
    assert _client(PROXY, [f"for={BANK}{left}, {added}"]) in {"203.0.113.9", None}


@given(st.lists(st.text(max_size=30), max_size=4), st.lists(st.text(max_size=30), max_size=4))
def test_no_header_raises(forwarded: list[str], xff: list[str]) -> None:
    client_address(PROXY, forwarded, xff, TRUSTED)
