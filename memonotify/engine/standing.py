"""What a replay does with one message: it goes out, or it stays, and why. Pure.

In: a message that is due now, the deliveries of it that there are, and the order. Out: a Planned. `replay` calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from memonotify.engine.lineup import Met
from memonotify.model import Delivery, DeliveryState, NewDelivery, delivery_id
from memonotify.past import ReplayOrder, Standing

ADDED: Final = "added"
_RESENT: Final = "resent"
_SPOKEN: Final = frozenset({DeliveryState.SENT, DeliveryState.TOLD})
_ON_ITS_WAY: Final = frozenset({DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message with where it stands. `delivery` is the one to write, or bears the id of the one that is there."""

    delivery: NewDelivery
    standing: Standing
    detail: str = ""


def resent(label: str) -> str:
    """Return how a delivery is marked that a replay with `resend` made, be it the first of its message or one more: so
    the same replay, repeated, knows that it is done."""
    return f"{_RESENT}:{label}" if label else _RESENT


def planned(met: Met, taken: frozenset[str], order: ReplayOrder) -> Planned:
    """Return what becomes of a message. `taken` are the ids of all deliveries of its event."""
    new = met.now
    if new.state is DeliveryState.SUPPRESSED:
        return Planned(delivery=new, standing=Standing.SUPPRESSED, detail=new.detail)
    # What a policy suppressed was never sent.
    then = [old for old in met.then if old.state is not DeliveryState.SUPPRESSED]
    mark = resent(order.label) if order.resend else ADDED
    if not then:
        return Planned(delivery=_added(new, taken, mark), standing=Standing.NEW, detail=_form(new))
    waiting = _last(then, _ON_ITS_WAY)
    if waiting is not None:
        return _stays(new, waiting, Standing.WAITING, "it is on its way already")
    dead = _last(then, {DeliveryState.DEAD})
    if dead is not None:
        return _stays(new, dead, Standing.DEAD, f"a dead letter: memonotify retry {dead.id}")
    if not order.resend:
        sent = _last(then, _SPOKEN)
        if sent is not None:
            said = f"told in {sent.told_in}" if sent.state is DeliveryState.TOLD and sent.told_in else "sent already"
            return _stays(new, sent, Standing.SENT, said)
        return _stays(new, then[-1], Standing.DISCARDED, "a person gave it up")
    again = next((old for old in then if old.replay == mark), None)
    if again is not None:
        return _stays(new, again, Standing.SENT, "sent by this replay already; under another --label it goes once more")
    again_as = replace(new, id=_salted(new, mark), replay=mark)
    return Planned(delivery=again_as, standing=Standing.RESEND, detail=_form(new))


def _last(then: Iterable[Delivery], states: Iterable[DeliveryState]) -> Delivery | None:
    return next((old for old in reversed(list(then)) if old.state in states), None)


def _form(new: NewDelivery) -> str:
    """Say where a message does not go as its rule means it."""
    error = new.notification.render_error
    return f"in the plain form: {error}" if error else ""


def _stays(new: NewDelivery, old: Delivery, standing: Standing, detail: str) -> Planned:
    return Planned(delivery=replace(new, id=old.id), standing=standing, detail=detail)


def _added(new: NewDelivery, taken: frozenset[str], mark: str) -> NewDelivery:
    """Under the id that the event's evaluation would have given it, unless another message has that."""
    return replace(new, id=_salted(new, ADDED) if new.id in taken else new.id, replay=mark)


def _salted(new: NewDelivery, mark: str) -> str:
    salt = f"{mark}\0{new.notification.channel}"
    return delivery_id(new.workspace, new.event_id, new.rule, new.branch, new.entry, salt=salt)
