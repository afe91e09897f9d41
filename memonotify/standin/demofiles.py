"""The demo's folder: a configuration like a user's, which somebody may have edited since an earlier start.

In: the folder, a language, and what this run listens on. Out: `config.yaml` and the bank's key, written at each start
because ports and key are this run's; rules and templates, only where there are none yet. The demo and its command call
it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from memonotify.defaults import shipped
from memonotify.errors import MemonotifyError

_MARK: Final = "# What the demo runs on"
_CONFIG: Final = (
    _MARK
    + """, written anew at each of its starts: edit the rules and the templates instead.
# A configuration of your own looks the same; memonotify init writes one with comments.
server: {{listen: "127.0.0.1:{webhook_port}", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:{admin_port}", token: "${{env:MEMONOTIFY_ADMIN_TOKEN}}"}}
store: sqlite:///var/memonotify.db
workspaces:
  - name: acme
    tokens: ["${{env:ACME_WEBHOOK_TOKEN}}"]
    api:
      base_url: {bank_url}
      thumbprint: ${{env:ACME_THUMBPRINT}}
      secret: ${{env:ACME_SECRET}}
      private_key: ${{file:secrets/acme.pem}}
channels:
  finance-mail:
    type: email
    host: 127.0.0.1
    port: {smtp_port}
    security: none
    from: Treasury <notify@example.com>
    to: [finance@example.com]
  treasury-slack: {{type: slack, url: "{mailbox_url}/slack"}}
  erp: {{type: http, url: "{mailbox_url}/hooks/bank", signing_secret: "${{env:ERP_SIGNING_SECRET}}"}}
retry: {{first: 1s, max: 30s, give_up_after: 1h}}
# The shipped rules keep some messages for the morning. A demo has none, but for one minute that is.
hours: {{nights: {{from: "04:00", to: "04:01"}}}}
on_failure: {{channel: finance-mail, to: [ops@example.com]}}
rules: [rules/*.yaml]
templates: rules/templates
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What one run of the demo listens on, and the key its bank knows."""

    webhook_port: int
    admin_port: int
    smtp_port: int
    bank_url: str
    mailbox_url: str
    private_key: str


class DemoFiles:
    """One folder, in one language."""

    def __init__(self, folder: Path, language: str) -> None:
        self.folder = folder
        self._language = language

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "config.yaml"

    @property
    def _key(self) -> Path:
        return self.folder / "secrets" / "acme.pem"

    @property
    def have_rules(self) -> bool:
        """Whether there are rules already, which stay as they are."""
        return any(self.folder.glob("rules/*.yaml"))

    def demand_ours(self) -> None:
        """Refuse a folder that is no demo's.

        Raises:
            MemonotifyError: it holds a configuration or a key that a start would write over.
        """
        is_ours = self.config.is_file() and self.config.read_text(encoding="utf-8", errors="replace").startswith(_MARK)
        for file in (self.config, self._key):
            if file.exists() and not is_ours:
                raise MemonotifyError(f"{file} is not of a demo, which would write over it; choose another folder")

    def write(self, around: Surroundings) -> None:
        """Write what this run needs anew, and what is missing of the rest. A shipped rule file that somebody removed
        stays away: that is an edit as well."""
        rules = {} if self.have_rules else self._rules()
        for name, source in (rules | self._templates()).items():
            target = self.folder / name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        self._key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key.touch(mode=0o600)
        self._key.write_text(around.private_key, encoding="utf-8")
        text = _CONFIG.format(
            webhook_port=around.webhook_port,
            admin_port=around.admin_port,
            smtp_port=around.smtp_port,
            bank_url=around.bank_url,
            mailbox_url=around.mailbox_url,
        )
        self.config.write_text(text, encoding="utf-8")

    @property
    def are_edited(self) -> bool:
        """Whether the rules or templates are others than those that are shipped."""
        ours = self._rules() | self._templates()
        found = {str(file.relative_to(self.folder)) for file in self.folder.glob("rules/**/*") if file.is_file()}
        if not found:
            return False
        return found != set(ours) or any((self.folder / name).read_bytes() != ours[name].read_bytes() for name in ours)

    def _rules(self) -> dict[str, Path]:
        """Return the shipped rule files by their place in the folder."""
        shipped_rules = shipped("rules")
        chosen = shipped_rules if self._language == "en" else shipped_rules / self._language
        return {f"rules/{file.name}": file for file in chosen.glob("*.yaml")}

    def _templates(self) -> dict[str, Path]:
        templates = shipped("rules") / "templates"
        return {f"rules/templates/{file.relative_to(templates)}": file for file in templates.rglob("*.j2")}
