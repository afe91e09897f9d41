"""What one rule concludes of one event."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engineparts import entry, event, fn, rule
from fakes import ManualClock

from memonotify.engine.asks import Given, Lookup, QuietUntil, Remembered, Silences
from memonotify.engine.decide import decide
from memonotify.holding import Policy, StateChange
from memonotify.model import Branch, Outcome, Severity, delivery_id
from memonotify.rules.policies import Once

AT = ManualClock().now()


def run(rule, *, resource=None, note="", remembered=None, lookups=None, asked=None, silences=(), quiet=None):
    """Decide with fixed answers; `asked` gathers the questions in order."""
    deciding = decide(rule, event=event(), resource=Given(value=resource, note=note), at=AT)
    answer = None
    while True:
        try:
            ask = deciding.send(answer)
        except StopIteration as stop:
            return stop.value
        if isinstance(ask, Silences):
            answer = silences
            continue
        if isinstance(ask, QuietUntil):
            answer = quiet
            continue
        if asked is not None:
            asked.append(ask)
        if isinstance(ask, Remembered):
            answer = remembered.get(ask.policy) if isinstance(remembered, dict) else remembered
        else:
            answer = (lookups or {}).get(ask.name, Given(value=None))


def payloads(decision):
    return [delivery.notification.payload for delivery in decision.deliveries]


def test_a_rule_without_a_condition_sends_each_of_its_messages():
    decision = run(rule(notify=(entry(0, "a"), entry(1, "b"))))
    assert decision.outcome is Outcome.MATCHED
    assert [d.notification.channel for d in decision.deliveries] == ["a", "b"]


def test_the_same_place_decides_on_the_same_id():
    first, second = run(rule()), run(rule())
    assert first.deliveries[0].id == second.deliveries[0].id == delivery_id("acme", "evt-1", "r", Branch.NOTIFY, 0)


def test_a_false_condition_sends_nothing():
    decision = run(rule(when=fn(lambda c: False)))
    assert (decision.outcome, decision.deliveries) == (Outcome.NOT_MATCHED, ())


def test_a_condition_that_fails_is_a_failed_decision_that_says_why():
    decision = run(rule(when=fn(lambda c: c["resource"]["amount"]), needs_resource=True), resource={}, note="bank away")
    assert decision.outcome is Outcome.FAILED
    assert decision.detail == "when: 'amount' is missing; bank away"
    assert decision.deliveries == ()


def test_a_fault_that_nobody_foresaw_fails_the_decision_only():
    decision = run(rule(when=fn(lambda c: 1 / 0)))
    assert decision.outcome is Outcome.FAILED
    assert "ZeroDivisionError" in decision.detail


def test_expressions_see_the_event_as_posted_its_resource_and_its_workspace():
    seen = {}
    run(rule(when=fn(lambda c: seen.update(c))), resource={"id": "x"})
    assert seen == {"event": event().body, "resource": {"id": "x"}, "workspace": {"name": "acme"}}


@pytest.mark.parametrize("error", [lambda c: c["gone"], lambda c: 1 / 0])
def test_a_message_that_fails_to_render_goes_out_in_the_plain_form(error):
    decision = run(rule(notify=(entry(0, message=fn(error)), entry(1))))
    broken, sound = decision.deliveries
    assert decision.outcome is Outcome.MATCHED
    assert broken.notification.render_error
    assert "evt-1" in str(broken.notification.payload)
    assert sound.notification.render_error == ""


def test_an_entry_with_a_false_condition_of_its_own_is_left_out_and_keeps_the_others_places():
    decision = run(rule(notify=(entry(0, when=fn(lambda c: False)), entry(1))))
    assert [d.entry for d in decision.deliveries] == [1]


@pytest.mark.parametrize("message", [fn({"json": "hello"}), fn(lambda c: c["gone"])])
def test_a_message_says_the_severity_of_its_rule_also_in_the_plain_form(message):
    critical = replace(rule(notify=(entry(0, message=message),)), severity=Severity.CRITICAL)
    assert [payload["severity"] for payload in payloads(run(critical))] == ["critical"]
    assert "severity" not in payloads(run(replace(critical, severity=Severity.INFO)))[0]


def test_an_entry_whose_own_condition_fails_is_sent_plain_because_the_rule_has_fired():
    (delivery,) = run(rule(notify=(entry(0, when=fn(lambda c: c["gone"])),))).deliveries
    assert delivery.notification.render_error.startswith("when of the message")


def test_a_message_says_that_the_bank_gave_no_resource():
    (payload,) = payloads(run(rule(needs_resource=True), note="the bank did not give the resource: timeout"))
    assert "the bank did not give the resource: timeout" in str(payload)


def test_a_rule_that_names_no_resource_says_nothing_of_it():
    assert payloads(run(rule(), note="the bank did not give the resource: timeout")) == [{"json": "hello"}]


LOOKUPS = {"account": fn(lambda c: "/v2/accounts/1"), "iban": fn(lambda c: "/v2/ibans/1")}


def test_look_ups_of_the_condition_come_first_and_the_others_only_if_the_rule_fires():
    asked = []
    silent = rule(
        when=fn(lambda c: c["account"] is not None, "account"),
        lookups=LOOKUPS,
        notify=(entry(message=fn(lambda c: {"json": c["iban"]}, "iban")),),
    )
    run(silent, asked=asked)
    assert asked == [Lookup(name="account", path="/v2/accounts/1")]
    asked.clear()
    decision = run(silent, asked=asked, lookups={"account": Given(value={}), "iban": Given(value="FR76")})
    assert [ask.name for ask in asked] == ["account", "iban"]
    assert payloads(decision) == [{"json": "FR76"}]


def test_a_look_up_is_asked_for_once_by_a_rule():
    asked = []
    twice = fn(lambda c: {"json": c["account"]}, "account")
    run(rule(lookups=LOOKUPS, notify=(entry(0, message=twice), entry(1, message=twice))), asked=asked)
    assert len(asked) == 1


def test_a_look_up_of_the_condition_without_a_path_fails_the_decision():
    broken = {"account": fn(lambda c: c["resource"]["account_id"])}
    decision = run(rule(when=fn(True, "account"), lookups=broken), resource={})
    assert decision.outcome is Outcome.FAILED
    assert decision.detail == "fetch.account: 'account_id' is missing"


@pytest.mark.parametrize("path", ["/v2/accounts/..", "/v2/accounts//iban", "https://elsewhere.example/v2/accounts/1"])
def test_a_look_up_that_a_value_leads_elsewhere_is_not_asked_for(path):
    asked = []
    decision = run(rule(when=fn(True, "account"), lookups={"account": fn(path)}), asked=asked)
    assert (decision.outcome, asked) == (Outcome.FAILED, [])


def test_a_look_up_of_a_message_without_a_path_sends_that_message_plain():
    broken = {"account": fn(lambda c: c["resource"]["account_id"])}
    message = fn(lambda c: {"json": c["account"]}, "account")
    (delivery,) = run(rule(lookups=broken, notify=(entry(message=message),)), resource={}).deliveries
    assert delivery.notification.render_error == "fetch.account: 'account_id' is missing"


def test_what_a_look_up_did_not_bring_is_said_in_the_message():
    message = fn(lambda c: {"json": c["account"]}, "account")
    given = {"account": Given(value=None, note="the bank did not give the look-up account: timeout")}
    (payload,) = payloads(run(rule(lookups=LOOKUPS, notify=(entry(message=message),)), lookups=given))
    assert "the look-up account: timeout" in str(payload)


def change_rule(answer, **more):
    return rule(when=fn(lambda c: answer), key=fn("acc-1"), resolved=(entry(0, message=fn({"json": "over"})),), **more)


def test_a_first_true_speaks_and_is_remembered():
    asked = []
    decision = run(change_rule(True), asked=asked)
    assert asked == [Remembered(policy=Policy.FIRE, key="acc-1", line="acc-1")]
    assert payloads(decision) == [{"json": "hello"}]
    assert decision.changes[0] == StateChange(
        workspace="acme", rule="r", policy=Policy.FIRE, key="acc-1", old=None, new="true"
    )


def test_a_first_false_is_silent_and_is_remembered():
    decision = run(change_rule(False))
    assert decision.deliveries == ()
    assert decision.changes[0].new == "false"


def test_a_second_true_is_unchanged_and_silent():
    decision = run(change_rule(True), remembered="true")
    assert (decision.outcome, decision.deliveries, decision.changes) == (Outcome.UNCHANGED, (), ())


def test_a_false_after_a_true_sends_what_resolved_lists():
    decision = run(change_rule(False), remembered="true")
    assert payloads(decision) == [{"json": "over"}]
    assert decision.deliveries[0].branch is Branch.RESOLVED
    assert decision.changes[0] == StateChange(
        workspace="acme", rule="r", policy=Policy.FIRE, key="acc-1", old="true", new="false"
    )


def test_a_hysteresis_that_is_false_keeps_what_is_remembered_and_says_why():
    decision = run(change_rule(False, hysteresis=fn(lambda c: False)), remembered="true")
    assert (decision.outcome, decision.deliveries, decision.changes) == (Outcome.UNCHANGED, (), ())
    assert decision.detail == "when is false, but it is not over: hysteresis is false"
    assert decision.falsehood is not None


def test_a_hysteresis_that_is_true_lets_it_be_over():
    decision = run(change_rule(False, hysteresis=fn(lambda c: True)), remembered="true")
    assert payloads(decision) == [{"json": "over"}]


@pytest.mark.parametrize(("answer", "remembered"), [(True, "true"), (True, None), (False, None), (False, "false")])
def test_a_hysteresis_is_asked_only_where_something_might_be_over(answer, remembered):
    decision = run(change_rule(answer, hysteresis=fn(lambda c: c["gone"])), remembered=remembered)
    assert decision.outcome is not Outcome.FAILED


def test_a_hysteresis_that_fails_fails_the_decision_and_changes_nothing():
    decision = run(change_rule(False, hysteresis=fn(lambda c: c["gone"])), remembered="true")
    assert (decision.outcome, decision.changes) == (Outcome.FAILED, ())
    assert decision.detail.startswith("hysteresis")
    assert decision.faults[0].path == ("hysteresis",)


@pytest.mark.parametrize("key", [fn(" "), fn("k" * 513), fn(lambda c: c["gone"])])
def test_a_key_that_cannot_be_one_fails_the_decision_and_changes_nothing(key):
    decision = run(rule(when=fn(True), key=key))
    assert decision.outcome is Outcome.FAILED
    assert decision.detail.startswith("key")
    assert decision.changes == ()


def test_where_the_key_of_once_cannot_be_told_the_message_goes_and_says_so():
    once = Once(per=fn(lambda c: c["resource"]["reference"]), within_s=3600.0)
    decision = run(replace(rule(), once=once), resource={})
    assert decision.outcome is Outcome.MATCHED
    assert decision.changes == ()
    (delivery,) = decision.deliveries
    assert "once.per" in str(delivery.notification.payload)
