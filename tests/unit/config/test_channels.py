"""A channel whose recipients are wrong still has some, so that nothing else is blamed for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from memonotify.config.loader import read_config
from memonotify.config.values import EmailConfig

TEXT = """\
workspaces: [{{name: acme, tokens: [t0ken]}}]
channels:
  mail: {{type: email, host: smtp.example.com, from: a@example.com, to: {to}}}
rules: [rules/*.yaml]
"""


@pytest.mark.parametrize("to", ["[nobody]", "nobody@example.com", "[]"])
def test_a_mail_channel_whose_recipients_are_wrong_keeps_one(tmp_path: Path, to: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(TEXT.format(to=to), "utf-8")
    reading = read_config(path, environ={})
    assert reading.problems
    assert reading.loaded is not None
    mail = reading.loaded.config.channels["mail"]
    assert isinstance(mail, EmailConfig)
    assert len(mail.to) == 1
    assert mail.cc == ()
