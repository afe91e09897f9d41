"""What a reload changed, by rule."""

from __future__ import annotations

import pytest

from memonotify.rules.difference import Difference, difference
from memonotify.rules.values import Ruleset


def rule(name: str, **more: str) -> str:
    extra = "".join(f"    {key}: {value}\n" for key, value in more.items())
    return f"  - name: {name}\n    match: {{event_type: iban_created}}\n    notify: [{{channel: erp}}]\n{extra}"


@pytest.fixture
def load(rules_folder):
    def load(**files: str) -> Ruleset:
        for old in rules_folder.folder.glob("rules/*.yaml"):
            old.unlink()
        for name, text in files.items():
            rules_folder.write(f"rules/{name}.yaml", "rules:\n" + text)
        return rules_folder.load().ruleset

    return load


def shown(found: Difference) -> dict[str, list[str]]:
    return {
        word: [f"{each.name} {each.file}:{each.line}" for each in getattr(found, word)]
        for word in ("added", "changed", "removed")
    }


def test_rules_are_told_by_name_with_their_place(load):
    before = load(a=rule("kept") + rule("edited") + rule("gone"))
    after = load(a=rule("new") + rule("kept") + rule("edited", when='"true"'))
    assert shown(difference(before, after)) == {
        "added": ["new rules/a.yaml:2"],
        "changed": ["edited rules/a.yaml:8"],
        # Where it stood, for it stands nowhere any more.
        "removed": ["gone rules/a.yaml:8"],
    }


def test_a_rule_that_only_moved_is_the_same(load):
    before = load(a=rule("x") + rule("y"), b=rule("z"))
    after = load(a=rule("z"), c=rule("y") + rule("x"))
    assert difference(before, after).is_empty


def test_another_description_is_a_change_of_the_same_rule(load):
    found = difference(load(a=rule("x")), load(a=rule("x", description="other words")))
    assert shown(found) == {"added": [], "changed": ["x rules/a.yaml:2"], "removed": []}


def test_a_rule_whose_template_changed_is_changed(load, rules_folder):
    text = "  - name: x\n    notify: [{channel: finance-mail, html: m.j2}]\n"
    rules_folder.write("templates/m.j2", "{% include 'n.j2' %}")
    rules_folder.write("templates/n.j2", "one")
    before = load(a=text)
    rules_folder.write("templates/n.j2", "two")
    assert shown(difference(before, load(a=text)))["changed"] == ["x rules/a.yaml:2"]
