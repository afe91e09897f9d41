"""What `memonotify demo` says before it starts anything."""

from __future__ import annotations

import sys
from pathlib import Path


def test_the_package_that_is_missing_is_named_with_the_interpreter_that_needs_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiosmtpd", None)
    ended = run("demo", "--once")
    assert ended.status == 1
    assert f"{sys.executable} -m pip install aiosmtpd" in ended.err


def test_a_folder_with_a_configuration_of_ones_own_is_refused(run, tmp_path: Path):
    run("init", tmp_path / "alerts")
    before = (tmp_path / "alerts" / "config.yaml").read_bytes()
    ended = run("demo", "--once", "--dir", tmp_path / "alerts")
    assert ended.status == 1
    assert "choose another folder" in ended.err
    assert (tmp_path / "alerts" / "config.yaml").read_bytes() == before
