"""The demo's folder keeps what somebody edited, and touches nobody else's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memonotify.errors import MemonotifyError
from memonotify.standin.demofiles import DemoFiles, Surroundings


def _around(port: int = 1) -> Surroundings:
    return Surroundings(
        webhook_port=port,
        admin_port=port,
        smtp_port=port,
        bank_url=f"http://127.0.0.1:{port}",
        mailbox_url=f"http://127.0.0.1:{port}",
        private_key=f"key of the run on {port}",
    )


@pytest.fixture
def files(tmp_path: Path) -> DemoFiles:
    made = DemoFiles(tmp_path / "demo", "en")
    made.demand_ours()
    made.write(_around())
    return made


def _again(files: DemoFiles, language: str = "en") -> None:
    later = DemoFiles(files.folder, language)
    later.demand_ours()
    later.write(_around(2))


def test_edited_rules_and_templates_stay_as_they_are(files: DemoFiles):
    edited = [files.folder / "rules" / "payments.yaml", files.folder / "rules" / "templates" / "layout.html.j2"]
    for file in edited:
        file.write_text("edited")
    _again(files)
    assert [file.read_text() for file in edited] == ["edited", "edited"]


def test_a_rule_file_that_was_removed_stays_away_and_a_template_that_is_missing_comes_back(files: DemoFiles):
    rule, template = files.folder / "rules" / "unknown.yaml", files.folder / "rules" / "templates" / "layout.html.j2"
    rule.unlink()
    template.unlink()
    _again(files)
    assert not rule.exists()
    assert template.exists()


def test_rules_of_ones_own_are_not_joined_by_the_shipped_ones(files: DemoFiles):
    shutil.rmtree(files.folder / "rules")
    (files.folder / "rules").mkdir()
    (files.folder / "rules" / "mine.yaml").write_text("rules: []")
    _again(files, "fr")
    assert [file.name for file in (files.folder / "rules").glob("*.yaml")] == ["mine.yaml"]


def test_ports_and_key_are_those_of_the_run(files: DemoFiles):
    _again(files)
    assert files.config.read_text().count("127.0.0.1:2") == 5
    key = files.folder / "secrets" / "acme.pem"
    assert key.read_text() == "key of the run on 2"
    assert key.stat().st_mode & 0o077 == 0


def test_a_folder_of_an_earlier_version_of_the_demo_is_taken(files: DemoFiles):
    text = "# What the demo runs on. A configuration of your own looks the same: see config.example.yaml."
    files.config.write_text(text)
    _again(files)
    assert "written anew" in files.config.read_text().splitlines()[0]


@pytest.mark.parametrize("name", ["config.yaml", "secrets/acme.pem"])
def test_a_folder_that_is_no_demos_is_refused_and_left_alone(tmp_path: Path, name: str):
    theirs = tmp_path / name
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("theirs")
    with pytest.raises(MemonotifyError, match=f"{name} is not of a demo.*choose another folder"):
        DemoFiles(tmp_path, "en").demand_ours()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_was_written_counts_as_edited_only_after_an_edit(tmp_path: Path, language: str):
    files = DemoFiles(tmp_path, language)
    assert not files.are_edited
    files.write(_around())
    assert not files.are_edited
    edit = tmp_path / "rules" / "payments.yaml"
    before = edit.read_text()
    edit.write_text(before + "# mine")
    assert files.are_edited
    edit.write_text(before)
    (tmp_path / "rules" / "new.yaml").write_text("rules: []")
    assert files.are_edited
    (tmp_path / "rules" / "new.yaml").unlink()
    edit.unlink()
    assert files.are_edited
