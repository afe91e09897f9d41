"""The runner of the rule files' tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from engineparts import entry, fn, rule

from memonotify.config.values import EmailConfig
from memonotify.engine.testing import event_of, run_tests
from memonotify.model import Branch, Severity
from memonotify.rules.match import Match
from memonotify.rules.policies import Group, Limit, Once, Quiet, Step
from memonotify.rules.values import Ruleset, RuleTest
from memonotify.rules.windows import Window
from memonotify.windowing import Measure

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
    timezone="Europe/Paris",
    hours={},
    channels={"mail": MAIL},
    workspaces=(SimpleNamespace(name="acme"), SimpleNamespace(name="umbrella")),
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


def test_an_earlier_answer_can_be_given_by_key():
    high = {"account": {"balance": 100}}
    over = [{"rule": "low", "subject": "over"}]
    assert run(case(over, lookups=high, state={"low": {"k": True, "other": False}}), low_balance()).passed
    assert run(case([], lookups=high, state={"low": {"k": False}}), low_balance()).passed


def test_keys_among_which_the_events_is_not_are_a_note():
    result = run(case([], lookups={"account": {"balance": 100}}, state={"low": {"kk": True}}), low_balance())
    assert result.passed
    assert result.notes == ("rule low has the key `k` for this event; `state` gives answers for `kk`",)


def test_the_event_comes_in_when_the_test_says():
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    event = event_of(case([], now=now), CONFIG)
    assert event.received_at == now
    assert event.body["date"] == "2026-03-01T12:00:00+00:00"
    assert event_of(case([]), CONFIG).received_at == datetime(2026, 1, 2, 9, 30, tzinfo=UTC)
    own = {"event_type": "collection_returned", "date": "2020-01-01T00:00:00Z"}
    assert event_of(case([], event=own, now=now), CONFIG).date == "2020-01-01T00:00:00Z"


def test_a_message_that_is_missing_is_told_with_why_its_rule_is_silent():
    other_type = rule("a", match=Match(event_type=("account_closed",)), notify=(mail("A"),))
    (shortfall,) = run(case([{"rule": "a"}]), other_type).shortfalls
    assert shortfall.kind == "missing"
    assert "account_closed" in shortfall.text


def test_a_message_that_is_missing_is_shown_with_the_nearest_that_is_due():
    rules = (
        rule("a", when=fn(lambda c: False), notify=(mail("A"),)),
        rule("b", notify=(mail("quite another thing"),)),
        rule("c", notify=(mail("paid 120 euros today"),)),
    )
    result = run(case([{"rule": "a", "subject": "paid 120 euros"}]), *rules)
    missing, *others = result.shortfalls
    assert "the nearest that is due is of rule c to mail" in missing.text
    assert [field.field for field in missing.fields] == ["rule", "subject"]
    assert [(other.kind, other.rule) for other in others] == [("unexpected", "b"), ("unexpected", "c")]


def test_of_two_messages_the_one_with_fewer_words_that_differ_is_the_nearest():
    rules = (rule("a", notify=(mail("an entirely different text"), mail("paid 120 euros", 1))),)
    result = run(case([{"rule": "a", "subject": "paid 130 euros"}]), *rules)
    assert kinds(result) == ["differs", "unexpected"]
    assert result.shortfalls[0].fields[0].got == "paid 120 euros"


def test_a_result_says_which_rules_spoke_and_which_only_looked():
    rules = (rule("a", notify=(mail("A"),)), rule("b", when=fn(lambda c: False)), low_balance())
    result = run(case([{"rule": "a"}]), *rules)
    assert result.spoke == {("a", Branch.NOTIFY)}
    assert result.decided == {"a", "b"}


def test_the_time_that_a_test_takes_is_measured_with_the_timer_that_is_given():
    ticks = iter([1.0, 1.5])
    (result,) = run_tests(Ruleset(rules=(), tests=(case([]),)), CONFIG, timer=lambda: next(ticks))
    assert result.duration_s == 0.5


def policied(**more):
    """Return a rule with these policies."""
    return replace(rule(notify=[mail("Came back")]), **more)


STILL_OPEN = Step(
    after_s=86400.0, event_types=("collection_confirmed",), same="resource_id", entries=(mail("Still open"),)
)


def test_an_escalation_may_be_left_out_and_is_expected_by_its_time():
    escalating = policied(escalate=(STILL_OPEN,))
    assert run(case([{"subject": "Came back"}]), escalating).passed
    assert run(case([{"subject": "Came back"}, {"after": "1d", "subject": "Still open"}]), escalating).passed
    wrong = run(case([{"subject": "Came back"}, {"after": "1d", "subject": "Open"}]), escalating)
    assert [(one.kind, one.fields[0].field) for one in wrong.shortfalls] == [("differs", "subject")]
    missing = run(case([{"subject": "Came back"}, {"rule": "r", "after": "1d"}]), policied())
    assert missing.shortfalls[0].text == "a message of rule r after 1d is expected, and is not due"


def test_an_escalation_is_not_taken_for_a_message_that_is_due_at_once():
    result = run(case([{"subject": "Came back"}, {"subject": "Still open"}]), policied(escalate=(STILL_OPEN,)))
    assert kinds(result) == ["missing"]


def test_what_was_told_already_is_told_by_the_test():
    once = policied(once=Once(per=fn(lambda c: c["event"]["resource_id"]), within_s=3600.0))
    event = {"event_type": "collection_returned", "resource_id": "a"}
    assert run(case([{"rule": "r"}], event=event), once).passed
    assert run(case([], event=event, told={"r": None}), once).passed
    assert run(case([], event=event, told={"r": frozenset({"a"})}), once).passed
    assert run(case([{"rule": "r"}], event=event, told={"r": frozenset({"b"})}), once).passed


def test_until_when_a_message_waits_and_how_much_it_matters_can_be_expected():
    grouped = policied(group=Group(by=None, wait_s=60.0, most=5), severity=Severity.WARNING)
    at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    good = {"rule": "r", "held_until": "2026-03-02 10:01:00", "severity": "warning"}
    assert run(case([good], now=at), grouped).passed
    result = run(case([{"rule": "r", "held_until": False, "severity": "info"}], now=at), grouped)
    assert {field.field for field in result.shortfalls[0].fields} == {"held_until", "severity"}
    assert run(case([{"rule": "r", "held_until": False, "severity": "info"}]), policied()).passed


def test_a_rule_names_its_policies_in_a_few_words_in_the_order_of_the_stages():
    everything = policied(
        once=Once(per=fn("k"), within_s=86400.0),
        quiet=Quiet(hours="nights", then="hold"),
        group=Group(by=None, wait_s=60.0, most=5),
        limit=Limit(count=3, per_s=3600.0, by=None),
        escalate=(STILL_OPEN,),
    )
    assert everything.policies == ("once in 1d", "quiet nights", "group 1m", "limit 3 per 1h", "escalate after 1d")
    assert policied().policies == ()


def windowed(measure):
    said = entry(0, "mail", message=fn(lambda c: {"subject": str(c["x"])}), type_="email")
    made = rule(notify=[said], when=fn(lambda c: c["x"] not in (0, False), "x"))
    window = Window(
        name="x",
        measure=measure,
        match=made.match,
        by=fn("k"),
        within_s=60.0,
        digest="w",
        amount=fn(lambda c: c["resource"], "resource"),
    )
    return replace(made, windows=(window,))


@pytest.mark.parametrize(
    ("measure", "given", "told"),
    [
        (Measure.COUNT, {}, "1"),
        (Measure.COUNT, {"x": 4}, "4"),
        (Measure.SUM, {}, "1.05"),
        (Measure.SUM, {"x": Decimal("7.50")}, "7.50"),
        (Measure.FIRST_SEEN, {}, "True"),
    ],
)
def test_a_window_is_what_the_test_says_or_of_the_event_alone(measure, given, told):
    test = case([{"rule": "r", "subject": told}], resource={"amount": 105, "currency": "EUR"}, windows=given)
    assert run(test, windowed(measure)).passed


def test_what_was_seen_before_keeps_a_rule_silent():
    assert run(case([], windows={"x": False}), windowed(Measure.FIRST_SEEN)).passed
