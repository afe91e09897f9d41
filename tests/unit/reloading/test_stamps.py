"""Stamps tell files apart, and the folders to watch are those where a change can happen, links included."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from memonotify.config.values import Admin, Config, Listen, Retry, Server
from memonotify.reloading.stamps import folders_of, stamps_of


@pytest.fixture
def config(tmp_path: Path) -> Config:
    listen = Listen(host="127.0.0.1")
    return Config(
        path=tmp_path / "config.yaml",
        server=Server(listen=listen, allowed_ips=None),
        admin=Admin(listen=listen),
        store="sqlite://",
        workspaces=(),
        locale="fr_FR",
        timezone="Europe/Paris",
        channels={},
        retry=Retry(),
        on_failure=None,
        rules=("rules/*.yaml",),
        templates=tmp_path / "templates",
    )


def folders(config: Config, *files: Path) -> set[str]:
    found = folders_of(config, files)
    return {os.path.relpath(folder, config.path.parent) for folder in found}


def test_a_stamp_changes_with_content_rights_and_presence(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"

    def stamp() -> object:
        return stamps_of([file])[file]

    seen = [stamp()]
    file.write_text("one")
    seen.append(stamp())
    file.write_text("three")
    seen.append(stamp())
    file.chmod(0o600)
    seen.append(stamp())
    (tmp_path / "new").write_text("three")
    (tmp_path / "new").rename(file)
    seen.append(stamp())
    file.unlink()
    assert seen[0] is None
    assert stamp() is None
    assert len(set(seen)) == len(seen)


def test_a_stamp_is_that_of_the_file_to_which_links_lead(tmp_path: Path) -> None:
    for name in ("v1", "v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text("same")
    data, file = tmp_path / "..data", tmp_path / "a.yaml"
    data.symlink_to("v1")
    file.symlink_to("..data/a.yaml")
    before = stamps_of([file])
    (tmp_path / "..data_tmp").symlink_to("v2")
    (tmp_path / "..data_tmp").rename(data)
    assert stamps_of([file]) != before


def test_the_folders_of_the_patterns_and_of_the_files_are_watched(config: Config, tmp_path: Path) -> None:
    for folder in ("rules", "templates/fr", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    assert folders(config, tmp_path / "templates" / "fr" / "m.j2", tmp_path / "elsewhere" / "x.yaml") == {
        "rules",
        "templates/fr",
        "elsewhere",
    }


def test_folders_that_a_pattern_with_two_stars_looks_into_are_watched(config: Config, tmp_path: Path) -> None:
    (tmp_path / "rules" / "fr" / "deep").mkdir(parents=True)
    assert folders(replace(config, rules=("rules/**/*.yaml",))) == {"rules", "rules/fr", "rules/fr/deep"}
    assert folders(replace(config, rules=("rules/*/x.yaml",))) == {"rules", "rules/fr"}


def test_of_a_folder_that_is_not_there_the_nearest_one_is_watched(config: Config, tmp_path: Path) -> None:
    assert folders(config, tmp_path / "templates" / "fr" / "m.j2") == {"."}


def test_the_folders_of_all_links_on_the_way_are_watched(config: Config, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "..2026").mkdir(parents=True)
    (volume / "..2026" / "a.yaml").write_text("")
    (volume / "..data").symlink_to("..2026")
    (volume / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "rules").symlink_to(volume)
    (tmp_path / "rules").symlink_to("etc/rules")
    assert folders(config, tmp_path / "rules" / "a.yaml") == {".", "etc", "volume", "volume/..2026"}


def test_links_in_a_circle_end(config: Config, tmp_path: Path) -> None:
    (tmp_path / "rules").symlink_to("other")
    (tmp_path / "other").symlink_to("rules")
    assert folders(config, tmp_path / "rules" / "a.yaml") == {"."}


def test_a_folder_that_was_made_anew_is_another_one(config: Config, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    before = folders_of(config, [])
    (tmp_path / "rules").rename(tmp_path / "old")
    (tmp_path / "rules").mkdir()
    assert folders_of(config, []).keys() == before.keys()
    assert folders_of(config, []) != before
