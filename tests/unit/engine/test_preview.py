"""What `try` shows."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

from engineparts import Fn, entry, event, fn, rule

from memonotify.config.values import Retry
from memonotify.engine.asks import Given
from memonotify.engine.inquiry import Inquiry
from memonotify.engine.preview import preview
from memonotify.errors import FetchError, Reason
from memonotify.model import Outcome
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset


async def show(clock, bank, *rules, **options):
    item = event(1)
    answers = Inquiry(item, bank, resource_types={}, retry=Retry(), clock=clock, random=Random(1))
    return await preview(item, Ruleset(rules=rules), answers=answers, at=clock.now(), **options)


def paths(run, *dotted, names=()):
    analysis = SimpleNamespace(paths=frozenset(tuple(path.split(".")) for path in dotted))
    return Fn(run, frozenset(names), "the condition", analysis)


async def test_every_rule_is_shown_with_what_it_would_send_or_why_it_would_not(clock, bank):
    shown = await show(
        clock,
        bank,
        rule("fires"),
        rule("silent", when=fn(lambda c: False)),
        rule("fails", when=fn(lambda c: c["gone"])),
        rule("elsewhere", match=Match(event_type=("collection_*",))),
        rule("none-due", notify=(entry(when=fn(lambda c: False)),)),
    )
    assert [(found.rule, found.outcome, bool(found.messages)) for found in shown.rules] == [
        ("fires", Outcome.MATCHED, True),
        ("silent", Outcome.NOT_MATCHED, False),
        ("fails", Outcome.FAILED, False),
        ("elsewhere", None, False),
        ("none-due", Outcome.MATCHED, False),
    ]
    whys = [found.why for found in shown.rules]
    assert whys[0] == ""
    assert whys[1] == "source is false"
    assert "'gone' is missing" in whys[2]
    assert whys[3] == "match: event_type is transaction_confirmed, and the rule looks at collection_*"
    assert whys[4] == "none of its messages is due"
    assert len(shown.messages) == 1


async def test_a_condition_is_shown_with_the_values_it_read(clock, bank):
    bank.answers["/v2/accounts/1"] = {"balance": 7}
    condition = paths(
        lambda c: False,
        "resource",
        "resource.amount",
        "resource.gone",
        "account.balance",
        names=("resource", "account"),
    )
    shown = await show(
        clock,
        bank,
        rule("r", when=condition, lookups={"account": fn("/v2/accounts/1")}),
        resource=Given(value={"amount": 5}),
    )
    (found,) = shown.rules
    assert found.condition == "the condition"
    assert found.values == {"resource.amount": 5, "account.balance": 7}


async def test_the_bank_is_asked_only_where_a_rule_needs_it_and_nothing_was_given(clock, bank):
    bank.answers["/v2/transactions/res-1"] = {"id": "res-1"}
    await show(clock, bank, rule("r"))
    assert bank.asked == []
    assert (await show(clock, bank, rule("r", needs_resource=True), resource=Given(value={}))).resource == {}
    assert bank.asked == []
    assert (await show(clock, bank, rule("r", needs_resource=True))).resource == {"id": "res-1"}


async def test_a_bank_that_is_away_is_said_and_nothing_is_waited_for(clock, bank):
    bank.answers["/v2/transactions/res-1"] = FetchError(Reason.UNREACHABLE)
    shown = await show(clock, bank, rule("r", needs_resource=True))
    assert shown.resource is None
    assert shown.note == "the bank did not give the resource: unreachable"
    assert "unreachable" in str(shown.messages[0].notification.payload)


async def test_without_a_bank_it_is_said_that_nobody_was_asked(clock):
    shown = await show(clock, None, rule("r", needs_resource=True))
    assert "has no api" in shown.note


async def test_what_the_amount_filter_read_is_shown_too(clock, bank):
    condition = paths(lambda c: False, "resource", "resource.direction", names=("resource",))
    money = {"amount": 5, "currency": "EUR", "direction": "debit"}
    shown = await show(clock, bank, rule("r", when=condition), resource=Given(value=money))
    assert shown.rules[0].values == {"resource.direction": "debit", "resource.amount": 5, "resource.currency": "EUR"}
