"""Which rules stay beside the files that are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from memonotify.config.loader import load_config
from memonotify.rules.elsewhere import names_elsewhere

CONFIG = """
workspaces: [{name: acme, tokens: [t]}]
channels: {erp: {type: http, url: "https://erp.example.com/x"}}
rules: ["rules/*.yaml"]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "rules").mkdir()
    for file, names in (("a.yaml", ("one", "two")), ("b.yaml", ("three",)), ("broken.yaml", ("four",))):
        rules = "".join(
            f"  - {{name: {name}, {'oops: ' if file[0] == 'b' and len(file) > 6 else ''}}}\n" for name in names
        )
        (tmp_path / "rules" / file).write_text(f"rules:\n{rules}")
    (tmp_path / "rules" / "odd.yaml").write_text("rules: [1, {name: [2]}]\n")
    (tmp_path / "rules" / "torn.yaml").write_text("rules: [\n")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "names", "stay"),
    [
        pytest.param(["rules/a.yaml"], {"one"}, {"three", "four"}, id="a file in its place"),
        pytest.param(["draft.yaml"], {"two", "new"}, {"three", "four"}, id="a copy of a file"),
        pytest.param(["draft.yaml"], {"new"}, {"one", "two", "three", "four"}, id="a file of its own"),
        pytest.param(["rules/a.yaml", "rules/b.yaml"], {"one"}, {"four"}, id="two files"),
    ],
)
def test_the_rules_of_the_other_files_stay(folder: Path, files, names, stay):
    config = load_config(folder / "config.yaml", environ={}, resolve=False).config
    assert names_elsewhere(config, [folder / file for file in files], frozenset(names)) == stay
