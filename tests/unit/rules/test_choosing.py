"""Which version of each rule file is in force: new texts and last good versions in, a set of rules and problems out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memonotify.config.values import Config
from memonotify.errors import Problem
from memonotify.rules.choosing import choose
from memonotify.rules.versions import NOTHING, FoundFile, InForce
from memonotify.templating import Templates

FOLDER = Path("/srv/alerts")
BROKEN = "rules:\n  - nmae: x\n"
GARBAGE = "\x00\x01 garbage"


def rule(name: str, version: int = 1, **more: Any) -> str:
    """Return one rule that writes its version into its message."""
    extra = "".join(f"\n    {key}: {value}" for key, value in more.items())
    return f"""  - name: {name}
    match: {{event_type: iban_created}}
    fetch: false{extra}
    notify: [{{channel: erp, json: {{version: {version}}}}}]
"""


def rules(*names: str, version: int = 1) -> str:
    return "rules:\n" + "".join(rule(name, version) for name in names)


def mail(template: str) -> str:
    return f"""rules:
  - name: mail
    match: {{event_type: iban_created}}
    fetch: false
    notify: [{{channel: finance-mail, subject: s, html: {template}}}]
"""


@dataclass
class Desk:
    """A folder that is only thought of: its files are loaded one state after the other."""

    config: Config
    now: InForce = NOTHING
    templates: Mapping[str, str] = field(default_factory=dict)

    def load(self, **files: str | None) -> InForce:
        """Load the files (a.yaml by its name a, …; None: it cannot be read) and put in force what is good."""
        found = [
            FoundFile(
                path=FOLDER / f"{name}.yaml",
                text=text,
                problems=()
                if text is not None
                else (Problem(file=f"{FOLDER}/{name}.yaml", line=1, column=1, message="cannot be read"),),
            )
            for name, text in files.items()
        ]
        templates = Templates(
            folder=FOLDER / "templates", locale="fr_FR", timezone="Europe/Paris", texts=self.templates
        )
        self.now = choose(found, self.now, self.config, templates)
        return self.now

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.now.ruleset.rules]

    @property
    def versions(self) -> dict[str, Any]:
        """Return what each rule would write."""
        return {each.name: each.notify[0].message.render({})["json"]["version"] for each in self.now.ruleset.rules}

    @property
    def refused(self) -> dict[str, list[str]]:
        return {each.path.stem: [str(problem) for problem in each.problems] for each in self.now.refused}

    def without_version(self) -> set[str]:
        return {each.path.stem for each in self.now.refused if not each.has_version}


@pytest.fixture
def desk(make_config: Any) -> Desk:
    return Desk(make_config(FOLDER))


def test_good_files_are_in_force_in_their_order(desk: Desk) -> None:
    desk.load(b=rules("b1", "b2"), a=rules("a1"))
    assert desk.names == ["b1", "b2", "a1"]
    assert desk.refused == {}


@pytest.mark.parametrize("text", [BROKEN, GARBAGE, "", "rules: [", None, "rules:\n  - name: a\n", rules("a", "a")])
def test_a_broken_edit_leaves_the_last_good_version_and_the_others_go_on(desk: Desk, text: str | None) -> None:
    desk.load(a=rules("a"), b=rules("b"))
    desk.load(a=text, b=rules("b", version=2))
    assert desk.versions == {"a": 1, "b": 2}
    assert list(desk.refused) == ["a"]
    assert desk.without_version() == set()


def test_a_problem_names_file_line_and_column(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load(a=rules("a") + "    mtch: {}\n")
    assert [str(problem).split(": ")[0] for problem in desk.now.problems] == ["/srv/alerts/a.yaml:6:5"]


def test_a_file_that_is_right_again_is_in_force_again(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load(a=BROKEN)
    desk.load(a=rules("a", version=3))
    assert (desk.versions, desk.refused) == ({"a": 3}, {})


def test_going_back_to_the_very_text_in_force_is_well(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load(a=BROKEN)
    desk.load(a=rules("a"))
    assert (desk.versions, desk.refused) == ({"a": 1}, {})


def test_a_new_file_that_is_broken_has_no_version_to_go_back_to(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load(a=rules("a"), b=BROKEN)
    assert desk.names == ["a"]
    assert desk.without_version() == {"b"}


def test_the_rules_of_a_removed_file_go(desk: Desk) -> None:
    desk.load(a=rules("a"), b=rules("b"))
    desk.load(b=rules("b"))
    assert (desk.names, desk.refused) == (["b"], {})
    desk.load(a=BROKEN, b=rules("b"))
    assert desk.without_version() == {"a"}


def test_where_every_file_is_gone_all_rules_stay(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load()
    assert desk.names == ["a"]
    assert "no rule file matches `rules/*.yaml`" in desk.refused["config"][0]
    desk.load(a=rules("a", version=2))
    assert (desk.versions, desk.refused) == ({"a": 2}, {})


def test_of_two_files_that_take_the_same_new_name_the_later_is_the_bad_one(desk: Desk) -> None:
    desk.load(a=rules("a"), b=rules("b"))
    desk.load(a=rules("a", "x", version=2), b=rules("b", "x", version=2))
    assert desk.versions == {"a": 2, "x": 2, "b": 1}
    (problem,) = desk.refused["b"]
    assert problem.startswith("/srv/alerts/b.yaml:6:11: there is a rule `x` already, at /srv/alerts/a.yaml:6")


def test_a_file_that_takes_a_name_from_a_later_one_does_not_stop_what_runs(desk: Desk) -> None:
    desk.load(a=rules("a"), b=rules("b", "x"))
    desk.load(a=rules("a", "x", version=2), b=rules("b", "x"))
    assert desk.versions == {"a": 1, "b": 1, "x": 1}
    assert [problem.split(" (")[0] for file in "ab" for problem in desk.refused[file]] == [
        "/srv/alerts/a.yaml:6:11: there is a rule `x` already, at /srv/alerts/b.yaml:6",
        "/srv/alerts/b.yaml:6:11: there is a rule `x` already, at /srv/alerts/a.yaml:6",
    ]
    assert desk.without_version() == set()


def test_a_rule_moves_from_file_to_file_by_two_edits_whichever_comes_first(desk: Desk) -> None:
    desk.load(a=rules("a", "x"), b=rules("b"))
    desk.load(a=rules("a", "x"), b=rules("b", "x", version=2))
    assert desk.versions == {"a": 1, "x": 1, "b": 1}
    desk.load(a=rules("a"), b=rules("b", "x", version=2))
    assert desk.versions == {"a": 1, "b": 2, "x": 2}
    desk.load(a=rules("a", "x", version=3), b=rules("b", "x", version=2))
    assert desk.versions["x"] == 2
    desk.load(a=rules("a", "x", version=3), b=rules("b", version=3))
    assert (desk.versions, desk.refused) == ({"a": 3, "x": 3, "b": 3}, {})


def test_a_name_that_a_broken_file_still_has_in_force_is_taken(desk: Desk) -> None:
    desk.load(a=rules("x"), b=rules("b"))
    desk.load(a=BROKEN, b=rules("b", "x", version=2))
    assert desk.versions == {"x": 1, "b": 1}
    assert "already, at /srv/alerts/a.yaml:2, in its last good version, which stays in force" in desk.refused["b"][0]
    desk.load(a=rules("b", version=2), b=BROKEN)
    assert desk.versions == {"x": 1, "b": 1}
    assert set(desk.refused) == {"a", "b"}


def test_what_goes_back_makes_what_builds_on_it_go_back(desk: Desk) -> None:
    # Three files hand their names on in a circle, and one of them is broken.
    desk.load(a=rules("x"), b=rules("y"), c=rules("z"))
    desk.load(a=rules("y", version=2), b=rules("z", version=2), c=BROKEN)
    assert desk.versions == {"x": 1, "y": 1, "z": 1}
    desk.load(a=rules("y", version=2), b=rules("z", version=2), c=rules("x", version=2))
    assert (desk.versions, desk.refused) == ({"y": 2, "z": 2, "x": 2}, {})


def test_a_broken_template_counts_against_the_files_that_use_it_alone(desk: Desk) -> None:
    desk.templates = {"m.html.j2": "<p>first</p>"}
    desk.load(a=mail("m.html.j2"), b=rules("b"))
    desk.templates = {"m.html.j2": "\n<p>{{ nonsense( }}</p>"}
    desk.load(a=mail("m.html.j2"), b=rules("b", version=2))
    assert desk.names == ["mail", "b"]
    (problem,) = desk.refused["a"]
    assert problem.startswith("/srv/alerts/templates/m.html.j2:2:1: ")
    assert "first" in desk.now.ruleset.rules[0].notify[0].message.render({})["html"]


def test_a_template_that_is_gone_leaves_the_text_that_was(desk: Desk) -> None:
    desk.templates = {"m.html.j2": "{% include 'foot.j2' %}", "foot.j2": "foot"}
    desk.load(a=mail("m.html.j2"))
    assert desk.now.versions[FOLDER / "a.yaml"].templates == desk.templates
    desk.templates = {"m.html.j2": "{% include 'foot.j2' %}"}
    desk.load(a=mail("m.html.j2"))
    assert list(desk.refused) == ["a"]
    assert "foot" in desk.now.ruleset.rules[0].notify[0].message.render({})["html"]


def test_a_template_that_changed_puts_its_rules_in_force_anew(desk: Desk) -> None:
    desk.templates = {"m.html.j2": "first"}
    before = desk.load(a=mail("m.html.j2"), b=rules("b"))
    desk.templates = {"m.html.j2": "second"}
    after = desk.load(a=mail("m.html.j2"), b=rules("b"))
    assert "second" in after.ruleset.rules[0].notify[0].message.render({})["html"]
    assert before.ruleset.rules[0].digest != after.ruleset.rules[0].digest


def test_files_that_did_not_change_are_not_compiled_again(desk: Desk) -> None:
    desk.templates = {"m.html.j2": "first", "foot.j2": ""}
    before = desk.load(a=mail("m.html.j2"), b=rules("b"), c=rules("c"))
    desk.templates = {"m.html.j2": "first", "foot.j2": "another"}
    after = desk.load(a=mail("m.html.j2"), b=rules("b", version=2), c=rules("c"))
    same = [old is new for old, new in zip(before.versions.values(), after.versions.values(), strict=True)]
    assert same == [True, False, True]


def test_a_file_that_was_included_where_it_is_there_is_found_when_it_comes(desk: Desk) -> None:
    desk.templates = {"m.html.j2": "{% include 'foot.j2' ignore missing %}"}
    desk.load(a=mail("m.html.j2"))
    desk.load(a=mail("m.html.j2"))
    desk.templates = {**desk.templates, "foot.j2": "now there"}
    desk.load(a=mail("m.html.j2"))
    assert "now there" in desk.now.ruleset.rules[0].notify[0].message.render({})["html"]


TEST_OF = """
tests:
  - name: t
    event: {event_type: iban_created}
    expect: [{rule: NAME}]
