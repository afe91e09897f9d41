"""A configuration with one channel of each type, and a folder in which a test writes rule files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from memonotify.config.values import (
    Admin,
    BankApi,
    Config,
    EmailConfig,
    HttpConfig,
    Listen,
    Retry,
    Server,
    SlackConfig,
    Workspace,
)
from memonotify.errors import ConfigError
from memonotify.rules.loader import LoadedRules, load_rules
from memonotify.secret import Secret
from memonotify.templating import Templates

CHANNELS = {
    "finance-mail": EmailConfig(
        name="finance-mail",
        type="email",
        concurrency=2,
        rate=None,
        timeout_s=30,
        host="smtp.example.com",
        port=587,
        security="starttls",
        from_="Treasury <notify@example.com>",
        to=("finance@example.com",),
    ),
    "treasury-slack": SlackConfig(
        name="treasury-slack",
        type="slack",
        concurrency=1,
        rate=None,
        timeout_s=10,
        url=Secret("https://hooks.slack.com/services/T/B/X"),
    ),
    "erp": HttpConfig(
        name="erp", type="http", concurrency=8, rate=None, timeout_s=10, url=Secret("https://erp.example.com/hooks")
    ),
}
API = BankApi(
    base_url="https://api.memo.bank", thumbprint=Secret("print"), secret=Secret("code"), private_key=Secret("pem")
)


def a_config(folder: Path, **changes: Any) -> Config:
    config = Config(
        path=folder / "config.yaml",
        server=Server(listen=Listen(host="127.0.0.1"), allowed_ips=None),
        admin=Admin(listen=Listen(host="127.0.0.1")),
        store=f"sqlite:///{folder / 'memonotify.db'}",
        workspaces=(Workspace(name="acme", tokens=(Secret("token"),), api=API),),
        locale="fr_FR",
        timezone="Europe/Paris",
        channels=CHANNELS,
        retry=Retry(),
        on_failure=None,
        rules=("rules/*.yaml",),
        templates=folder / "templates",
    )
    return replace(config, **changes)


@dataclass
class RulesFolder:
    """A folder with a configuration; files are written into it, then loaded."""

    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text).removeprefix("\n"), "utf-8")
        return path

    def config(self, **changes: Any) -> Config:
        return a_config(self.folder, **changes)

    def load(self, *, files: list[Path] | None = None, **changes: Any) -> LoadedRules:
        config = a_config(self.folder, **changes)
        templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
        return load_rules(config, templates, files=files)

    def problems(self, files: Mapping[str, str], **changes: Any) -> list[str]:
        """Write the files, load them, and return the problems that come of it, one line each."""
        for name, text in files.items():
            self.write(name, text)
        with pytest.raises(ConfigError) as caught:
            self.load(**changes)
        return [str(problem) for problem in caught.value.problems]

    def problem(self, text: str, **changes: Any) -> str:
        """Return the one problem of a rule file `rules/a.yaml`."""
        problems = self.problems({"rules/a.yaml": text}, **changes)
        assert len(problems) == 1, problems
        return problems[0]


@pytest.fixture(scope="session")
def make_config() -> Callable[..., Config]:
    """For tests that hold rules against a configuration of their own."""
    return a_config


@pytest.fixture(scope="session")
def make_rules_folder() -> Callable[[Path], RulesFolder]:
    """For tests that need a fresh folder many times."""
    return RulesFolder


@pytest.fixture
def rules_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RulesFolder:
    monkeypatch.chdir(tmp_path)
    return RulesFolder(tmp_path)
