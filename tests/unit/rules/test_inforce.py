"""What a reload has replaced is gone at once: the collector has nothing to walk through to find it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from memonotify.rules.inforce import let_go, load
from memonotify.rules.values import Rule
from memonotify.templating.messages import Message

if TYPE_CHECKING:
    from .conftest import RulesFolder

RULE = """
  - name: {name}
    when: resource.x == "{name}"
    key: "{{{{ resource.{name} }}}}"
    fire: on_change
    notify:
      - {{channel: erp, json: {{a: "{name} {{{{ event.id }}}}", b: "{{{{ resource.y }}}}"}}}}
"""


def test_what_was_replaced_goes_without_the_collector(rules_folder: RulesFolder) -> None:
    names = [f"goes-{number}".replace("-", "_") for number in range(5)]
    rules_folder.write("rules/a.yaml", "rules:" + "".join(RULE.format(name=name) for name in names))
    replaced = [load(rules_folder.config())]
    assert len(_there(names)) == 2 * len(names)
    gc.disable()
    try:
        let_go(replaced)
        assert replaced == []
        assert _there(names) == []
    finally:
        gc.enable()


def _there(names: list[str]) -> list[str]:
    """Return the rules and messages of these names that something holds."""
    objects = gc.get_objects()
    rules = [each.name for each in objects if isinstance(each, Rule) and each.name in names]
    return rules + [each.rule for each in objects if isinstance(each, Message) and each.rule in names]
