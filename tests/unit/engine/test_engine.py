"""The engine, with a store and a bank in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from engineparts import entry, event, fn, proven, rule, settled
from structlog.testing import capture_logs

from memonotify.config.values import Retry
from memonotify.engine.engine import Engine
from memonotify.engine.inquiry import LEAST_TRIES
from memonotify.engine.places import PLACES
from memonotify.errors import FetchError, Reason, StoreError
from memonotify.headroom import Headroom
from memonotify.holding import Policy
from memonotify.metrics import Metrics
from memonotify.model import Branch, DeliveryState, FailureKind, Mode, Outcome
from memonotify.policies.mode import SHADOW
from memonotify.rules.match import Match
from memonotify.rules.values import Ruleset

RETRY = Retry(first_s=5.0, max_s=900.0, give_up_after_s=86400.0)
RESOURCE = "/v2/transactions/res-1"


class Bench:
    """An engine with everything it stands on in sight."""

    def __init__(self, store, bank, clock, pauses):
        self.store, self.bank, self.clock, self.pauses = store, bank, clock, pauses
        self.rules = []
        self.woken = []
        self.failures = 0
        self.metrics = Metrics()
        self.headroom = Headroom(self.clock)
        self.engine = None

    def make(self, **options):
        def failed():
            self.failures += 1

        self.engine = Engine(
            store=self.store,
            ruleset=lambda: Ruleset(rules=tuple(self.rules)),
            banks={"acme": self.bank, "umbrella": self.bank},
            resource_types={},
            retry=RETRY,
            on_deliveries=lambda channels: self.woken.append(sorted(channels)),
            on_failures=failed,
            clock=self.clock,
            metrics=self.metrics,
            random=Random(7),
            headroom=self.headroom,
            pause=self.pauses,
            **options,
        )
        return self.engine

    @asynccontextmanager
    async def running(self, *rules, **options):
        self.rules = list(rules)
        engine = self.make(**options)
        await engine.start()
        await settled()
        try:
            yield engine
        finally:
            await engine.stop(0)

    async def put(self, *events):
        for item in events:
            self.store.add(item)
            self.engine.submit(item, item.seq)
        await settled(200)

    def payloads(self):
        return [
            delivery.notification.payload
            for evaluation in self.store.recorded
            for decision in evaluation.decisions
            for delivery in decision.deliveries
        ]

    def count(self, name, **labels):
        return self.metrics.registry.get_sample_value(name, labels) or 0


@pytest.fixture
def bench(store, bank, clock, pauses):
    return Bench(store, bank, clock, pauses)


def resource_rule(name="r", **more):
    return rule(
        name, needs_resource=True, notify=(entry(message=fn(lambda c: {"json": c["resource"]}, "resource")),), **more
    )


async def test_an_event_becomes_one_record_and_wakes_the_channels_it_speaks_to(bench):
    async with bench.running(rule(notify=(entry(0, "a"), entry(1, "b")))):
        await bench.put(event(1))
    assert [e.event.seq for e in bench.store.recorded] == [1]
    assert bench.woken == [["a", "b"]]
    assert bench.count("memonotify_events_evaluated_total", workspace="acme") == 1
    assert bench.count("memonotify_decisions_total", rule="r", outcome="matched") == 1


async def test_events_that_no_rule_looks_at_are_marked_together(bench):
    async with bench.running(rule(match=Match(event_type=("other",)))):
        await bench.put(*(event(seq) for seq in range(1, 65)))
        await bench.pauses.advance(0.02)
    assert bench.store.recorded == []
    assert sorted(seq for group in bench.store.marked for seq in group) == list(range(1, 65))
    assert len(bench.store.marked) == 1
    assert bench.count("memonotify_events_evaluated_total", workspace="acme") == 64


async def test_the_bank_is_asked_once_per_event_whatever_the_number_of_rules(bench):
    bench.bank.answers[RESOURCE] = {"id": "res-1"}
    async with bench.running(resource_rule("a"), resource_rule("b"), rule("c")):
        await bench.put(event(1))
    assert bench.bank.asked == [RESOURCE]
    assert [snapshot.path for snapshot in bench.store.recorded[0].snapshots] == [RESOURCE]


async def test_the_bank_is_not_asked_where_no_rule_needs_it(bench):
    async with bench.running(rule()):
        await bench.put(event(1))
    assert bench.bank.asked == []


async def test_a_look_up_is_made_once_per_event_and_path_for_all_rules(bench):
    bench.bank.answers["/v2/accounts/1"] = {"balance": 1}
    path = {"account": fn("/v2/accounts/1")}
    when = fn(lambda c: c["account"]["balance"] == 1, "account")
    async with bench.running(rule("a", when=when, lookups=path), rule("b", when=when, lookups=path)):
        await bench.put(event(1))
    assert bench.bank.asked == ["/v2/accounts/1"]
    assert len(bench.payloads()) == 2


async def test_a_resource_type_without_a_path_is_none_without_a_call(bench):
    async with bench.running(resource_rule()):
        await bench.put(event(1, resource_type="novelty"))
    assert bench.bank.asked == []
    assert bench.payloads()[0]["json"] is None


async def test_a_bank_that_times_out_puts_the_event_off_and_is_asked_again(bench):
    bench.bank.answers[RESOURCE] = FetchError(Reason.TIMEOUT)
    async with bench.running(resource_rule()):
        await bench.put(event(1))
        assert bench.store.recorded == []
        ((seq, due_at),) = bench.store.postponed
        wait_s = (due_at - bench.clock.now()).total_seconds()
        assert (seq, 5.0 <= wait_s <= 7.5) == (1, True)
        assert bench.engine.backlog == 0
        bench.bank.answers[RESOURCE] = {"id": "res-1"}
        await bench.pauses.advance(wait_s)
        await bench.pauses.advance(1)
        await settled(200)
    assert bench.payloads() == [{"json": {"id": "res-1"}}]


async def test_waits_for_the_bank_grow_and_keep_to_its_own_wish(bench):
    bench.bank.answers[RESOURCE] = FetchError(Reason.RATE_LIMITED, retry_after_s=300.0)
    async with bench.running(resource_rule()):
        await bench.put(event(1, attempts=4))
    ((_, due_at),) = bench.store.postponed
    assert due_at == bench.clock.now() + timedelta(seconds=300)


async def test_after_giving_up_the_rules_run_without_the_resource_and_the_message_says_so(bench):
    bench.bank.answers[RESOURCE] = FetchError(Reason.TIMEOUT)
    async with bench.running(resource_rule()):
        await bench.put(event(1, attempts=40, age_s=86400))
    assert "the bank did not give the resource: timeout" in str(bench.payloads()[0])
    assert bench.store.recorded[0].snapshots[0].reason is Reason.TIMEOUT


async def test_an_event_that_is_old_when_it_is_first_evaluated_still_gets_several_tries(bench):
    bench.bank.answers[RESOURCE] = FetchError(Reason.UNREACHABLE)
    async with bench.running(resource_rule()):
        await bench.put(event(1, attempts=1, age_s=2 * 86400))
    assert bench.store.recorded == []
    assert len(bench.store.postponed) == 1


async def test_the_last_try_falls_on_the_moment_of_giving_up(bench):
    bench.bank.answers[RESOURCE] = FetchError(Reason.TIMEOUT)
    async with bench.running(resource_rule()):
        await bench.put(event(1, attempts=40, age_s=86390))
    assert bench.store.postponed[0][1] == bench.clock.now() + timedelta(seconds=10)


@pytest.mark.parametrize("reason", [Reason.AUTH, Reason.REJECTED, Reason.TOO_LARGE, Reason.INVALID_RESPONSE])
async def test_what_the_bank_will_never_answer_is_none_at_once_with_a_note(bench, reason):
    bench.bank.answers[RESOURCE] = FetchError(reason)
    async with bench.running(resource_rule()):
        await bench.put(event(1))
    assert f"the bank did not give the resource: {reason}" in str(bench.payloads()[0])


async def test_a_missing_resource_is_asked_for_three_times_and_is_none_then(bench):
    async with bench.running(resource_rule()):
        await bench.put(event(1))
        assert len(bench.store.postponed) == 1
        for _ in range(20):
            await bench.pauses.advance(1)
            await settled(100)
    assert len(bench.bank.asked) == 3
    assert len(bench.store.recorded) == 1
    assert "no such resource any more" in str(bench.payloads()[0])


async def test_while_the_bank_is_away_events_are_put_off_without_calls_and_one_probe_finds_it_back(bench):
    bench.bank.answers = {f"/v2/transactions/res-{seq}": FetchError(Reason.TIMEOUT) for seq in range(1, 101)}
    async with bench.running(resource_rule(), concurrency=1):
        with capture_logs() as lines:
            await bench.put(*(event(seq) for seq in range(1, 101)))
        assert [line["log_level"] for line in lines if line["event"] == "event_put_off"].count("info") == 3
        assert len(bench.bank.asked) == 3
        assert len(bench.store.postponed) == 100
        bench.bank.answers = {f"/v2/transactions/res-{seq}": {"n": seq} for seq in range(1, 101)}
        for _ in range(30):
            await bench.pauses.advance(1)
            await settled(300)
    assert len(bench.store.recorded) == 100


async def test_a_bank_that_is_away_for_one_workspace_leaves_rules_without_resource_alone(bench):
    bench.bank.gate = asyncio.Event()
    async with bench.running(
        resource_rule("a", match=Match(workspace=("acme",))),
        rule("b", match=Match(workspace=("umbrella",))),
        concurrency=2,
    ):
        await bench.put(event(1), event(2, workspace="umbrella"))
        assert [e.event.seq for e in bench.store.recorded] == [2]


async def test_however_many_events_wait_for_a_bank_that_hangs_those_of_others_are_evaluated(bench):
    bench.bank.gate = asyncio.Event()
    bench.bank.answers = {f"/v2/transactions/res-{seq}": {"n": seq} for seq in range(1, 101)}
    async with bench.running(
        resource_rule("a", match=Match(workspace=("acme",), event_type=("transaction_*",))),
        rule("b", match=Match(workspace=("umbrella",))),
        rule("c", match=Match(event_type=("iban_created",))),
    ):
        await bench.put(*(event(seq) for seq in range(1, 101)))
        await bench.put(event(101, workspace="umbrella"), event(102, type_="iban_created"))
        assert [e.event.seq for e in bench.store.recorded] == [101, 102]
        assert len(bench.bank.asked) == PLACES
        bench.bank.gate.set()
        await settled(1000)
    assert [e.event.seq for e in bench.store.recorded[2:]] == list(range(1, 101))


async def test_mails_that_wait_for_a_proof_keep_no_event_that_needs_no_bank_from_being_evaluated(bench):
    bench.bank.gate = asyncio.Event()
    bench.bank.answers = {f"/v2/transfers/res-{seq}/proof": b"%PDF-" for seq in range(1, 101)}
    rules = (
        rule("paid", notify=(proven(),), match=Match(event_type=("transfer_*",))),
        rule("iban", match=Match(event_type=("iban_*",))),
    )
    async with bench.running(*rules):
        await bench.put(*(event(seq, type_="transfer_confirmed", resource_type="transfer") for seq in range(1, 101)))
        await bench.put(event(101, type_="iban_created"))
        assert [e.event.seq for e in bench.store.recorded] == [101]
        assert len(bench.bank.asked) == PLACES
        bench.bank.gate.set()
        await settled(1000)
    assert [e.documents[0].content for e in bench.store.recorded[1:]] == [b"%PDF-"] * 100


async def test_a_place_is_handed_on_where_an_evaluation_could_not_even_be_put_off(bench):
    record = bench.store.record

    async def broken(evaluation):
        if evaluation.event.seq <= PLACES:
            raise StoreError("no")
        return await record(evaluation)

    async def never(_event, _due_at, *, is_try):
        raise StoreError("no")

    bench.store.record, bench.store.postpone = broken, never
    bench.bank.answers = {f"/v2/transactions/res-{seq}": {"n": seq} for seq in range(1, 31)}
    async with bench.running(resource_rule()):
        await bench.put(*(event(seq) for seq in range(1, 31)))
        await settled(500)
    assert [e.event.seq for e in bench.store.recorded] == list(range(PLACES + 1, 31))


async def test_a_failed_decision_is_told_and_spares_its_neighbours(bench):
    broken = rule("broken", when=fn(lambda c: c["gone"]))
    async with bench.running(broken, rule("sound")):
        await bench.put(event(1))
    (evaluation,) = bench.store.recorded
    assert [d.outcome for d in evaluation.decisions] == [Outcome.FAILED, Outcome.MATCHED]
    (failure,) = evaluation.failures
    assert (failure.kind, failure.rule, failure.channel) == (FailureKind.DECISION_FAILED, "broken", "")
    assert failure.detail == "when: 'gone' is missing"
    assert bench.failures == 1


async def test_an_event_that_many_rules_match_leaves_turns_to_others(bench):
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def slow(_context):
        bench.clock.advance(0.004)
        seen.append(turns)
        return False

    seen = []
    async with bench.running(*(rule(f"r{number}", when=fn(slow)) for number in range(60))):
        ticking = asyncio.ensure_future(other())
        await bench.put(event(1))
        ticking.cancel()
    assert len(set(seen)) == 20


async def test_a_message_in_the_plain_form_is_counted(bench):
    async with bench.running(rule(notify=(entry(message=fn(lambda c: c["gone"])),))):
        await bench.put(event(1))
    assert bench.count("memonotify_render_errors_total", rule="r") == 1


def change_rule(answers, key="k"):
    """A rule whose condition takes its answers from a list, in the order in which it is asked."""
    return rule(
        when=fn(lambda c: answers[c["event"]["id"]]),
        key=fn(lambda c: key if isinstance(key, str) else key[c["event"]["id"]]),
        notify=(entry(message=fn(lambda c: {"json": ["fires", c["event"]["id"]]})),),
        resolved=(entry(message=fn(lambda c: {"json": ["over", c["event"]["id"]]})),),
    )


async def test_events_of_one_key_are_decided_in_order_of_arrival(bench):
    held = asyncio.Event()

    async def slow_first(evaluation):
        if evaluation.event.seq == 1:
            await held.wait()

    bench.store.before_record = slow_first
    answers = {"evt-1": True, "evt-2": True, "evt-3": False, "evt-4": True}
    async with bench.running(change_rule(answers)):
        await bench.put(*(event(seq) for seq in range(1, 5)))
        assert bench.store.recorded == []
        held.set()
        await settled(300)
    assert bench.payloads() == [
        {"json": ["fires", "evt-1"]},
        {"json": ["over", "evt-3"]},
        {"json": ["fires", "evt-4"]},
    ]


async def test_events_of_other_keys_do_not_wait(bench):
    held = asyncio.Event()

    async def slow_first(evaluation):
        if evaluation.event.seq == 1:
            await held.wait()

    bench.store.before_record = slow_first
    keys = {"evt-1": "a", "evt-2": "b"}
    async with bench.running(change_rule({"evt-1": True, "evt-2": True}, keys)):
        await bench.put(event(1), event(2))
        assert bench.payloads() == [{"json": ["fires", "evt-2"]}]
        held.set()
        await settled()


def stateful_rule(key="k", **more):
    """A rule with a memory that needs the resource; its messages say whose they are."""
    says = entry(message=fn(lambda c: {"json": c["event"]["id"]}))
    return rule(when=fn(lambda c: c["resource"]["on"]), key=fn(key), needs_resource=True, resolved=(says,), **more)


def path(seq):
    return f"/v2/transactions/res-{seq}"


async def test_an_event_behind_one_that_waits_for_the_bank_is_decided_after_it(bench):
    tries = iter([FetchError(Reason.NOT_FOUND, status=404), {"on": True}])
    bench.bank.answers = {path(1): lambda: next(tries), path(2): {"on": False}}
    async with bench.running(stateful_rule()):
        await bench.put(event(1))
        await bench.put(event(2))
        assert bench.store.recorded == []
        assert bench.bank.asked == [path(1)], "the later one is put off before the bank is asked for it"
        assert [item.attempts for item, _ in bench.store.open.values()] == [1, 0]
        for _ in range(30):
            await bench.pauses.advance(1)
            await settled(300)
    assert [delivery.branch for e in bench.store.recorded for delivery in e.decisions[0].deliveries] == [
        Branch.NOTIFY,
        Branch.RESOLVED,
    ]
    assert [e.event.seq for e in bench.store.recorded] == [1, 2]


async def test_an_event_of_another_key_passes_one_that_waits_for_the_bank(bench):
    bench.bank.answers = {path(1): FetchError(Reason.TIMEOUT), path(2): {"on": True}}
    async with bench.running(stateful_rule(lambda c: c["event"]["id"])):
        await bench.put(event(1), event(2))
    assert [e.event.seq for e in bench.store.recorded] == [2]


async def test_an_event_that_the_bank_never_gives_lets_the_others_pass_after_its_tries(bench):
    bench.bank.answers = {path(1): FetchError(Reason.CONFLICT), path(2): {"on": True}}
    async with bench.running(stateful_rule()):
        await bench.put(event(1), event(2))
        for _ in range(400):
            await bench.pauses.advance(10)
            await settled(200)
            if bench.store.recorded:
                break
        assert [e.event.seq for e in bench.store.recorded] == [2]
        assert bench.bank.asked.count(path(1)) >= LEAST_TRIES
        assert bench.store.open.keys() == {1}, "it goes on trying by itself"


async def test_an_event_that_no_rule_looks_at_any_more_holds_nobody_up(bench):
    bench.bank.answers = {path(1): FetchError(Reason.TIMEOUT), path(2): {"on": True}}
    narrow = Match(event_type=("transaction_confirmed",))
    async with bench.running(stateful_rule(match=Match(event_type=("transaction_*",)))):
        await bench.put(event(1, type_="transaction_canceled"))
        bench.rules[:] = [stateful_rule(match=narrow)]
        for _ in range(20):
            await bench.pauses.advance(1)
            await settled(200)
        await bench.put(event(2))
    assert bench.store.marked == [[1]]
    assert [e.event.seq for e in bench.store.recorded] == [2]


async def test_a_state_that_another_has_changed_is_read_again_and_decided_again(bench):
    meddled = []

    async def meddle(evaluation):
        if not meddled:
            meddled.append(True)
            bench.store.states["acme", "r", Policy.FIRE, "k"] = "true"

    bench.store.before_record = meddle
    bench.bank.answers[RESOURCE] = {}
    stateful = rule(when=fn(True), key=fn("k"), needs_resource=True)
    async with bench.running(stateful):
        await bench.put(event(1))
    (evaluation,) = bench.store.recorded
    assert evaluation.decisions[0].outcome is Outcome.UNCHANGED
    assert bench.bank.asked == [RESOURCE]


async def test_a_store_that_cannot_be_written_is_waited_for_and_nothing_is_lost(bench):
    with capture_logs() as logs:
        async with bench.running(rule(match=Match(event_type=("transaction_confirmed",)))):
            bench.store.unavailable = 7
            await bench.put(event(1), event(2, type_="other"), event(3))
            assert bench.store.recorded == []
            for _ in range(20):
                await bench.pauses.advance(1)
    assert len(bench.store.recorded) == 2
    assert bench.store.marked == [[2]]
    assert [log for log in logs if log["event"] == "evaluation_waits"] == [
        {"event": "evaluation_waits", "log_level": "warning", "detail": "the disk is full"}
    ]


async def test_a_fault_of_ours_puts_the_event_off_and_spares_the_others(bench):
    record = bench.store.record

    async def faulty(evaluation):
        if evaluation.event.seq == 1:
            raise TypeError("a bug")
        return await record(evaluation)

    bench.store.record = faulty
    async with bench.running(rule(), concurrency=1):
        await bench.put(event(1), event(2))
    assert [seq for seq, _ in bench.store.postponed] == [1]
    assert [e.event.seq for e in bench.store.recorded] == [2]


async def test_a_reload_takes_effect_with_the_next_event(bench):
    async with bench.running(rule("old")):
        await bench.put(event(1))
        bench.rules = [rule("new")]
        await bench.put(event(2))
    assert [e.decisions[0].rule for e in bench.store.recorded] == ["old", "new"]


async def test_stopping_finishes_what_is_under_evaluation_and_leaves_the_rest(bench):
    bench.bank.gate = asyncio.Event()
    bench.bank.answers[RESOURCE] = {}
    async with bench.running(resource_rule(), concurrency=1) as engine:
        await bench.put(event(1), event(2))
        stopping = asyncio.ensure_future(engine.stop(30))
        await settled()
        bench.bank.gate.set()
        await stopping
        assert [e.event.seq for e in bench.store.recorded] == [1]
        assert list(bench.store.open) == [2]


async def test_stopping_is_bounded_where_the_bank_does_not_answer(bench):
    bench.bank.gate = asyncio.Event()
    async with bench.running(resource_rule()) as engine:
        await bench.put(event(1))
        await engine.stop(0)
        assert bench.store.recorded == []
        assert list(bench.store.open) == [1]


async def test_what_was_unfinished_at_the_start_is_evaluated(bench):
    bench.store.add(event(1), event(2))
    async with bench.running(rule()):
        await settled(200)
    assert [e.event.seq for e in bench.store.recorded] == [1, 2]


async def test_a_rule_in_the_shadow_writes_what_it_would_say_and_wakes_no_channel(bench):
    shadow = replace(change_rule({"evt-1": True, "evt-2": True}), mode=Mode.SHADOW)
    async with bench.running(shadow):
        await bench.put(event(1), event(2))
    made = [delivery for e in bench.store.recorded for d in e.decisions for delivery in d.deliveries]
    assert [(d.state, d.detail) for d in made] == [(DeliveryState.SUPPRESSED, SHADOW)] * 2
    assert bench.woken == []
    assert bench.store.states == {}, "what is suppressed uses up no key"
    assert bench.count("memonotify_decisions_total", rule="r", outcome="suppressed") == 2


async def test_a_rule_that_is_off_is_passed_over(bench):
    async with bench.running(replace(rule(), mode=Mode.OFF)):
        await bench.put(event(1))
        await bench.pauses.advance(1)
    assert bench.store.marked == [[1]]
