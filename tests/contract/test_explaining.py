"""An event and a rule, explained from a real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from engineparts import rule
from fakes import ManualClock
from storeparts import START, a_delivery, claimed, evaluated, executions, settled, stored, written

from memonotify.admin.explaining import explain_event, explain_rule
from memonotify.admin.known import Known
from memonotify.errors import FetchError, NotFound, Reason
from memonotify.model import Decision, DeliveryState, Evaluation, Falsehood, Mode, Outcome, Snapshot
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset
from memonotify.store import Store

FALSE = Falsehood(condition="resource.url == 'x'", values=(("resource.url", '"https://h.example/f?sig=s3cret"'),))
SILENT = Decision(rule="small", outcome=Outcome.NOT_MATCHED, detail=str(FALSE), falsehood=FALSE)
IBANS = Match(event_type=("iban_*",))
RULES = Ruleset(rules=(rule("big"), rule("small"), rule("ibans", match=IBANS), replace(rule("off"), mode=Mode.OFF)))
NOT_THEN = (
    "its match fits now, but it did not look at this event: when that was evaluated, the rule did not exist, "
    "was off, or matched something else"
)
NOTHING = {"workspace": None, "rule": None, "fetch": False}


class FakeBank:
    """Answers by path; an error is raised."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked: list[str] = []

    async def fetch(self, path: str) -> Snapshot:
        self.asked.append(path)
        answer = self.answers[path.rpartition("/")[2]]
        if isinstance(answer, Exception):
            raise answer
        return Snapshot(path=path, fetched_at=START, status=200, body=answer)


def _shot(path: str, body: object, **fields) -> Snapshot:
    return Snapshot(path=path, fetched_at=START, status=200, body=body, **fields)


async def test_an_events_story_has_its_decisions_its_messages_and_their_tries(store: Store, clock: ManualClock) -> None:
    event = await stored(store)
    spoke = Decision(rule="big", outcome=Outcome.MATCHED, deliveries=(a_delivery(),))
    made = Evaluation(
        event=event, evaluated_at=START, decisions=(SILENT, spoke), snapshots=(_shot("/v2/x", {"secret": 1}),)
    )
    await store.record(made)
    delivery = await claimed(store)
    assert await store.settle(settled(delivery, DeliveryState.PENDING, due_at=START + timedelta(minutes=5)))
    story = await explain_event(store, Known(rules=RULES), clock, "e1", **NOTHING)
    assert (story["late_s"], story["waiting"]) == (0.0, None)
    assert story["fetched"] == [
        {"path": "/v2/x", "fetched_at": "2026-03-02T09:00:00.000Z", "status": 200, "reason": None, "found": True}
    ]
    small, big = story["rules"]
    assert (small["outcome"], small["condition"]) == ("not_matched", FALSE.condition)
    assert small["values"] == {"resource.url": '"https://h.example/f?…"'}
    assert "s3cret" not in str(story)
    (message,) = big["messages"]
    assert (message["state"], message["gist"], message["attempts"]) == ("pending", "big of e1", 1)
    assert [(one["number"], one["status"], one["ok"]) for one in message["tries"]] == [(1, 503, False)]
    assert story["other_rules"] == {"elsewhere": 1, "off": ["off"], "not_then": [], "to_come": [], "gone": []}


async def test_a_try_that_was_lost_in_a_crash_is_told(store: Store, clock: ManualClock) -> None:
    await written(store, a_delivery())
    await claimed(store)
    await store.void_claims()
    again = await claimed(store)
    assert await store.settle(settled(again, DeliveryState.SENT))
    story = await explain_event(store, Known(), clock, "e1", **NOTHING)
    (message,) = story["rules"][0]["messages"]
    assert (message["lost"], [one["number"] for one in message["tries"]]) == ([1], [2])
    assert story["other_rules"] is None, "which rules there are is not known"


async def test_the_beginning_of_an_id_will_do_and_a_near_one_is_offered(store: Store, clock: ManualClock) -> None:
    for name in ("abcd-1", "abce-2"):
        await stored(store, name)
    await stored(store, "abcd-1", workspace="umbrella")
    story = await explain_event(store, Known(), clock, "abcd", **NOTHING)
    assert story["event"]["id"] == "abcd-1"
    exact = await explain_event(store, Known(), clock, "abcd-1", **NOTHING)
    assert (exact["event"]["workspace"], exact["also_in"]) == ("umbrella", ["acme"])
    with pytest.raises(NotFound, match=r"several events begin with abc: abcd-1, abce-2"):
        await explain_event(store, Known(), clock, "abc", **NOTHING)
    with pytest.raises(NotFound, match=r"there is no event abcd-l \(did you mean abcd-1\?\)"):
        await explain_event(store, Known(), clock, "abcd-l", **NOTHING)
    with pytest.raises(NotFound, match=r"there is no event zzz in workspace acme \(memonotify events lists them\)"):
        await explain_event(store, Known(), clock, "zzz", workspace="acme", rule=None, fetch=False)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ibans", "match: event_type is transaction_confirmed, and the rule looks at iban_*"),
        ("off", "mode: off, so it looks at no event"),
        (
            "big",
            NOT_THEN,
        ),
    ],
)
async def test_a_rule_that_did_not_look_says_why(store: Store, clock: ManualClock, name: str, why: str) -> None:
    event = await stored(store)
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=(SILENT,)))
    story = await explain_event(store, Known(rules=RULES), clock, "e1", workspace=None, rule=name, fetch=False)
    assert [(one["outcome"], one["why"]) for one in story["rules"]] == [(None, why)]


