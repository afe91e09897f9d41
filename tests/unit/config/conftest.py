"""A complete configuration in a folder of its own, with everything that it refers to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from memonotify.config.loader import LoadedConfig, load_config
from memonotify.errors import ConfigError

COMPLETE = """\
server:
  listen: 127.0.0.1:8080            # host:port
  allowed_ips: [memo-bank]
  trusted_proxies: [127.0.0.1]

admin:
  listen: 127.0.0.1:9280
  token: ${env:ADMIN_TOKEN}

store: sqlite:///var/memonotify.db

workspaces:
  - name: acme
    tokens: ["${env:ACME_TOKEN}"]
    api:
      base_url: https://api.memo.bank
      thumbprint: ${env:ACME_THUMBPRINT}
      secret: ${credential:acme_secret}
      private_key: ${file:secrets/acme.pem}
  - name: beta
    tokens: [beta-token]

locale: fr_FR
timezone: Europe/Paris

channels:
  finance-mail:
    type: email
    host: smtp.example.com
    port: 587
    security: starttls
    username: notify@example.com
    password: ${env:SMTP_PASSWORD}
    from: Treasury <notify@example.com>
    to: [finance@example.com]
  treasury-slack:
    type: slack
    url: ${env:SLACK_URL}
  erp:
    type: http
    url: https://erp.example.com/hooks/bank
    method: POST
    headers: {X-Source: memonotify}
    signing_secret: ${env:ERP_SECRET}

retry:
  first: 5s
  max: 15m
  give_up_after: 24h

on_failure: {channel: finance-mail, to: [ops@example.com]}

rules: [rules/*.yaml]
templates: templates
"""

ENVIRON = {
    "ADMIN_TOKEN": "adm1n",
    "ACME_TOKEN": "acme-token",
    "ACME_THUMBPRINT": "thumb",
    "SMTP_PASSWORD": "pa55 word",
    "SLACK_URL": "https://hooks.slack.com/services/T0/B0/sl4ck",
    "ERP_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.fixture(scope="session")
def rsa_pem() -> str:
    """A private key as the bank wants one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class Folder:
    """A folder with a complete configuration; `load` loads it, or another text, under the name `config.yaml`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environ = {**ENVIRON, "CREDENTIALS_DIRECTORY": str(path / "credentials")}

    def load(self, text: str = COMPLETE, *, resolve: bool = True) -> LoadedConfig:
        (self.path / "config.yaml").write_text(text, encoding="utf-8")
        return load_config(Path("config.yaml"), environ=self.environ, resolve=resolve)

    def complaints(self, text: str, *, resolve: bool = True) -> list[str]:
        try:
            self.load(text, resolve=resolve)
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        return []


@pytest.fixture
def folder(tmp_path: Path, rsa_pem: str, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The folder, which is also where the process stands."""
    for name, content in {
        "secrets/acme.pem": rsa_pem,
        "credentials/acme_secret": "the-secret-code\n",
        "rules/one.yaml": "rules: []\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


@pytest.fixture
def change() -> Callable[[str, str], str]:
    """Replace what stands exactly once in the complete configuration."""

    def replace(old: str, new: str) -> str:
        assert COMPLETE.count(old) == 1, old
        return COMPLETE.replace(old, new)

    return replace
