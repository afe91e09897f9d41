"""Each table of the page on quiet hours says what the example above it does."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from memonotify.config.loader import load_config
from memonotify.policies.hours import Hours

from .conftest import ROOT

PARIS = ZoneInfo("Europe/Paris")
PAGE = (ROOT / "docs" / "hours.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day .+?) \| (.+?) \|$", re.MULTILINE)
EXAMPLES = [
    (example, ROW.findall(rest))
    for example, rest in re.findall(r"```yaml\n(.+?)```\n(.*?)(?=```|\n## |\Z)", PAGE, re.DOTALL)
]


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text.partition(" ")[2]).replace(tzinfo=PARIS)
    assert f"{at:%A}" == text.partition(" ")[0], text
    return at


@pytest.mark.parametrize(("example", "rows"), [each for each in EXAMPLES if each[1]])
def test_a_message_waits_as_the_table_says(example: str, rows: list[tuple[str, str]], alerts: Path) -> None:
    base = yaml.safe_load((alerts / "config.yaml").read_text(encoding="utf-8"))
    (alerts / "hours.yaml").write_text(json.dumps({**base, **yaml.safe_load(example)}), encoding="utf-8")
    (windows,) = load_config(alerts / "hours.yaml", environ={}, resolve=False).config.hours.values()
    for at, until in rows:
        expected = None if until == "is sent at once" else _moment(until)
        assert Hours(windows).quiet_until(_moment(at)) == expected, at


def test_each_table_stands_below_an_example() -> None:
    assert sum(len(rows) for _, rows in EXAMPLES) == len(ROW.findall(PAGE)) == 14
