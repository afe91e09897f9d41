"""What a replay does with a message, by what became of it before."""

from __future__ import annotations

import pytest
from pastparts import new, old

from memonotify.engine.lineup import Met
from memonotify.engine.standing import planned
from memonotify.model import DeliveryState
from memonotify.past import GOES_OUT, ReplayOrder, Selection, Standing

PLAIN = ReplayOrder(selection=Selection())
RESEND = ReplayOrder(selection=Selection(), resend=True)
AGAIN = ReplayOrder(selection=Selection(), resend=True, label="again")

SENT, DEAD = old(), old(state=DeliveryState.DEAD)
ON_ITS_WAY = [old(state=state) for state in (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD)]
TOLD = old(state=DeliveryState.TOLD, told_in="dlv_group")
GIVEN_UP = old(state=DeliveryState.DISCARDED)
SHADOWED = old(state=DeliveryState.SUPPRESSED)
RESENT = old(id="dlv_again", replay="resent")
RESENT_DEAD = old(id="dlv_again", replay="resent", state=DeliveryState.DEAD)


def plan(then, order=PLAIN, message=None):
    then = tuple(then)
    return planned(Met(now=message or new(), then=then), frozenset(each.id for each in then), order)


@pytest.mark.parametrize(
    ("then", "plain", "resend", "again"),
    [
        pytest.param([], Standing.NEW, Standing.NEW, Standing.NEW, id="never made"),
        pytest.param([SENT], Standing.SENT, Standing.RESEND, Standing.RESEND, id="sent"),
        *(
            pytest.param([each], Standing.WAITING, Standing.WAITING, Standing.WAITING, id=str(each.state))
            for each in ON_ITS_WAY
        ),
        pytest.param([TOLD], Standing.SENT, Standing.RESEND, Standing.RESEND, id="told in another"),
        pytest.param([TOLD, SENT], Standing.SENT, Standing.RESEND, Standing.RESEND, id="told, and telling others"),
        pytest.param([DEAD], Standing.DEAD, Standing.DEAD, Standing.DEAD, id="dead"),
        pytest.param([GIVEN_UP], Standing.DISCARDED, Standing.RESEND, Standing.RESEND, id="given up"),
        pytest.param([SHADOWED], Standing.NEW, Standing.NEW, Standing.NEW, id="suppressed then"),
        pytest.param([SENT, RESENT], Standing.SENT, Standing.SENT, Standing.RESEND, id="resent"),
        pytest.param([SENT, RESENT_DEAD], Standing.DEAD, Standing.DEAD, Standing.DEAD, id="resent and dead"),
    ],
)
def test_what_becomes_of_a_message_follows_from_what_became_of_it(then, plain, resend, again):
    assert [plan(then, order).standing for order in (PLAIN, RESEND, AGAIN)] == [plain, resend, again]


def test_what_was_told_in_another_message_stays_and_says_in_which():
    plan_ = plan([TOLD])
    assert (plan_.delivery.id, plan_.detail) == (TOLD.id, "told in dlv_group")


def test_a_message_that_was_never_made_has_the_id_that_its_evaluation_would_have_given_it():
    made = plan([]).delivery
    assert (made.id, made.replay) == (new().id, "added")


@pytest.mark.parametrize("then", [[SHADOWED], [old(channel="mail")]], ids=["suppressed", "another channel"])
def test_where_that_id_is_taken_it_has_one_of_its_own_and_each_time_the_same(then):
    met = Met(now=new(), then=tuple(each for each in then if each.channel == "log"))
    taken = frozenset(each.id for each in then)
    first, second = (planned(met, taken, PLAIN).delivery for _ in range(2))
    assert first.id == second.id != new().id
    sent = old(id=first.id, replay="added")
    assert plan([*then, sent]).standing is Standing.SENT


def test_a_resend_has_an_id_for_each_label_and_each_time_the_same():
    ids = [plan([SENT], order).delivery.id for order in (RESEND, RESEND, AGAIN)]
    assert ids[0] == ids[1]
    assert len({SENT.id, *ids}) == 3
    assert plan([SENT], AGAIN).delivery.replay == "resent:again"


def test_a_message_that_stays_bears_the_id_of_the_one_that_is_there():
    dead = plan([SENT, RESENT_DEAD], RESEND)
    assert dead.delivery.id == "dlv_again"
    assert dead.detail == "a dead letter: memonotify retry dlv_again"


def test_a_rule_in_the_shadow_sends_nothing():
    shadow = plan([], RESEND, new(state=DeliveryState.SUPPRESSED, detail="mode: shadow, so nothing is sent"))
    assert shadow.standing is Standing.SUPPRESSED
    assert shadow.standing not in GOES_OUT
