"""`memonotify channel test`."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def unfilled(run, tmp_path: Path) -> Path:
    """A configuration whose secrets are not filled in yet."""
    run("init", tmp_path / "alerts")
    return tmp_path / "alerts" / "config.yaml"


def test_a_channel_that_there_is_not_is_told_before_a_secret_that_is_not_filled_in(run, unfilled: Path):
    ended = run("channel", "test", "finance-mal", "-c", unfilled)
    assert ended.status == 1
    assert ended.err == (
        "memonotify: there is no channel finance-mal (did you mean finance-mail?); "
        "known are finance-mail, treasury-slack, erp\n"
    )


def test_recipients_for_a_channel_that_has_none_are_told_first_as_well(run, unfilled: Path):
    ended = run("channel", "test", "erp", "--to", "a@example.com", "-c", unfilled)
    assert (ended.status, ended.err) == (1, "memonotify: --to is for mail; erp is a channel of type http\n")


def test_a_channel_that_there_is_needs_its_secrets(run, unfilled: Path):
    ended = run("channel", "test", "finance-mail", "-c", unfilled)
    assert ended.status == 2
    assert "SMTP_PASSWORD" in ended.err
