"""What rules would have sent for the past, against what they sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engineparts import entry, event, fn, rule
from pastparts import kept, new, old, past

from memonotify.engine.backtest import Backtest, Kind, pages
from memonotify.errors import Reason
from memonotify.model import Branch, Decision, DeliveryState, Falsehood, Mode, Outcome
from memonotify.past import Extent, Past, Selection
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset
from memonotify.rules.windows import Window
from memonotify.windowing import Measure


def trial(*rules, elsewhere=(), examples=3, with_api=("acme",)):
    return Backtest(
        Ruleset(rules=rules),
        concerns=lambda name: name not in elsewhere,
        resource_types={},
        with_api=frozenset(with_api),
        examples=examples,
    )


def reported(backtest, *pasts):
    for each in pasts:
        backtest.look_at(each)
    return {report.rule: report for report in backtest.reports}


def kinds(report):
    return {str(kind): number for kind, number in report.kinds.items()}


HELLO = rule("r")
AMOUNT = rule("r", when=fn(lambda c: c["resource"]["amount"] > 5, "resource"), needs_resource=True)


@pytest.mark.parametrize(
    ("then", "told"),
    [
        pytest.param([], {"new": 1}, id="new"),
        pytest.param([old()], {"same": 1}, id="same"),
        pytest.param([old(payload={"json": "hi"})], {"changed": 1}, id="changed"),
        pytest.param([old(channel="mail")], {"new": 1, "gone": 1}, id="another channel"),
        pytest.param([old(state=DeliveryState.DEAD)], {"same": 1}, id="a dead letter was decided on"),
        pytest.param([old(state=DeliveryState.SUPPRESSED)], {"new": 1}, id="a suppressed one was not sent"),
        pytest.param([old(), old(id="x", replay="resent", payload={"json": "z"})], {"same": 1}, id="the original"),
        pytest.param(
            [old(id="a", payload={"json": "many"}), old(state=DeliveryState.TOLD, told_in="a")],
            {"same": 1},
            id="the message of a group is none of the rule's own",
        ),
        pytest.param([old(), old(branch=Branch.ESCALATE)], {"same": 1}, id="an escalation is not compared"),
    ],
)
def test_a_message_is_new_changed_or_the_same(then, told):
    report = reported(trial(HELLO), past(1, *then))["r"]
    assert kinds(report) == told
    assert (report.sends, report.events) == (1, 1)


def test_what_a_rule_does_not_send_any_more_is_told_with_its_event():
    report = reported(trial(AMOUNT), past(1, old(payload={"subject": "big"}), resource={"amount": 1}))["r"]
    assert kinds(report) == {"gone": 1}
    (example,) = report.examples[Kind.GONE]
    assert (example.event_id, example.channel, example.headline) == ("evt-1", "log", "big")


def test_a_rule_that_is_no_more_is_told_and_one_of_another_file_is_not():
    found = reported(trial(HELLO, elsewhere={"neighbour"}), past(1, old("dropped"), old("neighbour"), old()))
    assert set(found) == {"r", "dropped"}
    assert kinds(found["dropped"]) == {"gone": 1}
    assert not found["dropped"].is_ours


def test_the_first_change_is_told_in_its_fields():
    report = reported(trial(HELLO), past(1, old(payload={"json": "hi"})))["r"]
    (change,) = report.examples[Kind.CHANGED][0].changes
    assert (change.field, change.before, change.after) == ("json", "hi", "hello")


def test_examples_are_bounded_and_counts_are_not():
    backtest = trial(HELLO, examples=2)
    report = reported(backtest, *(past(seq) for seq in range(1, 9)))["r"]
    assert report.kinds[Kind.NEW] == 8
    assert [example.event_id for example in report.examples[Kind.NEW]] == ["evt-1", "evt-2"]


def test_a_rule_is_not_decided_without_the_resource_it_is_decided_by_and_nothing_is_compared():
    found = reported(trial(AMOUNT), past(1, old()), past(2), past(3, resource={"amount": 9}))["r"]
    assert dict(found.undecided) == {"the resource was not kept": 2}
    assert (found.sends, kinds(found)) == (1, {"new": 1})


def test_a_rule_whose_text_alone_needs_the_resource_is_decided_without_it():
    said = entry(message=fn(lambda c: {"json": c["resource"]["amount"]}, "resource"))
    report = reported(trial(rule("r", notify=(said,), needs_resource=True)), past(1), past(2, old()))["r"]
    assert (report.sends, report.textless, report.plain) == (2, 2, 0)
    assert kinds(report) == {"new": 1, "same": 1}
    assert report.examples[Kind.NEW][0].headline == ""


def test_the_resource_that_a_look_up_of_the_condition_needs_is_one_that_the_rule_is_decided_by():
    looks = rule(
        "r",
        when=fn(lambda c: c["account"]["balance"] < 5, "account"),
        lookups={"account": fn(lambda c: f"/v2/accounts/{c['resource']['account']}", "resource")},
        needs_resource=True,
    )
    assert dict(reported(trial(looks), past(1))["r"].undecided) == {"the resource was not kept": 1}
    report = reported(trial(looks), past(1, resource={"account": 7}))["r"]
    assert dict(report.undecided) == {"the look-up account was not kept": 1}
    there = past(1, resource={"account": 7}, snapshots=[kept("/v2/accounts/7", {"balance": 1})])
    assert reported(trial(looks), there)["r"].sends == 1


def test_what_the_bank_did_not_have_then_is_known_and_noted_as_it_was():
    says = rule("r", notify=(entry(message=fn({"text": "hi"}), type_="slack"),), needs_resource=True)
    gone = kept("/v2/transactions/res-1", status=404, reason=Reason.NOT_FOUND)
    report = reported(trial(says), past(1, snapshots=[gone]))["r"]
    assert report.textless == 0
    unasked = reported(trial(says, with_api=()), past(1))["r"]
    assert unasked.textless == 0


def test_an_event_that_waits_for_its_evaluation_is_left_out():
    backtest = trial(HELLO)
    assert reported(backtest, Past(event=event(1)))["r"].sends == 0
    assert (backtest.events, backtest.unevaluated) == (0, 1)


def test_failures_and_plain_messages_are_counted_with_what_the_first_said():
    fails = rule("fails", when=fn(lambda c: c["nothing"]))
    plain = rule("plain", notify=(entry(message=fn(lambda c: c["nowhere"])),))
    found = reported(trial(fails, plain), past(1), past(2))
    assert (found["fails"].failed, found["plain"].plain) == (2, 2)
    assert "'nothing' is missing" in found["fails"].first_failure
    assert "'nowhere' is missing" in found["plain"].first_render_error


def test_a_rule_in_the_shadow_sends_nothing_and_counts_what_it_makes():
    report = reported(trial(replace(HELLO, mode=Mode.SHADOW)), past(1), past(2, old()))["r"]
    assert (report.sends, report.suppressed, kinds(report)) == (0, 2, {"gone": 1})


LOW = rule(
    "low",
    when=fn(lambda c: c["resource"]["balance"] < 5, "resource"),
    key=fn("k"),
    needs_resource=True,
    resolved=(entry(message=fn({"json": "over"})),),
)


def _balances(*balances, first=()):
    return [
        past(seq, resource={"balance": balance}, decisions=first if seq == 1 else ())
        for seq, balance in enumerate(balances, start=1)
    ]


@pytest.mark.parametrize(
    ("then", "sent"),
    [
        pytest.param((), ["evt-1", "evt-3", "evt-4"], id="a new key begins with unknown"),
        pytest.param(
            (Decision(rule="low", outcome=Outcome.UNCHANGED, key="k"),), ["evt-3", "evt-4"], id="it was low already"
        ),
        pytest.param(
            (Decision(rule="low", outcome=Outcome.UNCHANGED, key="other"),),
            ["evt-1", "evt-3", "evt-4"],
            id="another key",
        ),
        pytest.param(
            (Decision(rule="low", outcome=Outcome.NOT_MATCHED, key="k", falsehood=Falsehood(condition="x")),),
            ["evt-1", "evt-3", "evt-4"],
            id="it was not low",
        ),
    ],
)
def test_a_rule_with_a_memory_keeps_it_in_order_and_begins_with_what_it_remembered_then(then, sent):
    backtest = trial(LOW, examples=9)
    report = reported(backtest, *_balances(1, 2, 9, 3, first=then))["low"]
    assert [example.event_id for example in report.examples[Kind.NEW]] == sent
    assert {example.headline for example in report.examples[Kind.NEW]} <= {"hello", "over"}


@pytest.mark.parametrize(
    ("decision", "speaks"),
    [
        pytest.param(Decision(rule="low", outcome=Outcome.MATCHED, key="k"), True, id="it spoke then"),
        pytest.param(
            Decision(rule="low", outcome=Outcome.MATCHED, key="k", falsehood=Falsehood(condition="x")),
            False,
            id="it had been low until then",
        ),
        pytest.param(Decision(rule="low", outcome=Outcome.FAILED, key="k"), True, id="it failed then"),
    ],
)
def test_what_was_remembered_follows_from_what_was_concluded(decision, speaks):
    report = reported(trial(LOW), *_balances(1, first=(decision,)))["low"]
    assert bool(report.sends) is speaks


def test_only_rules_that_match_are_asked():
    other = rule("other", match=Match(event_type=("collection_*",)))
    found = reported(trial(other), past(1, old("other", branch=Branch.NOTIFY)))
    assert (found["other"].events, kinds(found["other"])) == (0, {"gone": 1})
    assert new().rule == "r"


async def test_pages_follow_each_other_in_order_and_end_at_the_last_event_there_was():
    class Many:
        async def past(self, selection, *, after, last, limit, with_decisions):
            return [past(seq) for seq in range(after + 1, min(after + limit, last) + 1)]

    extent = Extent(count=450, first=7, last=456)
    seqs = [each.event.seq async for page in pages(Many(), Selection(), extent, with_decisions=False) for each in page]
    assert seqs == list(range(7, 457))


def counting(when, *, match=None, name="r"):
    made = rule(name, when=when, needs_resource=True)
    by = fn(lambda c: c["resource"]["key"], "resource")
    window = Window(name="x", measure=Measure.COUNT, match=match or made.match, by=by, within_s=60.0, digest="w")
    return replace(made, windows=(window,))


def test_a_window_counts_what_was_looked_at_and_nothing_of_before():
    backtest = trial(counting(fn(lambda c: c["x"] == 2, "x")))
    pasts = [past(seq, resource={"key": key}) for seq, key in enumerate("klkk", start=1)]
    report = reported(backtest, *pasts)["r"]
    assert (report.events, report.sends) == (4, 1)


def test_an_event_without_the_resource_that_a_window_reads_is_undecided():
    report = reported(trial(counting(None)), past(1))["r"]
    assert dict(report.undecided) == {"the resource was not kept": 1}


def test_a_window_counts_events_that_its_rule_does_not_look_at():
    made = counting(fn(lambda c: c["x"] == 1, "x"), match=Match(event_type=("transaction_confirmed",)))
    looks = replace(made, match=Match(event_type=("transaction_rejected",)))
    first = past(1, resource={"key": "k"})
    second = past(2, resource={"key": "k"}, type_="transaction_rejected")
    report = reported(trial(looks), first, second)["r"]
    assert (report.events, report.sends) == (1, 1)
