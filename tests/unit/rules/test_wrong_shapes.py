"""Whatever stands in a rule file, it is told as problems and never as a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from memonotify.errors import ConfigError

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

WHOLE: dict[str, Any] = {
    "rules": [
        {
            "name": "low-balance",
            "description": "x",
            "match": {"event_type": ["transaction_*"], "resource_type": "transaction", "workspace": ["acme"]},
            "fetch": {"account": "/v2/accounts/{{ resource.account_id }}"},
            "when": "account.balance < 500000",
            "fire": "on_change",
            "key": "{{ account.id }}",
            "notify": [
                {"channel": "treasury-slack", "text": "{{ account.name }}", "blocks": [{"type": "divider"}]},
                {"channel": "erp", "json": {"a": ["{{ resource }}"]}, "headers": {"X-A": "b"}, "when": "true"},
            ],
            "resolved": [{"channel": "finance-mail", "to": ["a@example.com"], "subject": "x", "html": "<p>"}],
        }
    ],
    "tests": [
        {
            "name": "one",
            "event": {"event_type": "transaction_confirmed"},
            "resource": {"id": "r"},
            "fetch": {"account": {"id": "a"}},
            "workspace": "acme",
            "now": "2026-03-02 09:30",
            "state": {"low-balance": {"a": True}},
            "expect": [{"rule": "low-balance", "channel": "erp", "json": {"a": 1}}],
        }
    ],
}


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for step, item in steps for place in places(item, (*path, step)))]


def with_junk(path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    data = deepcopy(WHOLE)
    holder: Any = data
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = junk
    return data


words = st.sampled_from(
    ["", "x", "{{", "{{ resource.id }}", "{% if", "true", "*", "[", "../x", "\n", "a.j2", "erp", "é"]
)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words.filter(bool), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(places(WHOLE)), junk)
def test_any_junk_at_any_place_is_told_as_problems(
    make_rules_folder: Callable[[Path], RulesFolder], path: tuple[Any, ...], value: Any
) -> None:
    with TemporaryDirectory() as folder:
        rules_folder = make_rules_folder(Path(folder))
        rules_folder.write("rules/a.yaml", json.dumps(with_junk(path, value)))
        try:
            rules_folder.load()
        except ConfigError as error:
            assert error.problems
            assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in error.problems)


def test_without_junk_it_loads(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", json.dumps(WHOLE))
    loaded = rules_folder.load()
    assert [rule.name for rule in loaded.ruleset.rules] == ["low-balance"]
    assert [test.name for test in loaded.ruleset.tests] == ["one"]
