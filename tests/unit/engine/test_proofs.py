"""The bank's proof of a payment: asked for once, only for a mail that is made, and never in the way of the mail."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random
from types import SimpleNamespace

import pytest
from engineparts import entry, event, fn, proven, rule
from hypothesis import given
from hypothesis import strategies as st

from memonotify.config.values import Retry
from memonotify.engine.asks import Given, Silences
from memonotify.engine.decide import decide
from memonotify.engine.enclosing import Enclosure, Proof, file_name
from memonotify.engine.evaluate import Evaluator
from memonotify.engine.inquiry import Inquiry, PutOff
from memonotify.engine.preview import preview
from memonotify.engine.testing import run_tests
from memonotify.errors import FetchError, Reason
from memonotify.holding import Policy
from memonotify.rules.values import Ruleset, RuleTest

RETRY = Retry(first_s=5.0, max_s=900.0, give_up_after_s=86400.0)
PATH = "/v2/transfers/res-1/proof"
PDF = b"%PDF-1.4 the proof"


def transfer(seq=1, *, kind="transfer", outcome="confirmed", **more):
    return event(seq, type_=f"{kind}_{outcome}", resource_type=kind, **more)


def evaluator(store, bank, clock):
    banks = {"acme": bank} if bank is not None else {}
    return Evaluator(memory=store, banks=banks, resource_types={}, retry=RETRY, clock=clock, random=Random(1))


async def evaluated(store, bank, clock, *rules, of=None):
    at = evaluator(store, bank, clock)
    work = at.begin(of or transfer(), rules)
    try:
        return await at.evaluate(work)
    finally:
        at.end(work)


def payloads(evaluation):
    return [made.notification.payload for decision in evaluation.decisions for made in decision.deliveries]


@pytest.mark.parametrize(("kind", "path"), [("transfer", PATH), ("wire_transfer", "/v2/wire_transfers/res-1/proof")])
async def test_a_mail_names_the_proof_and_the_evaluation_holds_its_bytes(store, bank, clock, kind, path):
    bank.answers[path] = PDF
    evaluation = await evaluated(store, bank, clock, rule(notify=(proven(),)), of=transfer(kind=kind))
    file = {"what": "proof", "name": "proof-res-1.pdf", "type": "application/pdf", "size": len(PDF), "path": path}
    assert payloads(evaluation) == [{"text": "paid", "attach": [file]}]
    assert [(document.path, document.content) for document in evaluation.documents] == [(path, PDF)]
    assert [(shot.path, shot.status, shot.body["size"]) for shot in evaluation.snapshots] == [(path, 200, len(PDF))]


async def test_the_proof_is_asked_for_once_however_many_messages_carry_it(store, bank, clock):
    bank.answers[PATH] = PDF
    rules = (rule("a", notify=(proven(0), proven(1))), rule("b", notify=(proven(),)))
    evaluation = await evaluated(store, bank, clock, *rules)
    assert bank.asked == [PATH]
    assert len(evaluation.documents) == 1
    assert [len(payload["attach"]) for payload in payloads(evaluation)] == [1, 1, 1]


async def test_a_message_that_is_not_made_asks_for_no_proof(store, bank, clock):
    silent = fn(lambda c: False)
    rules = (rule("a", when=silent, notify=(proven(),)), rule("b", notify=(proven(when=silent), entry(1))))
    evaluation = await evaluated(store, bank, clock, *rules)
    assert bank.asked == []
    assert payloads(evaluation) == [{"json": "hello"}]


@pytest.mark.parametrize("resource_type", ["transaction", "collection", "bulk_transfers", "novelty"])
async def test_a_resource_of_another_type_has_no_proof_and_nobody_is_asked(store, bank, clock, resource_type):
    item = event(type_=f"{resource_type}_confirmed", resource_type=resource_type)
    evaluation = await evaluated(store, bank, clock, rule(notify=(proven(),)), of=item)
    assert bank.asked == []
    assert payloads(evaluation) == [{"text": "paid"}]


async def test_only_the_message_that_wants_the_proof_says_that_there_is_none(store, bank, clock):
    bank.answers[PATH] = FetchError(Reason.REJECTED, status=400)
    rules = (rule(notify=(entry(0), proven(1), entry(2))),)
    first, mail, last = payloads(await evaluated(store, bank, clock, *rules))
    assert first == last == {"json": "hello"}
    assert mail == {"text": "paid\n\nNote: the bank did not give the proof: rejected\n"}


@pytest.mark.parametrize("reason", [Reason.REJECTED, Reason.AUTH, Reason.TOO_LARGE, Reason.INVALID_RESPONSE])
async def test_a_proof_that_cannot_be_had_does_not_keep_the_mail_from_going(store, bank, clock, reason):
    bank.answers[PATH] = FetchError(reason)
    evaluation = await evaluated(store, bank, clock, rule(notify=(proven(),)))
    (mail,) = payloads(evaluation)
    assert "attach" not in mail
    assert f"the bank did not give the proof: {reason}" in mail["text"]
    assert evaluation.documents == ()
    assert [(shot.path, shot.reason) for shot in evaluation.snapshots] == [(PATH, reason)]


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.UNREACHABLE, Reason.SERVER_ERROR, Reason.RATE_LIMITED])
async def test_a_bank_that_is_away_puts_the_event_off_and_in_the_end_the_mail_goes_without(store, bank, clock, reason):
    bank.answers[PATH] = FetchError(reason)
    with pytest.raises(PutOff):
        await evaluated(store, bank, clock, rule(notify=(proven(),)))
    late = transfer(attempts=20, age_s=RETRY.give_up_after_s)
    (mail,) = payloads(await evaluated(store, bank, clock, rule(notify=(proven(),)), of=late))
    assert f"the bank did not give the proof: {reason}" in mail["text"]


async def test_a_proof_that_is_not_there_is_asked_for_three_times_and_then_missed(store, bank, clock):
    for attempts in (0, 1):
        with pytest.raises(PutOff):
            await evaluated(store, bank, clock, rule(notify=(proven(),)), of=transfer(attempts=attempts))
    (mail,) = payloads(await evaluated(store, bank, clock, rule(notify=(proven(),)), of=transfer(attempts=2)))
    assert f"the bank has no proof of it: {PATH}" in mail["text"]
    assert bank.asked == [PATH] * 3


async def test_a_bank_that_is_held_is_not_asked_for_a_proof(store, bank, clock):
    bank.answers[PATH] = FetchError(Reason.TIMEOUT)
    at = evaluator(store, bank, clock)
    rules = (rule(notify=(proven(),)),)
    for _ in range(5):
        work = at.begin(transfer(), rules)
        with pytest.raises(PutOff):
            await at.evaluate(work)
        at.end(work)
    assert len(bank.asked) == 3


async def test_without_a_bank_the_mail_says_that_nobody_was_asked(store, clock):
    (mail,) = payloads(await evaluated(store, None, clock, rule(notify=(proven(),))))
    assert "the proof was not asked for: workspace acme has no api" in mail["text"]


async def test_a_mail_in_the_plain_form_carries_the_proof_too(store, bank, clock):
    bank.answers[PATH] = PDF
    broken = proven(message=fn(lambda c: c["gone"]))
    evaluation = await evaluated(store, bank, clock, rule(notify=(broken,)))
    (made,) = evaluation.decisions[0].deliveries
    assert made.notification.render_error
    assert made.notification.payload["attach"][0]["size"] == len(PDF)


async def test_a_look_up_of_the_proofs_path_does_not_stand_in_its_way(store, bank, clock):
    answers = [FetchError(Reason.INVALID_RESPONSE), PDF]
    bank.answers[PATH] = lambda: answers.pop(0)
    message = fn(lambda c: {"text": str(c["p"])}, "p")
    evaluation = await evaluated(store, bank, clock, rule(lookups={"p": fn(PATH)}, notify=(proven(message=message),)))
    assert [document.content for document in evaluation.documents] == [PDF]


async def test_a_rule_that_remembers_attaches_what_it_resolves_with(store, bank, clock):
    bank.answers[PATH] = PDF
    store.states["acme", "r", Policy.FIRE, "k"] = "true"
    over = rule(when=fn(lambda c: False), key=fn("k"), notify=(entry(),), resolved=(proven(),))
    (mail,) = payloads(await evaluated(store, bank, clock, over))
    assert mail["attach"][0]["what"] == "proof"


def test_the_name_has_the_reference_only_where_the_rule_needs_the_resource():
    for needs, name in ((True, "proof-REF-7.pdf"), (False, "proof-res-1.pdf")):
        deciding = decide(
            rule(notify=(proven(),), needs_resource=needs),
            event=transfer(),
            resource=Given(value={"reference": "REF 7"}),
            at=transfer().received_at,
        )
        assert next(deciding) == Proof(path=PATH)
        assert deciding.send(Given(value=Enclosure(size=1))) == Silences()
        with pytest.raises(StopIteration) as stop:
            deciding.send(())
        assert stop.value.value.deliveries[0].notification.payload["attach"][0]["name"] == name


@given(st.none() | st.integers() | st.text() | st.text(alphabet='./\\"\r\n;é %-_A1', max_size=200))
def test_whatever_a_reference_holds_the_name_is_fit_for_a_header_and_a_disk(reference):
    name = file_name(transfer(), {"reference": reference})
    assert re.fullmatch(r"proof-[A-Za-z0-9_][A-Za-z0-9._-]{0,79}\.pdf", name)


def test_a_resource_without_a_reference_is_called_by_its_id():
    for resource in (None, {}, [], {"reference": ""}, {"reference": "…"}, {"reference": 7}):
        assert file_name(transfer(), resource) == "proof-res-1.pdf"
    assert file_name(replace(transfer(), resource_id="…"), None) == "proof.pdf"


async def shown(clock, bank, *rules):
    item = transfer()
    answers = Inquiry(item, bank, resource_types={}, retry=RETRY, clock=clock, random=Random(1))
    return await preview(item, Ruleset(rules=rules), answers=answers, at=clock.now()), answers


async def test_a_preview_shows_the_proof_with_its_size(clock, bank):
    bank.answers[PATH] = PDF
    found, answers = await shown(clock, bank, rule(notify=(proven(),)))
    assert found.messages[0].notification.payload["attach"][0]["size"] == len(PDF)
    assert [document.content for document in answers.documents] == [PDF]


async def test_a_preview_waits_for_no_proof_and_says_why_there_is_none(clock, bank):
    bank.answers[PATH] = FetchError(Reason.TIMEOUT)
    found, _ = await shown(clock, bank, rule(notify=(proven(),)))
    assert "the bank did not give the proof: timeout" in found.messages[0].notification.payload["text"]


CONFIG = SimpleNamespace(hours={}, channels={}, workspaces=(SimpleNamespace(name="acme"),))


def result_of(expect, *rules, event_type="transfer_confirmed", **more):
    given = {"lookups": {}, "resource": {"id": "res-1"}, **more}
    test = RuleTest(name="t", file="r.yaml", line=1, event={"event_type": event_type}, expect=(expect,), **given)
    (result,) = run_tests(Ruleset(rules=rules, tests=(test,)), CONFIG)
    return result


def test_a_test_that_expects_the_proof_passes_where_it_is_attached_and_fails_where_it_is_not():
    assert result_of({"attach": ["proof"]}, rule(notify=(proven(),))).passed
    (shortfall,) = result_of({"attach": ["proof"]}, rule(notify=(entry(0, "mail", type_="email"),))).shortfalls
    assert [str(field) for field in shortfall.fields] == ["attach: expected 'proof', got '(none)'"]


def test_a_test_can_expect_that_nothing_is_attached():
    assert result_of({"attach": []}, rule(notify=(entry(0, "mail", type_="email"),))).passed
    (shortfall,) = result_of({"attach": []}, rule(notify=(proven(),))).shortfalls
    assert [str(field) for field in shortfall.fields] == ["attach: expected '(none)', got 'proof'"]


def test_a_test_of_an_event_that_has_no_proof_does_not_pass_for_one_that_has():
    result = result_of({"attach": ["proof"]}, rule(notify=(proven(),)), event_type="transaction_confirmed")
    assert not result.passed


def test_a_test_can_say_that_the_bank_has_no_proof():
    assert result_of({"attach": []}, rule(notify=(proven(),)), lookups={PATH: None}).passed
    assert not result_of({"attach": ["proof"]}, rule(notify=(proven(),)), lookups={PATH: None}).passed


def test_a_test_notes_a_proof_that_the_bank_will_hardly_make():
    rules = (rule(notify=(proven(),)),)
    assert result_of({}, *rules).notes == ()
    result = result_of({}, *rules, event_type="transfer_failed")
    assert result.passed
    assert result.notes == ("rule r attaches a proof, but the bank makes one of confirmed payments only",)