async def test_a_rule_that_there_is_not_and_was_not_is_not_found(store: Store, clock: ManualClock) -> None:
    event = await stored(store)
    await store.record(Evaluation(event=event, evaluated_at=START, decisions=(SILENT,)))
    with pytest.raises(NotFound, match=r"there is no rule smal, .* \(did you mean small\?\)"):
        await explain_event(store, Known(rules=RULES), clock, "e1", workspace=None, rule="smal", fetch=False)
    with pytest.raises(NotFound, match="cannot be told"):
        await explain_event(store, Known(), clock, "e1", workspace=None, rule="smal", fetch=False)
    of_old = await explain_event(
        store, Known(rules=Ruleset(rules=())), clock, "e1", workspace=None, rule="small", fetch=False
    )
    assert of_old["rules"][0]["file"] is None


async def test_an_event_that_waits_says_until_when_and_which_rules_it_concerns(
    store: Store, clock: ManualClock
) -> None:
    event = await stored(store)
    await store.postpone(event, START + timedelta(minutes=5))
    known = Known(rules=RULES, runs=True, away={"acme": "timeout"})
    story = await explain_event(store, known, clock, "e1", **NOTHING)
    assert story["waiting"]["due_at"] == "2026-03-02T09:05:00.000Z"
    assert story["waiting"]["reasons"][:2] == [
        "tried once, and the bank did not give what a rule needs",
        "the bank is away (timeout)",
    ]
    assert story["other_rules"]["to_come"] == ["big", "small"]


async def test_the_bank_is_asked_only_on_demand_and_what_has_changed_is_told(store: Store, clock: ManualClock) -> None:
    event = await stored(store)
    shots = (
        _shot("/v2/transactions/r1", {"status": "pending", "amount": 1}),
        _shot("/v2/accounts/a1", None, reason=Reason.TIMEOUT),
        _shot("/v2/transfers/t1/proof", {"type": "pdf", "size": 3}),
        _shot("/v2/accounts/a2", {"id": "a2"}),
    )
    await store.record(replace(evaluated(event), snapshots=shots))
    bank = FakeBank(
        r1={"status": "confirmed", "amount": 1}, a1={"id": "a1"}, a2=FetchError(Reason.NOT_FOUND, status=404)
    )
    known = Known(banks={"acme": bank})
    await explain_event(store, known, clock, "e1", **NOTHING)
    assert bank.asked == []
    story = await explain_event(store, known, clock, "e1", workspace=None, rule=None, fetch=True)
    now = [one["now"] for one in story["fetched"]]
    assert now[0]["changes"] == [{"field": "status", "old": '"pending"', "new": '"confirmed"'}]
    assert (now[1]["found"], "changes" in now[1]) == (True, False)
    assert now[2] is None
    assert (now[3]["found"], now[3]["reason"]) == (False, "not_found")


async def test_where_nothing_was_fetched_the_resource_is_asked_for_and_without_an_api_that_is_said(
    store: Store, clock: ManualClock
) -> None:
    await stored(store)
    bank = FakeBank(r1=FetchError(Reason.UNREACHABLE, "no route"))
    asked = {"workspace": None, "rule": None, "fetch": True}
    story = await explain_event(store, Known(banks={"acme": bank}), clock, "e1", **asked)
    assert bank.asked == ["/v2/transactions/r1"]
    assert story["fetched"][0]["now"]["reason"] == "unreachable"
    story = await explain_event(store, Known(), clock, "e1", **asked)
    assert story["notes"] == ["workspace acme has no api, so the bank was not asked"]


async def test_a_rules_silences_are_counted_since_a_moment(store: Store, clock: ManualClock) -> None:
    for number in range(4):
        event = await stored(store, f"e{number}", at=START + timedelta(minutes=number))
        spoke = Decision(rule="small", outcome=Outcome.MATCHED, deliveries=(a_delivery("e3", rule="small"),))
        await store.record(Evaluation(event=event, evaluated_at=START, decisions=(spoke if number == 3 else SILENT,)))
    counts = await explain_rule(store, Known(rules=RULES), "small", since=START, workspace=None)
    assert (counts["looked_at"], counts["spoke"], counts["cut"], counts["mode"]) == (4, 1, False, "live")
    assert counts["severity"] == "info"
    assert [(one["count"], one["latest_event_id"]) for one in counts["reasons"]] == [(3, "e2")]
    assert "s3cret" not in str(counts)
    ibans = await explain_rule(store, Known(rules=RULES), "ibans", since=START, workspace="acme")
    assert (ibans["looked_at"], ibans["match"]) == (0, {"event_type": ["iban_*"]})
    with pytest.raises(NotFound, match=r"there is no rule smal, .* \(did you mean small\?\)"):
        await explain_rule(store, Known(rules=RULES), "smal", since=START, workspace=None)


async def test_an_event_that_five_hundred_rules_speak_for_is_told_with_as_many_questions_as_one_of_five(
    store: Store, clock: ManualClock
) -> None:
    known = Known(rules=Ruleset(rules=tuple(rule(f"r{number}") for number in range(1000))))
    asked = {}
    for name, speaking in (("e5", 5), ("e500", 500)):
        event = await stored(store, name)
        made = tuple(
            Decision(rule=f"r{number}", outcome=Outcome.MATCHED, deliveries=(a_delivery(name, rule=f"r{number}"),))
            for number in range(speaking)
        )
        await store.record(Evaluation(event=event, evaluated_at=START, decisions=made))
        with executions() as ran:
            story = await explain_event(store, known, clock, name, **NOTHING)
        asked[speaking] = len(ran)
        assert sum(len(one["messages"]) for one in story["rules"]) == speaking
        assert len(story["other_rules"]["not_then"]) == 1000 - speaking
    assert asked[500] <= asked[5] + 3
