from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from memonotify.config.values import Retry
from memonotify.delivery.outcome import Ended, settlement
from memonotify.errors import Reason, SendError
from memonotify.model import Branch, DeliveryState, FailureKind, Receipt, Refusal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RETRY = Retry(first_s=5, max_s=900, give_up_after_s=86400)


def ended(result):
    return Ended(result=result, started_at=NOW, ended_at=NOW + timedelta(seconds=1))


def test_a_taken_message_is_sent_and_its_attempt_kept(delivery, randomness):
    outcome = settlement(delivery(attempts=3), ended(Receipt(status=204, detail="ok")), RETRY, randomness)
    assert (outcome.state, outcome.due_at, outcome.parts, outcome.failures) == (DeliveryState.SENT, None, (), ())
    attempt = outcome.attempt
    assert (attempt.number, attempt.ok, attempt.status, attempt.detail) == (3, True, 204, "ok")
    assert (attempt.ended_at - attempt.started_at).total_seconds() == 1


def test_a_temporary_failure_waits_and_tells_nobody(delivery, randomness):
    outcome = settlement(delivery(), ended(SendError(Reason.DEFERRED, "busy", status=451)), RETRY, randomness)
    assert (outcome.state, outcome.failures) == (DeliveryState.PENDING, ())
    assert outcome.due_at > NOW
    assert (outcome.attempt.ok, outcome.attempt.reason, outcome.attempt.status) == (False, Reason.DEFERRED, 451)


def test_a_dead_letter_makes_a_failure_in_the_same_settlement(delivery, randomness):
    outcome = settlement(delivery(), ended(SendError(Reason.REJECTED, "no", status=400)), RETRY, randomness)
    assert outcome.state is DeliveryState.DEAD
    (failure,) = outcome.failures
    assert (failure.kind, failure.channel, failure.rule, failure.event_id, failure.reason, failure.delivery_id) == (
        FailureKind.DEAD_LETTER,
        "mail",
        "big",
        "event-1",
        Reason.REJECTED,
        "dlv_1",
    )


@pytest.mark.parametrize("branch", [Branch.FAILURE, Branch.TEST])
def test_a_notice_and_a_test_message_raise_no_failure_of_their_own(branch, delivery, randomness):
    outcome = settlement(delivery(branch=branch), ended(SendError(Reason.REJECTED)), RETRY, randomness)
    assert (outcome.state, outcome.failures) == (DeliveryState.DEAD, ())
    refused = Receipt(refusals=(Refusal(recipient="a@example.com", reason=Reason.REJECTED),))
    assert settlement(delivery(branch=branch), ended(refused), RETRY, randomness).failures == ()


def test_a_refused_recipient_becomes_a_dead_letter_of_its_own_and_the_others_have_the_message(delivery, randomness):
    refusal = Refusal(recipient="a@example.com", reason=Reason.REJECTED, status=550, detail="no such user")
    whole = delivery(identity="dlv_whole")
    outcome = settlement(whole, ended(Receipt(refusals=(refusal,))), RETRY, randomness)
    assert outcome.state is DeliveryState.SENT
    (part,) = outcome.parts
    assert (part.state, part.identity, part.reason) == (DeliveryState.DEAD, "dlv_whole", Reason.REJECTED)
    assert part.id != whole.id
    assert part.notification.payload == {**whole.payload, "recipients": ["a@example.com"]}
    (failure,) = outcome.failures
    assert failure.delivery_id == part.id
    assert "a@example.com" in failure.detail
    assert "no such user" in failure.detail


def test_a_recipient_refused_for_a_time_is_tried_again_alone(delivery, randomness):
    refusal = Refusal(recipient="b@example.com", reason=Reason.DEFERRED, status=450)
    outcome = settlement(delivery(attempts=2), ended(Receipt(refusals=(refusal,))), RETRY, randomness)
    (part,) = outcome.parts
    assert (part.state, part.attempts, part.created_at) == (DeliveryState.PENDING, 2, NOW)
    assert part.due_at >= NOW + timedelta(seconds=6)
    assert outcome.failures == ()


def test_a_recipient_is_not_granted_the_time_of_the_whole_twice(delivery, randomness):
    old = delivery(created_at=NOW - timedelta(days=1))
    refusal = Refusal(recipient="b@example.com", reason=Reason.DEFERRED)
    (part,) = settlement(old, ended(Receipt(refusals=(refusal,))), RETRY, randomness).parts
    assert part.state is DeliveryState.DEAD


def test_parts_of_one_message_have_ids_of_their_own_and_the_same_each_time(delivery, randomness):
    refusals = tuple(Refusal(recipient=name, reason=Reason.REJECTED) for name in ("a@example.com", "b@example.com"))
    once = settlement(delivery(), ended(Receipt(refusals=refusals)), RETRY, randomness)
    again = settlement(delivery(), ended(Receipt(refusals=refusals)), RETRY, randomness)
    assert len({part.id for part in once.parts}) == 2
    assert [part.id for part in once.parts] == [part.id for part in again.parts]