"""


def test_a_test_of_a_rule_that_there_is_not_refuses_its_file(desk: Desk) -> None:
    desk.load(a=rules("a"))
    desk.load(a=rules("a", version=2) + TEST_OF.replace("NAME", "nobody"))
    assert desk.versions == {"a": 1}
    assert "there is no rule `nobody`" in desk.refused["a"][0]


def test_a_test_of_another_files_rule_is_no_problem_while_that_file_is_broken(desk: Desk) -> None:
    tested = rules("b", version=2) + TEST_OF.replace("NAME", "a")
    desk.load(a=rules("a"), b=rules("b"))
    desk.load(a=GARBAGE, b=tested)
    assert (desk.versions, list(desk.refused)) == ({"a": 1, "b": 2}, ["a"])


def test_a_removed_rule_that_another_files_tests_speak_of_is_told_and_stays_told(desk: Desk) -> None:
    tested = rules("b") + TEST_OF.replace("NAME", "a")
    desk.load(a=rules("a", "c"), b=tested)
    for _ in range(2):
        desk.load(a=rules("c", version=2), b=tested)
        # Nothing is held back: the rules of both files are what is written.
        assert desk.versions == {"c": 2, "b": 1}
        assert (list(desk.refused), desk.without_version()) == (["b"], set())
    desk.load(a=rules("a", "c"), b=tested)
    assert desk.refused == {}


def test_files_of_a_first_load_that_clash_are_told_as_check_tells_them(desk: Desk) -> None:
    desk.load(a=rules("x"), b=rules("x"))
    assert desk.names == ["x"]
    assert desk.without_version() == {"b"}


_TEXTS = st.sampled_from(
    [None, BROKEN, *(rules(*names, version=version) for names in ("", "x", "y", "xy", "yz") for version in (1, 2))]
)
_STATES = st.lists(st.fixed_dictionaries({}, optional={"a": _TEXTS, "b": _TEXTS, "c": _TEXTS}), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(states=_STATES)
def test_whatever_is_edited_no_name_is_there_twice_and_no_file_that_had_a_version_loses_it(
    states: list[dict[str, str | None]], make_config: Any
) -> None:
    desk = Desk(make_config(FOLDER))
    for state in states:
        before = desk.now.versions
        desk.load(**state)
        assert len(set(desk.names)) == len(desk.names)
        still_there = {FOLDER / f"{name}.yaml" for name in state} & before.keys()
        assert still_there <= desk.now.versions.keys()
        for name, text in state.items():
            version = desk.now.versions.get(FOLDER / f"{name}.yaml")
            # A whole text, that of now or that of before, and where it is not that of now, it is told.
            known = [old.text for old in [before.get(FOLDER / f"{name}.yaml")] if old is not None]
            assert version is None or version.text in (text, *known)
            assert (version is not None and version.text == text) or name in desk.refused


def test_the_order_in_which_files_are_named_decides_nothing_but_who_is_first(desk: Desk) -> None:
    texts = {"a": rules("a"), "b": rules("b"), "c": BROKEN}
    for order in permutations(texts):
        desk.now = NOTHING
        desk.load(**{name: texts[name] for name in order})
        assert sorted(desk.names) == ["a", "b"]
        assert desk.without_version() == {"c"}
