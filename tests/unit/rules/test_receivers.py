"""An HTTP entry stays on its receiver's address, and its headers can be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.rules.test_loader import rule

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder


def http(fields: str) -> str:
    """Return a rule file with one HTTP notification; `fields` begin on line 6, column 9."""
    return rule("notify:\n  - channel: erp\n    json: {}\n" + "\n".join(f"    {line}" for line in fields.split("\n")))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("http://evil.example/x", "is an address of its own, and is added to the channel's"),
        ("/../x", "has a part that is empty, `.` or `..`"),
        ("/a//b", "has a part that is empty, `.` or `..`"),
        ("'/{{ resource.id }}/../x'", "has a part that is empty, `.` or `..`"),
    ],
)
def test_a_path_that_could_leave_the_address_is_a_problem_at_the_value(
    rules_folder: RulesFolder, path: str, sentence: str
) -> None:
    problem = rules_folder.problem(http(f"path: {path}"))
    assert problem == f"rules/a.yaml:6:15: `path`: {sentence} (such as /payments/{{{{ resource.id }}}})"


@pytest.mark.parametrize(
    "path", ["/a/b", "a/", "/", "'/{{ resource.id }}'", "'{% if resource %}/x{% endif %}'", "'/{{ \"..\" }}'", "''"]
)
def test_a_path_that_may_stay_on_the_address_is_right(rules_folder: RulesFolder, path: str) -> None:
    rules_folder.write("rules/a.yaml", http(f"path: {path}"))
    assert len(rules_folder.load().ruleset.rules) == 1


def test_a_header_that_has_no_headers_name_is_a_problem_at_its_name(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(http("headers:\n  X-Ok: a\n  X Kind: b"))
    assert problem == (
        "rules/a.yaml:8:11: `X Kind` is not the name of a header (letters, digits and `-`, such as X-Kind)"
    )


def test_a_header_that_memonotify_sets_itself_is_a_problem(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(http("headers: {webhook-id: x}"))
    assert problem.startswith("rules/a.yaml:6:19: the header `webhook-id` is set by memonotify itself")
