"""Secrets in plain text, and files of secrets that others may read, are noted and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from memonotify.config.exposure import exposed_secrets
from memonotify.yamlsource import parse

SECRET = "s3cret-v4lue"


def notes(text: str, folder: Path = Path("/nowhere")) -> list[str]:
    document, problems = parse(text, "config.yaml")
    assert document is not None
    assert not problems
    found = list(exposed_secrets(document, folder))
    assert {note.severity for note in found} <= {"note"}
    return [str(note) for note in found]


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        (f"admin: {{token: {SECRET}}}", "1:16", "`token` stands"),
        (f"workspaces: [{{name: a, tokens: ['${{env:A}}', {SECRET}]}}]", "1:45", "item 2 of `tokens` stands"),
        (f"workspaces: [{{name: a, api: {{secret: {SECRET}}}}}]", "1:38", "`secret` stands"),
        (f"workspaces:\n  - api:\n      private_key: |\n        {SECRET}\n", "3:20", "`private_key` stands"),
        (f"channels: {{mail: {{type: email, password: {SECRET}}}}}", "1:42", "`password` stands"),
        (f"channels: {{erp: {{type: http, signing_secret: {SECRET}}}}}", "1:46", "`signing_secret` stands"),
        (f"channels: {{chat: {{type: slack, url: 'https://hooks.slack.com/{SECRET}'}}}}", "1:37", "`url` stands"),
        (f"channels: {{erp: {{headers: {{Authorization: Bearer {SECRET}}}}}}}", "1:43", "`Authorization` stands"),
        (f"channels: {{erp: {{headers: {{X-API-Key: {SECRET}}}}}}}", "1:39", "`X-API-Key` stands"),
        (f"channels: {{erp: {{type: http, url: 'https://me:{SECRET}@e.example.com'}}}}", "1:35", "`url` holds"),
        (f"channels: {{erp: {{type: http, url: 'https://e.example.com/?token={SECRET}'}}}}", "1:35", "`url` holds"),
        (f"store: postgresql://me:{SECRET}@db.example.com/memonotify", "1:8", "`store` holds a password"),
        (f"store: postgresql://db/memonotify?password={SECRET}", "1:8", "`store` holds a password"),
        (f"admin: {{token: '$${{env:{SECRET}}}'}}", "1:16", "`token` stands"),
    ],
)  # fmt: skip
def test_a_secret_in_plain_text_is_noted_at_its_place_and_not_shown(text: str, place: str, told: str) -> None:
    (note,) = notes(text)
    assert note.startswith(f"config.yaml:{place}: {told}")
    assert note.endswith("(write ${env:NAME}, ${file:PATH} or ${credential:NAME} in its place)")
    assert SECRET not in note


@pytest.mark.parametrize(
    "text",
    [
        "admin: {token: '${env:T}'}",
        "workspaces: [{tokens: ['${credential:t}'], api: {thumbprint: abc, private_key: '${file:gone.pem}'}}]",
        "channels: {erp: {headers: {Authorization: 'Bearer ${env:T}', X-Source: memonotify, Idempotency-Key: x}}}",
        "channels: {erp: {type: http, url: 'https://me:${env:P}@erp.example.com:8443/a?token=${env:T}&page=2'}}",
        "channels: {erp: {type: http, url: 'https://me@erp.example.com:8443/a:b@c'}}",
        "channels: {chat: {type: slack, url: '${env:SLACK}'}, local: {type: slack, url: 'http://127.0.0.1:9/x'}}",
        "store: postgresql://me@db.example.com/memonotify",
        "store: postgresql://me:${env:PASSWORD}@db.example.com/memonotify",
        "store: sqlite:///var/memonotify.db",
        "channels: [1, {a: b}]\nworkspaces: {a: 1}\nadmin: 3\nstore: 5",
        "",
    ],
)
def test_references_and_what_is_no_secret_are_not_noted(text: str) -> None:
    assert notes(text) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_of_a_secret_that_others_may_use_is_noted(tmp_path: Path, mode: int) -> None:
    key = tmp_path / "acme.pem"
    key.write_text(SECRET, "utf-8")
    key.chmod(mode)
    (note,) = notes("workspaces:\n  - api: {private_key: '${file:acme.pem}'}\n", tmp_path)
    assert note == (
        f"config.yaml:2:24: others than its owner may use the file acme.pem (mode {mode:04o}) (chmod 600 acme.pem)"
    )


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_alone_is_not_noted(tmp_path: Path, mode: int) -> None:
    key = tmp_path / "acme.pem"
    key.write_text(SECRET, "utf-8")
    key.chmod(mode)
    assert notes("workspaces:\n  - api: {private_key: '${file:acme.pem}'}\n", tmp_path) == []


def test_the_key_of_the_certificate_is_looked_at_and_the_certificate_is_not(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("x", "utf-8")
        (tmp_path / name).chmod(0o644)
    (note,) = notes("server: {tls: {certificate: chain.pem, key: key.pem}}", tmp_path)
    assert note.startswith("config.yaml:1:45: others than its owner may use the file key.pem (mode 0644)")


def test_every_file_that_a_text_names_is_looked_at(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("x", "utf-8")
        (tmp_path / name).chmod(0o644)
    assert len(notes("channels: {erp: {url: 'https://${file:a}:${file:b}@erp.example.com'}}", tmp_path)) == 2
