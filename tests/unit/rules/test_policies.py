"""What a rule says of when it speaks: what is read of it, and what does not go together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from memonotify.config.values import Window
from memonotify.rules.loader import LoadedRules
from memonotify.rules.policies import Group, Limit, Once, Quiet

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

SLACK = "notify: [{channel: treasury-slack, text: hello}]"
MAIL = "notify: [{channel: finance-mail, text: hello, attach: [proof]}]"
HOURS = {"nights": (Window(days=frozenset(range(7)), timezone="Europe/Paris"),)}


def rule(body: str) -> str:
    """Return a rule file with one rule; `body` stands 4 columns in, from line 4 on."""
    lines = [f"    {line}" if line else "" for line in body.strip("\n").split("\n")]
    return "rules:\n  - name: one\n    match: {event_type: [a, b_c]}\n" + "\n".join(lines) + "\n"


@dataclass
class Folder:
    """A folder of rules under a configuration with hours called `nights`."""

    rules: RulesFolder

    def load(self, text: str) -> LoadedRules:
        self.rules.write("rules/a.yaml", text)
        return self.rules.load(hours=HOURS)

    def problems(self, text: str) -> list[str]:
        return self.rules.problems({"rules/a.yaml": text}, hours=HOURS)

    def problem(self, text: str) -> str:
        (problem,) = self.problems(text)
        return problem


@pytest.fixture
def folder(rules_folder: RulesFolder) -> Folder:
    return Folder(rules_folder)


def test_every_policy_is_read_with_its_durations_in_seconds(folder: Folder) -> None:
    text = rule(f"""
once: {{per: "{{{{ resource.reference }}}}", within: 2d, prefer: b_c, wait: 90s}}
quiet: {{hours: nights, then: digest}}
group: {{by: "{{{{ resource.id }}}}", wait: 5m, max: 50}}
limit: {{count: 5, per: 1h}}
{SLACK}
escalate:
  - {{after: 1h, unless: {{event_type: [a, "d_*"]}}, {SLACK}}}
  - {{after: 1d, unless: {{event_type: e}}, {SLACK}}}
