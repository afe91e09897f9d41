"""What a replay shows, writes and leaves alone."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from engineparts import entry, event, fn, proven, rule
from pastparts import kept, old, past

from memonotify.config.values import Retry
from memonotify.engine.replay import Replayer
from memonotify.errors import FetchError, Reason
from memonotify.model import Decision, DeliveryState, Outcome
from memonotify.past import Extent, Past, ReplayOrder, Selection, Standing
from memonotify.rules.values import Ruleset
from memonotify.rules.windows import Window
from memonotify.windowing import Figures, Measure


class Shelf:
    """The replay's side of the store: pasts in order, and what was added to them."""

    def __init__(self, *pasts):
        self.pasts = {each.event.seq: each for each in pasts}
        self.documents = {}
        self.added = []
        self.asked = []

    async def window_figures(self, span):
        self.asked.append(span)
        return Figures(count=2)

    async def extent(self, selection):
        return Extent(count=len(self.pasts), first=min(self.pasts), last=max(self.pasts))

    async def past(self, selection, *, after, last, limit, with_decisions=False):
        found = [each for seq, each in sorted(self.pasts.items()) if after < seq <= last][:limit]
        return found if with_decisions else [replace(each, decisions=()) for each in found]

    async def document(self, workspace, event_id, path):
        return self.documents.get(path)

    async def replay(self, event, new, documents=()):
        there = self.pasts[event.seq]
        added = [each for each in new if each.id not in {one.id for one in there.deliveries}]
        made = tuple(
            old(each.rule, each.entry, each.notification.channel, id=each.id, replay=each.replay) for each in added
        )
        self.pasts[event.seq] = replace(there, deliveries=(*there.deliveries, *made))
        self.added.append((event.id, [each.id for each in added], [each.path for each in documents]))
        return frozenset(each.id for each in added)


@pytest.fixture
def replay(clock, bank):
    async def run(shelf, *rules, woken=None, stored_only=False, **order):
        replayer = Replayer(
            store=shelf,
            ruleset=lambda: Ruleset(rules=rules),
            banks={"acme": bank},
            with_api=frozenset({"acme"}),
            resource_types={},
            retry=Retry(),
            clock=clock,
            random=Random(1),
            stored_only=stored_only,
            wake=(woken if woken is not None else []).extend,
        )
        return await replayer.replay(ReplayOrder(selection=Selection(), **order))

    return run


def told(page):
    return [(each.event_id, each.rule, str(each.standing), each.written) for each in page.messages]


SAYS = rule("says", notify=(entry(message=fn(lambda c: {"json": c["resource"]["amount"]}, "resource")),))
SAYS = replace(SAYS, needs_resource=True)


async def test_nothing_is_written_or_woken_unless_the_order_says_so(replay):
    shelf, woken = Shelf(past(1)), []
    page = await replay(shelf, rule("r"), woken=woken)
    assert told(page) == [("evt-1", "r", "new", False)]
    assert (shelf.added, woken) == ([], [])
    page = await replay(shelf, rule("r"), woken=woken, send=True)
    assert told(page) == [("evt-1", "r", "new", True)]
    assert woken == ["log"]


@pytest.mark.parametrize("order", [{}, {"resend": True}, {"resend": True, "label": "b"}], ids=str)
async def test_a_replay_that_is_repeated_makes_nothing_twice(replay, order):
    shelf = Shelf(past(1, old("r")), past(2))
    first = await replay(shelf, rule("r"), send=True, **order)
    again = await replay(shelf, rule("r"), send=True, **order)
    assert any(each.written for each in first.messages)
    assert not any(each.written for each in again.messages)
    assert {each.standing for each in again.messages} == {Standing.SENT}


async def test_only_the_messages_that_were_shown_are_written(replay):
    shelf = Shelf(past(1))
    rules = (rule("a"), rule("b"))
    shown = await replay(shelf, *rules)
    page = await replay(shelf, *rules, send=True, only=frozenset({shown.messages[1].delivery_id}))
    assert [(each.rule, each.written) for each in page.messages] == [("a", False), ("b", True)]


async def test_an_event_that_waits_for_its_evaluation_is_left_to_it(replay):
    shelf = Shelf(Past(event=event(1)), past(2))
    page = await replay(shelf, rule("r"), send=True)
    assert [each.event_id for each in page.messages] == ["evt-2"]
    assert (page.unevaluated, page.event_ids) == (("evt-1",), ("evt-1", "evt-2"))


async def test_the_bank_is_asked_anew(replay, bank):
    bank.answers["/v2/transactions/res-1"] = {"amount": 9}
    page = await replay(Shelf(past(1, resource={"amount": 5})), SAYS)
    assert [each.headline for each in page.messages] == ["9"]


@pytest.mark.parametrize("how", [{"stored": True}, {"stored_only": True}], ids=["asked for", "no client"])
async def test_the_stored_snapshot_stands_for_the_bank(replay, bank, how):
    shelf = Shelf(past(1, resource={"amount": 5}), past(2))
    page = await replay(shelf, SAYS, **how)
    assert [(each.headline, str(each.standing), each.detail) for each in page.messages] == [
        ("5", "new", ""),
        ("", "undecided", "the resource was not kept; the bank has to be asked"),
    ]
    assert bank.asked == []


