# ruff: noqa: E501 - a fault and its sentence are read side by side
"""One fault in a copy of a complete configuration: told once, with file, line, column and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memonotify.config.loader import read_config
from memonotify.yamlsource.faults import split_lines

from .conftest import COMPLETE, Folder

Change = Callable[[str, str], str]


@pytest.mark.parametrize(
    ("old", "new", "place", "core"),
    [
        # the text itself
        ("  listen: 127.0.0.1:9280", "\tlisten: 127.0.0.1:9280", "7:1", "a tab stands in the indentation; YAML wants spaces"),
        ("store: sqlite", "locale: fr_FR\nstore: sqlite", "24:1", "the key `locale` stands here twice (the first is on line 10)"),
        ("port: 587", "port: 0587", "30:11", "`0587` is an octal number to some readers of YAML and a decimal one to others (quote it if it is text)"),
        ("locale: fr_FR", "locale: no", "23:9", "`no` is true or false to some readers of YAML and text to others (write `false`, or quote it)"),
        ("retry:", "retry: &r", "46:8", "`&r`: anchors are not taken (remove it, or quote the value)"),
        ("to: [finance@example.com]", "to: *r", "35:9", "`*r`: aliases are not taken (write the value out, or quote it)"),
        ("first: 5s", "first: 12:30:00", "47:10", "`12:30:00` is a number in base sixty to some readers of YAML (quote it if it is text)"),
        ("{X-Source: memonotify}", "{X-Source: memonotify", "43:14", "the `{` that opens here is not closed, or a comma is missing"),
        ("store: sqlite", " store: sqlite", "10:2", "this line does not fit the ones above: wrong indentation, or text after a value"),
        ("templates: templates", "resource_types: {invoice: /v2/{id}}", "54:31", "the `{` is not closed, or a comma is missing (a text that holds `{` stands in quotes here)"),
        # its shape
        ("channels:", "chanels:", "26:1", "unknown key `chanels` (did you mean `channels`?)"),
        ("trusted_proxies:", "trusted-proxies:", "4:3", "unknown key `trusted-proxies` in `server` (did you mean `trusted_proxies`?)"),
        ("    host: smtp.example.com\n", "", "27:3", "`host` is missing in `channels.finance-mail`"),
        ("    host: smtp", "    hots: smtp", "29:5", "unknown key `hots` in `channels.finance-mail` (did you mean `host`?)"),
        ("type: slack", "type: slak", "37:11", "`type` is `slak`, which is not one of `email`, `slack`, `http` (did you mean `slack`?)"),
        ("    type: http\n", "", "39:3", "`type` is missing in `channels.erp`"),
        ("    type: http\n", "    typ: http\n", "40:5", "unknown key `typ` in `channels.erp` (did you mean `type`?)"),
        ("security: starttls", "security: startls", "31:15", "`security` is `startls`, which is not one of `starttls`, `tls`, `none` (did you mean `starttls`?)"),
        ("port: 587", "port: 70000", "30:11", "`port` must be at most 65535"),
        ("port: 587", 'port: "587"', "30:11", "`port` must be a whole number, not text (remove the quotes)"),
        ("port: 587", "port: ${env:ADMIN_TOKEN}", "30:11", "`port` must be a whole number, not text (a ${…} reference gives text, so it cannot stand here)"),
        ("method: POST", "method: post", "42:13", "`method` is `post`, which is not one of `POST`, `PUT`, `PATCH` (did you mean `POST`?)"),
        ("[beta-token]", "beta-token", "21:13", "`tokens` must be a list, not text (write it as a list: [ … ])"),
        ("[beta-token]", "[]", "21:13", "`tokens` is an empty list"),
        ("name: beta", "name: be/ta", "20:11", "a name has letters, digits, `-` and `_`, begins with a letter or digit, and has 64 at most"),
        ("  treasury-slack:", "  treasury slack:", "36:3", "a name has letters, digits, `-` and `_`, begins with a letter or digit, and has 64 at most"),
        ("first: 5s", "first: 5", "47:10", "`first` must be text, not a number (a duration is a number and a unit, such as 500ms, 5s, 15m, 24h, 90d or 2w)"),
        ("max: 15m", "max: 15 min", "48:8", "a duration is a number and a unit, such as 500ms, 5s, 15m, 24h, 90d or 2w"),
        ("templates: templates", "templates:", "54:11", "`templates` is empty (give it a value or remove it)"),
        ("templates: templates", "hours: {}", "54:8", "`hours` is empty"),
        # its meaning
        ("${env:ADMIN_TOKEN}", "${env:ADMIN_TOKN}", "8:10", "`token`: the environment variable ADMIN_TOKN is not set"),
        ("${env:ADMIN_TOKEN}", "${enw:ADMIN_TOKEN}", "8:10", "`token`: `enw` is no kind of reference (did you mean `env`?)"),
        ("${env:ADMIN_TOKEN}", "${ADMIN_TOKEN}", "8:10", "`token`: `${ADMIN_TOKEN}` does not say where to look (did you mean `${env:ADMIN_TOKEN}`?)"),
        ("${env:ADMIN_TOKEN}", "${env:ADMIN_TOKEN", "8:10", "`token`: a `${` is not closed (write `$${` for a plain `${`)"),
        ("${file:secrets/acme.pem}", "${file:secrets/acme.key}", "19:20", "`private_key`: the file secrets/acme.key is not there"),
        ("${file:secrets/acme.pem}", "${file:rules/one.yaml}", "19:20", "`private_key`: is not a private key in PEM form (it begins with -----BEGIN PRIVATE KEY-----)"),
        ("${credential:acme_secret}", "${credential:acme_secre}", "18:15", "`secret`: the credential acme_secre is not there"),
        ("listen: 127.0.0.1:8080", "listen: 127.0.0.1", "2:11", "`listen`: `127.0.0.1` is not host:port (127.0.0.1:8080, [::1]:8080 or unix:/run/memonotify/web.sock)"),
        ("listen: 127.0.0.1:8080", "listen: 127.0.0.1:80800", "2:11", "`listen`: there is no port 80800 (ports go from 0 (any free one) to 65535)"),
        ("listen: 127.0.0.1:9280", "listen: 127.0.0.1:8080", "7:11", "`listen`: 127.0.0.1:8080 is where the webhook listens (the two need an address each)"),
        ("[memo-bank]", "[memobank]", "3:17", "item 1 of `allowed_ips`: `memobank` is not an address (did you mean `memo-bank`?)"),
        ("[memo-bank]", "[memo-bank, 10.0.0.1/8]", "3:28", "item 2 of `allowed_ips`: `10.0.0.1/8` has bits set behind its prefix (did you mean `10.0.0.0/8`?)"),
        ("[memo-bank]", "[memo-bank, any]", "3:28", "`any` stands alone (remove it, or the others)"),
        ("sqlite:///var/memonotify.db", "postgres://me@db/x", "10:8", "`store`: a store on PostgreSQL begins with postgresql:// (postgresql://user@host/database)"),
        ("sqlite:///var/memonotify.db", "sqlite://var.db", "10:8", "`store`: needs a file after sqlite:/// (sqlite:///var/memonotify.db, or postgresql://user@host/database)"),
        ("name: beta", "name: acme", "20:11", "there are two workspaces `acme` (a name stands for one company)"),
        ("[beta-token]", "[acme-token]", "21:14", "item 1 of `tokens`: workspace `acme` has the same token (each workspace needs a token of its own)"),
        ("[beta-token]", '["beta token"]', "21:14", "item 1 of `tokens`: holds a blank, a line break or a character beyond ASCII"),
        ("https://api.memo.bank", "https://api.memo.bank/v2", "16:17", "`base_url`: has a path or a query (write `https://api.memo.bank`; /v2/ is added)"),
        ("https://api.memo.bank", "api.memo.bank", "16:17", "`base_url`: does not begin with https:// or http://"),
        ("https://erp.example.com/hooks/bank", "htps://erp.example.com", "41:10", "`url`: does not begin with https:// or http://"),
        ("locale: fr_FR", "locale: fr_FRA", "23:9", "`locale`: `fr_FRA` is not a known locale (did you mean `fr_FR`?)"),
        ("Europe/Paris", "Europe/Pari", "24:11", "`timezone`: `Europe/Pari` is not a known time zone (did you mean `Europe/Paris`?)"),
        ("host: smtp.example.com", "host: smtp.example.com:587", "29:11", "`host`: `smtp.example.com:587` is not the name of a host (the port has a key of its own)"),
        ("Treasury <notify@example.com>", "Treasury notify@example.com", "34:11", "`from`: `Treasury notify@example.com` is not a mail address (name@example.com, or Name <name@example.com>)"),
        ("[finance@example.com]", "[finance@example.com, cfo]", "35:31", "item 2 of `to`: `cfo` is not a mail address (name@example.com, or Name <name@example.com>)"),
        ("    password: ${env:SMTP_PASSWORD}\n", "", "32:5", "`username` needs `password` beside it"),
        ("X-Source:", "X Source:", "43:15", "`X Source` is not the name of a header"),
        ("X-Source:", "Webhook-Id:", "43:15", "the header `Webhook-Id` is set by memonotify itself"),
        ("{X-Source: memonotify}", "{X-A: a, x-a: b}", "43:23", "the header `x-a` stands here twice (it is the same as `X-A`)"),
        ("${env:ERP_SECRET}", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "44:21", "`signing_secret`: does not begin with `whsec_`"),
        ("${env:ERP_SECRET}", "whsec_not-base64!", "44:21", "`signing_secret`: is not base64 after `whsec_`"),
        ("max: 15m", "max: 1s", "47:10", "`first`: the first wait is longer than the longest (first is 5s, max is 1s, give_up_after is 1d)"),
        ("channel: finance-mail", "channel: finance_mial", "51:23", "there is no channel `finance_mial` (did you mean `finance-mail`?)"),
        ("channel: finance-mail", "channel: erp", "51:28", "`to` is for mail, and `erp` is of type http (remove it)"),
        ("ops@example.com", "ops@", "51:42", "item 1 of `to`: `ops@` is not a mail address (name@example.com, or Name <name@example.com>)"),
        ("rules: [rules/*.yaml]", "rules: [rules/*.yaml, rules/two.yaml]", "53:23", "item 2 of `rules`: there is no file `rules/two.yaml`"),
        ("templates: templates", "retention: 30d", "54:12", "`retention` must be at least 90d (an event's id must be known for so long)"),
        ("templates: templates", "resource_types:\n  invoice: /v1/{id}", "55:12", "`invoice`: `/v1/{id}` is not a path of the bank's API (such as /v2/invoices/{id})"),
        ("templates: templates", "resource_types: {invoice: /v2/invoices}", "54:27", "`invoice`: `/v2/invoices` needs `{id}` once (such as /v2/invoices/{id})"),
    ],
)  # fmt: skip
def test_a_single_fault_is_told_once_at_its_place(
    old: str, new: str, place: str, core: str, folder: Folder, change: Change
) -> None:
    (complaint,) = folder.complaints(change(old, new))
    assert complaint.startswith(f"config.yaml:{place}: {core}")


def test_faults_of_text_shape_and_meaning_are_told_together(folder: Folder, change: Change) -> None:
    text = change("port: 587", "prot: 587")
    for old, new in {
        "timezone: Europe/Paris": "timezone: on",
        "${env:SLACK_URL}": "${env:NOWHERE}",
        "method: POST": "method: FETCH",
        "whsec": "x",
        "name: beta": "name: acme",
        "ops@example.com": "ops",
    }.items():
        text = text.replace(old, new)
    assert [complaint.split(": ")[0] for complaint in folder.complaints(text)] == [
        "config.yaml:20:11",
        "config.yaml:24:11",
        "config.yaml:30:5",
        "config.yaml:38:10",
        "config.yaml:42:13",
        "config.yaml:51:42",
    ]


def test_a_fault_of_shape_hides_no_fault_of_meaning_beside_it(folder: Folder, change: Change) -> None:
    text = change("    security: starttls\n", "    security: tsl\n").replace(
        "host: smtp.example.com", "host: smtp example"
    )
    assert [complaint.split(": ")[0] for complaint in folder.complaints(text)] == ["config.yaml:29:11", "config.yaml:31:15"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "config.yaml:1:1: the file is empty"),
        ("- a\n", "config.yaml:1:1: the file must be a mapping, not a list"),
        ("{}\n", "config.yaml:1:1: `workspaces` is missing\nconfig.yaml:1:1: `channels` is missing\nconfig.yaml:1:1: `rules` is missing"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_configuration_is_told_so(text: str, complaint: str, folder: Folder) -> None:
    assert "\n".join(folder.complaints(text)) == complaint


_LINES = COMPLETE.splitlines()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=len(_LINES) - 1),
            st.sampled_from(["cut", "empty", "list", "number", "text", "junk", "indent"]),
            st.text(max_size=8),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_however_a_configuration_is_mangled_every_problem_has_a_place_inside_it(
    folder: Folder, edits: list[tuple[int, str, str]]
) -> None:
    lines = list(_LINES)
    for index, edit, junk in edits:
        key = lines[index].split(": ")[0]
        replaced = {
            "cut": "",
            "empty": f"{key}:",
            "list": f"{key}: [1, [x], {{}}]",
            "number": f"{key}: 7",
            "text": f"{key}: '${{env:X}}'",
            "junk": f"{key}: {junk}",
            "indent": f" {lines[index]}",
        }
        lines[index] = replaced[edit]
    text = "\n".join(lines)
    (folder.path / "config.yaml").write_text(text, encoding="utf-8", newline="")
    for resolve in (True, False):
        reading = read_config(Path("config.yaml"), environ=folder.environ, resolve=resolve)
        assert reading.loaded is not None or reading.problems
        source = split_lines(text)
        for problem in reading.problems:
            assert 1 <= problem.line <= len(source)
            assert 1 <= problem.column <= len(source[problem.line - 1]) + 1
            assert problem.message
