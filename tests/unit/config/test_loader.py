# ruff: noqa: E501 - a text and what it means are read side by side
"""What a complete configuration loads as, its defaults and notes, and that secrets stay where they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest

from memonotify import catalogue
from memonotify.config import loader
from memonotify.config.loader import find_config, read_config
from memonotify.config.values import EmailConfig, HttpConfig, Listen, Rate, SlackConfig
from memonotify.errors import ConfigError
from memonotify.secret import Secret

from .conftest import COMPLETE, ENVIRON, Folder

Change = Callable[[str, str], str]

SMALLEST = """\
workspaces:
  - {name: acme, tokens: [t0ken]}
channels:
  erp: {type: http, url: "https://erp.example.com"}
rules: [rules/*.yaml]
"""


def test_a_complete_configuration_loads_with_its_references_read(folder: Folder, rsa_pem: str) -> None:
    loaded = folder.load()
    config = loaded.config
    assert loaded.notes == ()
    assert config.path == folder.path / "config.yaml"
    assert config.store == f"sqlite:///{folder.path}/var/memonotify.db"
    assert config.templates == folder.path / "templates"
    assert config.admin.token == Secret("adm1n")
    acme = config.workspace("acme")
    assert acme is not None
    assert acme.tokens == (Secret("acme-token"),)
    assert acme.api is not None
    assert acme.api.base_url == "https://api.memo.bank"
    assert acme.api.secret == Secret("the-secret-code")
    assert acme.api.private_key == Secret(rsa_pem.rstrip("\n"))
    mail, slack, erp = config.channels.values()
    assert isinstance(mail, EmailConfig)
    assert (mail.host, mail.port, mail.security, mail.from_) == (
        "smtp.example.com",
        587,
        "starttls",
        "Treasury <notify@example.com>",
    )
    assert mail.password == Secret("pa55 word")
    assert isinstance(slack, SlackConfig)
    assert slack.url == Secret("https://hooks.slack.com/services/T0/B0/sl4ck")
    assert isinstance(erp, HttpConfig)
    assert erp.headers == {"X-Source": Secret("memonotify")}
    assert config.on_failure is not None
    assert config.on_failure.to == ("ops@example.com",)


def test_all_but_workspaces_channels_and_rules_has_a_default(folder: Folder) -> None:
    config = folder.load(SMALLEST).config
    assert config.server.listen == Listen(host="127.0.0.1", port=8080)
    assert config.server.allowed_ips == tuple(ip_network(address) for address in catalogue.WEBHOOK_ADDRESSES)
    assert config.server.trusted_proxies == ()
    assert config.server.max_backlog is None
    assert config.admin.listen == Listen(host="127.0.0.1", port=9280)
    assert config.admin.token is None
    assert config.store == f"sqlite:///{folder.path}/var/memonotify.db"
    assert (config.locale, config.timezone) == ("fr_FR", "Europe/Paris")
    assert (config.retry.first_s, config.retry.max_s, config.retry.give_up_after_s) == (5, 900, 86400)
    assert config.retention_s == 90 * 86400
    assert config.watch is False
    assert config.on_failure is None


@pytest.mark.parametrize(
    ("channel", "concurrency", "rate", "timeout_s"),
    [
        ("{type: http, url: 'https://a.example'}", 8, None, 10),
        ("{type: slack, url: 'https://a.example'}", 1, Rate(count=1, per_s=1), 10),
        ("{type: email, host: a.example, from: a@b.example}", 2, None, 30),
        ("{type: email, host: a, from: a@b, concurrency: 5, timeout: 1m, rate: {count: 3, per: 1m}}", 5, Rate(count=3, per_s=60), 60),
    ],
)  # fmt: skip
def test_each_kind_of_channel_has_its_own_pace(
    channel: str, concurrency: int, rate: Rate | None, timeout_s: float, folder: Folder
) -> None:
    text = SMALLEST.replace('{type: http, url: "https://erp.example.com"}', channel)
    erp = folder.load(text).config.channels["erp"]
    assert (erp.concurrency, erp.rate, erp.timeout_s) == (concurrency, rate, timeout_s)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_follows_the_security(security: str, port: int, folder: Folder) -> None:
    channel = f"{{type: email, host: a.example, from: a@b.example, security: {security}}}"
    mail = folder.load(SMALLEST.replace('{type: http, url: "https://erp.example.com"}', channel)).config.channels["erp"]
    assert isinstance(mail, EmailConfig)
    assert mail.port == port


def test_any_alone_turns_the_address_check_off(folder: Folder) -> None:
    assert folder.load(SMALLEST + "server: {allowed_ips: [any]}\n").config.server.allowed_ips is None


def test_names_and_networks_stand_side_by_side(folder: Folder) -> None:
    text = SMALLEST + 'server: {allowed_ips: [memo-bank-sandbox, 10.0.0.0/8, "2001:db8::/32", "::ffff:192.0.2.1"]}\n'
    assert folder.load(text).config.server.allowed_ips == (
        *(ip_network(address) for address in catalogue.SANDBOX_ADDRESSES),
        ip_network("10.0.0.0/8"),
        ip_network("2001:db8::/32"),
        ip_network("192.0.2.1/32"),
    )


def test_resource_types_are_added(folder: Folder) -> None:
    text = SMALLEST + "resource_types:\n  invoice: /v2/invoices/{id}\n"
    assert folder.load(text).config.resource_types == {"invoice": "/v2/invoices/{id}"}


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("[rules/*.yaml]", "[rules/*.yaml, more/*.yaml]", "config.yaml:53:23: no file matches `more/*.yaml`"),
        ("https://erp", "http://erp", "config.yaml:41:10: messages go over the network in the clear (use https://)"),
        ("https://api.memo", "http://api.memo", "config.yaml:16:17: calls to the bank go over the network in the clear (use https://)"),
        ("security: starttls", "security: none", "config.yaml:31:15: the password goes over the network in the clear (use starttls or tls)"),
        ("[127.0.0.1]", "[0.0.0.0/0]", "config.yaml:4:21: every caller may claim to come from any address"),
        ("[beta-token]", "[beta-token, beta-token]", "config.yaml:21:26: the same token stands here twice"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_note_and_no_problem(
    old: str, new: str, note: str, folder: Folder, change: Change
) -> None:
    assert [str(found) for found in folder.load(change(old, new)).notes] == [note]


def test_loopback_needs_no_encryption(folder: Folder, change: Change) -> None:
    text = change("https://api.memo.bank", "http://127.0.0.1:8900").replace(
        "https://erp.example.com", "http://localhost"
    )
    assert folder.load(text).notes == ()


def test_without_secrets_it_loads_where_none_is_asked_for(folder: Folder, change: Change) -> None:
    folder.environ.clear()
    text = change("${file:secrets/acme.pem}", "${file:absent.pem}")
    config = folder.load(text, resolve=False).config
    assert isinstance(config.channels["treasury-slack"], SlackConfig)
    assert folder.complaints(text) != []


def test_without_secrets_what_is_written_wrongly_is_still_told(folder: Folder, change: Change) -> None:
    folder.environ.clear()
    text = change("${env:ADMIN_TOKEN}", "${enw:ADMIN_TOKEN}").replace("port: 587", "port: 0")
    assert folder.complaints(text, resolve=False) == [
        "config.yaml:8:10: `token`: `enw` is no kind of reference (did you mean `env`?)",
        "config.yaml:30:11: `port` must be at least 1",
    ]


def test_no_secret_shows_in_the_configuration(folder: Folder, rsa_pem: str) -> None:
    config = folder.load().config
    shown = repr(config) + str(config)
    for secret in (*ENVIRON.values(), "the-secret-code", "beta-token", rsa_pem[40:80]):
        assert secret == "thumb" or secret not in shown
    with pytest.raises(TypeError):
        pickle.dumps(config.admin.token)


@pytest.mark.parametrize("key", ["listen", "locale", "host", "from", "port", "base_url", "url", "store", "allowed_ips"])
def test_a_secret_in_the_wrong_place_shows_in_no_problem(key: str, folder: Folder) -> None:
    folder.environ["ODD"] = "hunter2 is\tno value of any key"
    reference = "[${env:ODD}]" if key == "allowed_ips" else "${env:ODD}"
    lines = [
        line.split(": ")[0] + f": {reference}" if line.strip().startswith(f"{key}: ") else line
        for line in COMPLETE.splitlines()
    ]
    complaints = folder.complaints("\n".join(lines))
    assert complaints
    assert not any("hunter2" in complaint for complaint in complaints)


def test_a_broken_key_is_never_shown(folder: Folder) -> None:
    (folder.path / "secrets/acme.pem").write_text("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
    (complaint,) = folder.complaints(COMPLETE)
    assert "c2VjcmV0" not in complaint
    assert complaint.startswith("config.yaml:19:20: `private_key`: is not a private key in PEM form")


def test_a_configuration_with_problems_can_be_read_as_far_as_it_goes(folder: Folder, change: Change) -> None:
    (folder.path / "config.yaml").write_text(change("type: slack", "type: slak").replace("port: 587", "port: x"))
    reading = read_config(Path("config.yaml"), environ=folder.environ)
    assert len(reading.problems) == 2
    assert reading.loaded is not None
    assert {name: channel.type for name, channel in reading.loaded.config.channels.items()} == {
        "finance-mail": "email",
        "treasury-slack": "slack",
        "erp": "http",
    }


def test_tls_needs_a_certificate_and_its_key(folder: Folder) -> None:
    tls = SMALLEST + "server: {tls: {certificate: rules/one.yaml, key: secrets/acme.pem}}\n"
    (complaint,) = folder.complaints(tls)
    assert complaint.startswith("config.yaml:6:29: `certificate` and `key` cannot be used together")
    assert folder.complaints(tls.replace("one.yaml", "two.yaml")) == [
        "config.yaml:6:29: `certificate`: there is no file `rules/two.yaml`"
    ]
    assert folder.complaints(tls, resolve=False) == []


def test_a_ca_file_holds_certificates(folder: Folder) -> None:
    channel = "{type: http, url: 'https://a.example', ca_file: rules/one.yaml}"
    text = SMALLEST.replace('{type: http, url: "https://erp.example.com"}', channel)
    (complaint,) = folder.complaints(text)
    assert complaint.startswith("config.yaml:4:56: `ca_file` holds no certificates in PEM form")


def test_on_failure_needs_somebody_to_write_to(folder: Folder, change: Change) -> None:
    text = change("    to: [finance@example.com]\n", "").replace(", to: [ops@example.com]", "")
    assert folder.complaints(text) == [
        "config.yaml:50:23: `finance-mail` has no recipients of its own (name them here with `to`)"
    ]


def test_the_configuration_is_found_here_or_where_the_system_keeps_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = folder.path / "etc.yaml"
    monkeypatch.setattr(loader, "SEARCHED", (Path("config.yaml"), system))
    with pytest.raises(ConfigError, match=r"config.yaml:1:1: there is no config.yaml here and no .*etc.yaml"):
        find_config(None)
    system.touch()
    assert find_config(None) == system
    Path("config.yaml").touch()
    assert find_config(None) == Path("config.yaml")
    assert find_config(Path("other.yaml")) == Path("other.yaml")


def test_a_configuration_that_is_not_there_is_a_problem_of_its_own(folder: Folder) -> None:
    with pytest.raises(ConfigError, match=r"^absent.yaml:1:1: there is no such file$"):
        loader.load_config(Path("absent.yaml"), environ=folder.environ)


@pytest.mark.parametrize("patterns", ["[regles/*.yaml]", "['regles/*.yaml', 'more/*.yaml']"])
def test_patterns_of_rule_files_that_match_nothing_at_all_are_a_problem(
    folder: Folder, change: Change, patterns: str
) -> None:
    first, *_ = folder.complaints(change("[rules/*.yaml]", patterns))
    assert first.startswith("config.yaml:53:9: no rule files match `regles/*.yaml` (")
    assert str(folder.path) in first


def test_a_rule_file_that_is_not_there_is_left_to_this_problem_alone(folder: Folder, change: Change) -> None:
    (folder.path / "config.yaml").write_text(change("[rules/*.yaml]", "[rules/*.yaml, rules/two.yaml]"), "utf-8")
    reading = read_config(Path("config.yaml"), environ=folder.environ)
    assert len(reading.problems) == 1
    assert reading.loaded is not None
    assert reading.loaded.config.rules == ("rules/*.yaml",)
