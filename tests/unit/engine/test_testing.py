"""The runner of the rule files' tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from engineparts import entry, fn, rule

from memonotify.config.values import EmailConfig
from memonotify.engine.testing import event_of, run_tests
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset, RuleTest

MAIL = EmailConfig(
    name="mail",
    type="email",
    concurrency=1,
    rate=None,
    timeout_s=1.0,
    host="h",
    port=25,
    security="none",
    from_="a@x.fr",
    to=("team@x.fr",),
)
CONFIG = SimpleNamespace(
    channels={"mail": MAIL}, workspaces=(SimpleNamespace(name="acme"), SimpleNamespace(name="umbrella"))
)


def case(expect, *, event=None, resource=None, lookups=None, **more):
    return RuleTest(
        name="t",
        file="rules.yaml",
        line=9,
        event=event or {"event_type": "collection_returned"},
        resource=resource,
        lookups=lookups or {},
        expect=tuple(expect),
        **more,
    )


def run(test, *rules):
    (result,) = run_tests(Ruleset(rules=rules, tests=(test,)), CONFIG)
    return result


def kinds(result):
    return [shortfall.kind for shortfall in result.shortfalls]


def mail(subject, index=0):
    return entry(index, "mail", message=fn({"subject": subject, "text": "t"}), type_="email")


def test_what_is_missing_in_an_event_is_filled_in():
    event = event_of(case([], event={"event_type": "collection_returned", "extra": 1}, resource={"id": "c-1"}), CONFIG)
    assert (event.resource_type, event.resource_id, event.workspace) == ("collection", "c-1", "acme")
    assert set(event.body) == {"id", "date", "event_type", "resource_type", "resource_id", "extra"}


def test_an_event_type_nobody_knows_is_taken_as_it_is():
    event = event_of(case([], event={"event_type": "novelty_appeared"}), CONFIG)
    assert (event.event_type, event.resource_type) == ("novelty_appeared", "unknown")


def test_a_test_that_lists_every_message_passes_whatever_the_order():
    rules = (rule("a", notify=(mail("A"),)), rule("b", notify=(mail("B1"), mail("B2", 1))))
    expect = [{"rule": "b", "subject": "B2"}, {"rule": "b"}, {"channel": "mail", "rule": "a"}]
    assert run(case(expect), *rules).passed


def test_a_message_that_is_not_listed_fails_the_test():
    result = run(case([]), rule("a", notify=(mail("Hello"),)))
    assert kinds(result) == ["unexpected"]
    assert "rule a to mail" in str(result.shortfalls[0])
    assert "Hello" in str(result.shortfalls[0])


def test_a_message_that_is_not_due_fails_the_test():
    result = run(case([{"rule": "a", "channel": "mail"}]), rule("a", when=fn(lambda c: False)))
    assert kinds(result) == ["missing"]
    assert "of rule a to mail" in str(result.shortfalls[0])


def test_silence_is_an_empty_list():
    assert run(case([]), rule("a", when=fn(lambda c: False))).passed


def test_the_nearest_message_is_shown_with_what_differs():
    expect = [{"rule": "a", "subject": "two words"}]
    result = run(case(expect), rule("a", notify=(mail("two swords"),)))
    (shortfall,) = result.shortfalls
    assert shortfall.kind == "differs"
    assert [field.field for field in shortfall.fields] == ["subject"]
    assert [piece.kind for piece in shortfall.fields[0].pieces] == ["same", "missing", "extra"]


def test_a_message_that_fails_to_render_fails_the_test_with_the_reason_and_once():
    broken = entry(0, "mail", message=fn(lambda c: c["gone"]), type_="email")
    result = run(case([{"rule": "a", "subject": "x"}]), rule("a", notify=(broken,)))
    assert kinds(result) == ["error"]
    assert "'gone' is missing" in str(result.shortfalls[0])


def test_a_condition_that_fails_fails_the_test():
    result = run(case([]), rule("a", when=fn(lambda c: c["gone"])))
    assert kinds(result) == ["error"]
    assert "'gone' is missing" in str(result.shortfalls[0])


def test_the_recipients_of_the_channel_can_be_expected():
    assert run(case([{"rule": "a", "to": "team@x.fr"}]), rule("a", notify=(mail("A"),))).passed


LOW = {"account": fn("/v2/accounts/1")}


def low_balance(**more):
    return rule(
        "low",
        when=fn(lambda c: c["account"]["balance"] < 10, "account"),
        lookups=LOW,
        key=fn("k"),
        notify=(mail("low"),),
        resolved=(mail("over"),),
        **more,
    )


@pytest.mark.parametrize("name", ["account", "/v2/accounts/1"])
def test_look_ups_are_answered_by_name_or_by_path(name):
    assert run(case([{"rule": "low"}], lookups={name: {"balance": 1}}), low_balance()).passed


def test_a_look_up_without_an_answer_fails_a_test_that_speaks_of_the_rule():
    result = run(case([{"rule": "low"}]), low_balance())
    assert kinds(result)[0] == "error"
    assert "account (/v2/accounts/1)" in str(result.shortfalls[0])


def test_a_look_up_without_an_answer_is_a_note_where_the_test_does_not_speak_of_the_rule():
    result = run(case([]), low_balance())
    assert result.passed
    assert "account (/v2/accounts/1)" in result.notes[0]


def test_an_earlier_answer_can_be_given():
    high = {"account": {"balance": 100}}
    assert run(case([], lookups=high), low_balance()).passed
    assert run(case([{"subject": "over"}], lookups=high, state={"low": True}), low_balance()).passed


def test_a_test_may_be_about_another_workspace():
    other = rule("a", match=Match(workspace=("umbrella",)), notify=(mail("A"),))
    assert run(case([]), other).passed
    assert run(case([{"rule": "a"}], workspace="umbrella"), other).passed


def test_only_those_chosen_are_run():
    ruleset = Ruleset(rules=(), tests=(case([]), case([{"rule": "a"}])))
    assert [result.passed for result in run_tests(ruleset, CONFIG)] == [True, False]
    assert run_tests(ruleset, CONFIG, only=lambda test: test.file == "other.yaml") == []