async def test_a_bank_that_is_away_leaves_the_rule_undecided_and_is_not_asked_for_every_event(replay, bank):
    bank.answers = {f"/v2/transactions/res-{seq}": FetchError(Reason.TIMEOUT) for seq in (1, 2)}
    page = await replay(Shelf(past(1), past(2)), SAYS, rule("needs-nothing"), send=True)
    assert told(page) == [
        ("evt-1", "needs-nothing", "new", True),
        ("evt-1", "says", "undecided", False),
        ("evt-2", "needs-nothing", "new", True),
        ("evt-2", "says", "undecided", False),
    ]
    assert page.messages[1].detail == "the bank did not give the resource: timeout"
    assert bank.asked == ["/v2/transactions/res-1"]


async def test_a_resource_that_is_gone_is_an_answer(replay, bank):
    note = rule("note", notify=(entry(message=fn({"text": "hi"}), type_="slack"),), needs_resource=True)
    page = await replay(Shelf(past(1)), note)
    assert [str(each.standing) for each in page.messages] == ["new"]


async def test_a_rule_that_fails_is_told_and_sends_nothing(replay):
    page = await replay(Shelf(past(1)), rule("r", when=fn(lambda c: c["nothing"])), send=True)
    assert told(page) == [("evt-1", "r", "failed", False)]
    assert "'nothing' is missing" in page.messages[0].detail


async def test_a_message_that_fails_to_render_is_told_to_go_in_the_plain_form(replay):
    broken = rule("r", notify=(entry(message=fn(lambda c: c["nowhere"])),))
    page = await replay(Shelf(past(1)), broken)
    assert page.messages[0].detail.startswith("in the plain form: message: 'nowhere' is missing")


async def test_a_proof_is_written_with_the_mail_that_carries_it(replay, bank):
    path = "/v2/transfers/res-1/proof"
    bank.answers[path] = b"%PDF-"
    shelf = Shelf(past(1, type_="transfer_confirmed", resource_type="transfer"))
    await replay(shelf, rule("r", notify=(proven(),)), send=True)
    ((_, names, documents),) = shelf.added
    assert (len(names), documents) == (1, [path])


@pytest.mark.parametrize(("is_there", "standing"), [(True, "new"), (False, "undecided")])
async def test_without_the_bank_a_proof_goes_only_where_its_bytes_are_still_there(replay, is_there, standing):
    path = "/v2/transfers/res-1/proof"
    shelf = Shelf(
        past(
            1, type_="transfer_confirmed", resource_type="transfer", snapshots=[kept(path, {"type": "pdf", "size": 5})]
        )
    )
    shelf.documents = {path: b"%PDF-"} if is_there else {}
    page = await replay(shelf, rule("r", notify=(proven(),)), stored=True)
    assert [str(each.standing) for each in page.messages] == [standing]


LOW = rule("low", when=fn(lambda c: True), key=fn("k"))


@pytest.mark.parametrize(
    ("then", "standings"),
    [
        pytest.param((), ["new"], id="not decided then"),
        pytest.param((Decision(rule="low", outcome=Outcome.UNCHANGED, key="k"),), [], id="it had spoken before"),
        pytest.param((Decision(rule="low", outcome=Outcome.MATCHED, key="k"),), ["new"], id="it spoke"),
    ],
)
async def test_a_rule_with_a_memory_goes_by_what_it_remembered_then(replay, then, standings):
    page = await replay(Shelf(past(1, decisions=then)), LOW)
    assert [str(each.standing) for each in page.messages] == standings


async def test_one_rule_can_be_replayed_alone_and_one_that_is_not_in_force_cannot(replay):
    page = await replay(Shelf(past(1)), rule("a"), rule("b"), rule="b")
    assert [each.rule for each in page.messages] == ["b"]
    with pytest.raises(ValueError, match="there is no rule c in force"):
        await replay(Shelf(past(1)), rule("a"), rule="c")


async def test_a_page_says_behind_which_event_the_next_one_begins(replay):
    shelf = Shelf(*(past(seq) for seq in range(1, 6)))
    pages, after = [], 0
    while after is not None:
        page = await replay(shelf, rule("r"), after=after, limit=2)
        pages.append([each.event_id for each in page.messages])
        after = page.after
    assert pages == [["evt-1", "evt-2"], ["evt-3", "evt-4"], ["evt-5"]]


async def test_a_dead_letter_is_left_to_retry(replay):
    shelf = Shelf(past(1, old("r", state=DeliveryState.DEAD)))
    page = await replay(shelf, rule("r"), send=True, resend=True)
    assert told(page) == [("evt-1", "r", "dead", False)]
    assert page.messages[0].detail == f"a dead letter: memonotify retry {page.messages[0].delivery_id}"


async def test_a_window_is_what_the_store_has_up_to_the_events_own_date(replay):
    made = rule("counts", notify=(entry(message=fn(lambda c: {"json": c["x"]}, "x")),))
    window = Window(name="x", measure=Measure.COUNT, match=made.match, by=fn("k"), within_s=60.0, digest="w")
    shelf = Shelf(past(1))
    page = await replay(shelf, replace(made, windows=(window,)), send=True)
    assert told(page) == [("evt-1", "counts", "new", True)]
    (span,) = shelf.asked
    assert (span.until.isoformat(), (span.until - span.after).total_seconds()) == ("2026-03-02T09:00:00+00:00", 60.0)
    assert page.messages[0].headline == "3"