""")
    (found,) = folder.load(text).ruleset.rules
    once, quiet, group, limit = found.once, found.quiet, found.group, found.limit
    assert isinstance(once, Once)
    assert (once.per.source, once.within_s, once.prefer, once.wait_s) == (
        "{{ resource.reference }}",
        172_800,
        ("b_c",),
        90,
    )
    assert quiet == Quiet(hours="nights", then="digest")
    assert isinstance(group, Group)
    assert (group.wait_s, group.most) == (300, 50)
    assert limit == Limit(count=5, per_s=3600, by=None)
    assert [(step.after_s, step.event_types, step.same) for step in found.escalate] == [
        (3600, ("a", "d_*"), "resource_id"),
        (86_400, ("e",), "resource_id"),
    ]
    assert [(entry.index, entry.path) for entry in found.escalations] == [
        (0, ("escalate", 0, "notify", 0)),
        (1, ("escalate", 1, "notify", 0)),
    ]


def test_what_is_left_out_has_a_sensible_default(folder: Folder) -> None:
    text = rule(f"once: {{per: x}}\nquiet: {{hours: nights}}\ngroup: {{}}\n{SLACK}")
    (found,) = folder.load(text).ruleset.rules
    assert found.once is not None
    assert (found.once.within_s, found.once.prefer) == (86_400, None)
    assert found.quiet == Quiet(hours="nights", then="hold")
    assert found.group == Group(by=None, wait_s=60, most=500)
    assert found.escalate == ()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("quiet: {hours: night}", "4:20: the configuration has no hours `night` (did you mean `nights`?)"),
        ("once: {per: x, wait: 5m}", "4:26: `wait` means nothing without `prefer` (say which event is worth it)"),
        ("once: {per: x, prefer: d}", "4:28: no event of type `d` comes to this rule (see its match)"),
        (
            "once: {per: x, within: 1m, prefer: a}",
            "4:40: `wait` (2m) must be shorter than `within` (1m)",
        ),
        ("once: {within: 1d}", "4:5: `per` is missing in `once`"),
        ("limit: {count: 0, per: 1h}", "4:20: `count` must be at least 1"),
        ("limit: {count: 1, per: 0s}", "4:28: it is between 1ms and 366d"),
        ("group: {max: 1}", "4:18: `max` must be at least 2"),
        ("group: {wait: 2y}", "4:19: a duration is a number and a unit, such as 500ms, 5s, 15m, 24h, 90d or 2w"),
        (
            "once: {per: '{{ rescource.id }}'}",
            "4:17: there is nothing called `rescource` here (did you mean `resource`?)",
        ),
    ],
)
def test_a_fault_in_a_policy_is_told_at_its_place(folder: Folder, body: str, problem: str) -> None:
    assert folder.problem(rule(f"{body}\n{SLACK}")) == f"rules/a.yaml:{problem}"


def test_an_escalation_that_nothing_ends_is_refused(folder: Folder) -> None:
    problem = folder.problem(rule(f"{SLACK}\nescalate: {{after: 1h, {SLACK}}}"))
    assert problem.startswith("rules/a.yaml:5:5: nothing ends this escalation: it would always speak")


def test_a_later_step_comes_later(folder: Folder) -> None:
    step = f"unless: {{event_type: a}}, {SLACK}"
    problem = folder.problem(rule(f"{SLACK}\nescalate:\n  - {{after: 2h, {step}}}\n  - {{after: 1h, {step}}}"))
    assert problem.startswith("rules/a.yaml:7:17: a later step of an escalation comes later than the one before it")


@pytest.mark.parametrize("policy", ["group: {}", "quiet: {hours: nights, then: digest}"])
def test_one_message_for_many_events_carries_no_file(folder: Folder, policy: str) -> None:
    problems = folder.problems(rule(f"{policy}\n{MAIL}").replace("[a, b_c]", "transfer_confirmed"))
    name = policy.partition(":")[0]
    assert "rules/a.yaml:4:5: one message for many events carries no file" in problems[0]
    assert name in ("group", "quiet")


def test_events_are_known_only_where_a_message_may_tell_of_many(folder: Folder) -> None:
    many = "notify: [{channel: treasury-slack, text: '{{ events | length }}'}]"
    assert "there is nothing called `events` here" in folder.problem(rule(many))
    (found,) = folder.load(rule(f"group: {{}}\n{many}")).ruleset.rules
    assert not found.needs_resource


@pytest.mark.parametrize(
    "text",
    [
        "{% for e in events %}{{ e.resource.id }}{% endfor %}",
        "{{ events | map(attribute='resource.id') | join(' ') }}",
        "{{ totals[0] | money }}",
    ],
)
def test_a_group_that_reads_the_resources_of_its_events_needs_them(folder: Folder, text: str) -> None:
    (found,) = folder.load(rule(f'group: {{}}\nnotify: [{{channel: treasury-slack, text: "{text}"}}]')).ruleset.rules
    assert found.needs_resource


def test_a_hysteresis_is_read_beside_fire(folder: Folder) -> None:
    text = rule(f"""
when: event.event_type == "a"
fire: on_change
key: "{{{{ resource.id }}}}"
hysteresis: resource.balance > 6
{SLACK}
""")
    (found,) = folder.load(text).ruleset.rules
    assert found.hysteresis is not None
    assert found.hysteresis.source == "resource.balance > 6"
    assert found.needs_resource


def test_a_hysteresis_without_fire_is_refused(folder: Folder) -> None:
    problem = folder.problem(rule(f"hysteresis: event.id == event.id\n{SLACK}"))
    assert problem.startswith("rules/a.yaml:4:5: `hysteresis` means nothing without `fire`")


def test_a_hysteresis_that_cannot_be_read_is_told_at_its_place(folder: Folder) -> None:
    text = rule(f"fire: on_change\nkey: x\nhysteresis: rescource.id > 1\n{SLACK}")
    assert "rules/a.yaml:6:17: there is nothing called `rescource` here" in folder.problem(text)


def test_cents_compared_in_a_hysteresis_are_noted(folder: Folder) -> None:
    text = rule(f"""
when: resource.amount < 500
fire: on_change
key: "{{{{ resource.id }}}}"
hysteresis: resource.amount > 600
{SLACK}
""")
    notes = [str(note) for note in folder.load(text).notes]
    assert any(note.startswith("rules/a.yaml:7:17:") and "cents" in note for note in notes), notes
