"""One channel's lane: claims what is due, sends it, settles it. Lanes share nothing but the store, so a slow or dead
channel delays no other.

In: `wake()` after deliveries were written. Out: settlements in the store, sends on the channel, metrics and one log
line for each settled delivery. Owned by the courier.

The lane claims in batches: at most as many as may be sent at once and as many again to follow on without waiting for
the store. Outcomes are written in batches too, with the next claim where one is near: a transaction costs far more than
what is in it. Where several nodes keep one pace, claims are made for moments reserved in the store, and wait for them
here. A claim that cannot be sent any more (the lane stops, the breaker opens) is given back unused. A result the store
cannot take is kept and offered again, and nothing is claimed meanwhile, so an outcome is never forgotten in favour of a
second send.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from memonotify.alarm import Alarm
from memonotify.channels.base import Channel
from memonotify.config.values import ChannelConfig
from memonotify.delivery.breaker import NO_PROBE, Breaker, BreakerState
from memonotify.delivery.ledger import Ledger
from memonotify.delivery.outcome import Ended, settlement
from memonotify.delivery.pace import Pace
from memonotify.delivery.record import Record
from memonotify.delivery.sending import Sending
from memonotify.delivery.sharedpace import SharedPace
from memonotify.delivery.surroundings import STORE_WAIT_S, Surroundings
from memonotify.errors import CallError, Reason
from memonotify.model import Delivery, DeliveryState, Receipt, Settlement

LINGER_S: Final = 0.2
"""After a batch that was not full the lane looks once more, before it asks the store when the next is due."""

SOONEST_S: Final = 0.01
"""A delivery that is due but was not there to claim is looked for again after this."""

AHEAD: Final = 3
"""So many times as may be sent at once are claimed ahead, so that no place is empty while the store works; half of them
are claimed anew at a time."""

MAX_UNSETTLED: Final = 4
"""Settlements on their way, as a multiple of the sends at once, beyond which nothing is claimed."""


@dataclass(slots=True, kw_only=True)
class _Claim:
    delivery: Delivery
    lease_until: datetime
    probe: int = NO_PROBE
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneState:
    """What `status` shows of a lane: the breaker's state, and how many deliveries are in each stage."""

    breaker: BreakerState
    waiting: int
    sending: int
    settling: int

    @property
    def under_way(self) -> int:
        """How many were begun and are not written as sent or failed."""
        return self.sending + self.settling


def _pace(config: ChannelConfig, around: Surroundings) -> Pace | SharedPace:
    if config.rate is None or not around.store.is_shared:
        return Pace(config.rate)
    return SharedPace(config.rate, partial(around.store.reserve, config.name), around.clock.monotonic)


class Lane:
    """The lane of one channel; `slots` is how many sends it may have in flight."""

    def __init__(self, channel: Channel, config: ChannelConfig, around: Surroundings, *, slots: int) -> None:
        self._config = config
        self._around = around
        self._slots = slots
        self._breaker = Breaker(retry=around.retry, randomness=around.randomness)
        self._pace = _pace(config, around)
        self._alarm = Alarm(around.pause)
        self._claims: dict[str, _Claim] = {}
        self._waiting: deque[_Claim] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._news = 0
        self._due_s = 0.0
        self._trouble = ""
        self._stopping = False
        self._record = Record(around.metrics, config.name)
        self._sending = Sending(
            channel, timeout_s=config.timeout_s, bound=around.bound, record=self._record, documents=around.store
        )
        self._ledger = Ledger(around, self._record, self._alarm.ring)
        around.headroom.on_more(self._fill)

    @property
    def state(self) -> LaneState:
        """The lane as it is now."""
        return LaneState(
            breaker=self._breaker.state, waiting=len(self._waiting), sending=self._in_flight, settling=self._ledger.open
        )

    def wake(self) -> None:
        """Look into the store: deliveries were written. Cheap, and may be called as often as one likes."""
        self._news += 1
        self._due_s = 0.0
        self._alarm.ring()

    def halt(self) -> None:
        """Begin nothing any more; `run` gives unused claims back and returns."""
        self._stopping = True
        self._ledger.write_now()
        self._alarm.ring()

    async def run(self) -> None:
        """Work until `halt`. No failure of a channel or of the store ends it."""
        while not self._stopping:
            try:
                await self._step()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - the lane outlives whatever happens in it
                self._stumble(error)
                self._due_s = max(self._due_s, self._now_s() + STORE_WAIT_S)
            if not self._stopping:
                now_s = self._now_s()
                await self._alarm.wait(now_s, self._next_s(now_s))
        self._alarm.close()
        try:
            await self._give_back()
        except Exception as error:  # noqa: BLE001 - what is not given back is due again when its lease is over
            self._stumble(error)

    async def drained(self) -> None:
        """Wait until what is in flight has ended and is settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def cut(self) -> None:
        """End what is still in flight. The store counts the attempt; the delivery is sent again later."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def renew(self) -> None:
        """Renew the leases of which a third has passed; the courier calls it several times within one lease."""
        try:
            await self._renew(self._around.lease_s * 2 / 3)
        except Exception as error:  # noqa: BLE001 - the next call tries again
            self._stumble(error)

    async def _renew(self, left_s: float) -> None:
        """Renew the leases that last for `left_s` or less; one that somebody else has by now is marked as lost."""
        now, lease = self._around.clock.now(), timedelta(seconds=self._around.lease_s)
        late = now + timedelta(seconds=left_s)
        claims = [claim for claim in self._claims.values() if claim.lease_until <= late and not claim.lost]
        if not claims:
            return
        renewals = (self._around.store.renew(claim.delivery, lease_s=lease.total_seconds()) for claim in claims)
        for claim, is_ours in zip(claims, await asyncio.gather(*renewals), strict=True):
            claim.lost = not is_ours
            claim.lease_until = now + lease
        if any(claim.lost for claim in claims):
            self._alarm.ring()

    async def _step(self) -> None:
        if self._now_s() >= self._ledger.write_by_s:
            self._ledger.write_now()
        self._fill()
        if self._must_give_back():
            await self._give_back()
        while not self._stopping:
            now_s = self._now_s()
            if (limit := self._limit(now_s)) > 0:
                await self._claim(limit)
            elif self._must_book(now_s):
                await self._book(now_s)
            else:
                break

    async def _book(self, now_s: float) -> None:
        """Reserve more of a shared pace: for claims that lost their moment, or for what is due in the store."""
        news = self._news
        if self._pace.offers(now_s, len(self._waiting)) < 0:
            wait_s = 0.0
        else:
            wait_s = self._wait_s(await self._around.store.next_claim(self._config.name))
        if wait_s <= 0:
            await self._pace.book()
        elif news == self._news:
            self._due_s = self._now_s() + wait_s

    async def _claim(self, limit: int) -> None:
        # A lease of our own that ran out (the store was away, the machine slept) would be claimed as well, and its
        # message sent a second time: so it is renewed first, and where that fails nothing is claimed.
        await self._renew(0.0)
        self._ledger.write_now()
        news = self._news
        claimed = await self._around.store.claim(self._config.name, limit=limit, lease_s=self._around.lease_s)
        lease_until = self._around.clock.now() + timedelta(seconds=self._around.lease_s)
        for delivery in claimed:
            claim = _Claim(delivery=delivery, lease_until=delivery.lease_until or lease_until)
            self._claims[delivery.id] = claim
            self._waiting.append(claim)
        self._fill()
        if len(claimed) == limit:
            return
        look_s = LINGER_S if claimed else await self._until_due_s()
        if news == self._news:
            self._due_s = self._now_s() + look_s

    async def _until_due_s(self) -> float:
        return max(self._wait_s(await self._around.store.next_due(self._config.name)), SOONEST_S)

    def _wait_s(self, due_at: datetime | None) -> float:
        if due_at is None:
            return self._around.look_s
        return min((due_at - self._around.clock.now()).total_seconds(), self._around.look_s)

    def _limit(self, now_s: float) -> int:
        """Return how many deliveries may be claimed now."""
        return min(self._room(now_s), self._pace.offers(now_s, len(self._waiting)))

    def _must_book(self, now_s: float) -> bool:
        if not self._pace.may_book(now_s):
            return False
        offers = self._pace.offers(now_s, len(self._waiting))
        return offers < 0 or (offers == 0 and self._room(now_s) > 0)

    def _room(self, now_s: float) -> int:
        """Return how many more deliveries there is room for, at whatever pace."""
        if (
            self._ledger.kept
            or self._ledger.open > MAX_UNSETTLED * self._slots
            or len(self._waiting) > AHEAD * self._slots // 2
        ):
            return 0
        if now_s < self._due_s:
            return 0
        admitted = self._breaker.admits(now_s)
        room = (1 + AHEAD if self._breaker.is_closed else 1) * self._slots - self._in_flight
        return min(room, admitted) - len(self._waiting)

    def _next_s(self, now_s: float) -> float:
        """Return the monotonic second at which to look again: something may be claimed that may not be now, or outcomes
        are to be written. A place that becomes free rings the alarm itself."""
        if self._limit(now_s) > 0 or self._must_book(now_s):
            # Its moment came after the lane had looked.
            return now_s
        opens_s = max(self._due_s, self._breaker.opens_way_at(), self._pace.opens_way_at())
        sends_s = self._pace.changes_at(now_s) if self._waiting else float("inf")
        return min(opens_s if opens_s > now_s else float("inf"), sends_s, self._ledger.write_by_s)

    def _must_give_back(self) -> bool:
        if not self._waiting:
            return False
        now_s = self._now_s()
        blocked = not self._breaker.admits(now_s) or not self._pace.serves(now_s)
        return blocked or self._is_stale(self._waiting[0])

    def _is_stale(self, claim: _Claim) -> bool:
        return claim.lost or claim.lease_until <= self._around.clock.now()

    async def _give_back(self) -> None:
        claims, refused = list(self._waiting), None
        self._waiting.clear()
        answers = await asyncio.gather(
            *(self._around.store.release(claim.delivery) for claim in claims), return_exceptions=True
        )
        for claim, answer in zip(claims, answers, strict=True):
            if isinstance(answer, BaseException):
                self._waiting.append(claim)
                refused = answer
            else:
                del self._claims[claim.delivery.id]
        if refused is not None:
            raise refused
        self._due_s = 0.0

    def _fill(self) -> None:
        while (claim := self._next()) is not None:
            self._spawn(self._carry(claim))

    def _next(self) -> _Claim | None:
        """Take the next claim if it may be sent now; it counts as being sent from here on."""
        if not self._waiting or self._stopping or self._in_flight >= self._around.headroom.of(self._slots):
            return None
        now_s = self._now_s()
        if not self._breaker.admits(now_s) or not self._pace.admits(now_s) or self._is_stale(self._waiting[0]):
            return None
        claim = self._waiting.popleft()
        self._pace.begin(now_s)
        claim.probe = self._breaker.begin()
        self._in_flight += 1
        return claim

    async def _carry(self, claim: _Claim) -> None:
        """Send a claim, then the next in its place: within the same turn of the loop, so that no connection falls idle.
        What became of each is written meanwhile."""
        following: _Claim | None = claim
        while following is not None:
            claim = following
            try:
                outcome = await self._attempt(claim)
            except BaseException:
                self._forget(claim)
                raise
            self._ledger.open += 1
            self._spawn(self._conclude(claim, outcome))
            following = self._next()
            self._fill()
            self._ring_if_ready()

    async def _attempt(self, claim: _Claim) -> Settlement:
        started_at, started_s = self._around.clock.now(), self._now_s()
        try:
            result = await self._sending.send(claim.delivery)
        except BaseException:
            self._breaker.abandon(probe=claim.probe)
            raise
        finally:
            self._in_flight -= 1
        ended_s = self._now_s()
        self._record.attempted(result, ended_s - started_s)
        self._learn(result, ended_s, claim.probe)
        ended = Ended(result=result, started_at=started_at, ended_at=self._around.clock.now())
        return settlement(claim.delivery, ended, self._around.retry, self._around.randomness)

    async def _conclude(self, claim: _Claim, outcome: Settlement) -> None:
        try:
            await self._ledger.write(outcome, at_once=not self._in_flight or self._stopping)
            self._schedule(outcome)
        finally:
            self._ledger.open -= 1
            self._forget(claim)

    def _forget(self, claim: _Claim) -> None:
        if self._claims.get(claim.delivery.id) is claim:
            del self._claims[claim.delivery.id]

    def _learn(self, result: Receipt | CallError, now_s: float, probe: int) -> None:
        reason = result.reason if isinstance(result, CallError) else None
        was_closed = self._breaker.is_closed
        self._breaker.end(reason, now_s, probe=probe)
        if self._breaker.is_closed is not was_closed:
            self._record.breaker(is_open=was_closed, reason=reason)
        if isinstance(result, CallError):
            self._pace.quiet(now_s + self._quiet_s(result))

    def _quiet_s(self, error: CallError) -> float:
        """Return for how long the whole channel is left alone: where it says that it is asked too often, or that it is
        out of service for a while, the next message would hear the same."""
        wish_s = error.retry_after_s
        if error.reason is Reason.RATE_LIMITED and wish_s is None:
            wish_s = self._around.retry.first_s
        if wish_s is None or error.reason not in (Reason.RATE_LIMITED, Reason.SERVER_ERROR):
            return 0.0
        return min(wish_s, self._around.retry.max_s)

    def _schedule(self, outcome: Settlement) -> None:
        """Note when the next try of this delivery, or of a part of it, is due."""
        due = [part.due_at for part in outcome.parts if part.state is DeliveryState.PENDING]
        if outcome.due_at is not None:
            due.append(outcome.due_at)
        if due:
            self._news += 1
            self._due_s = min(self._due_s, self._now_s() + (min(due) - self._around.clock.now()).total_seconds())
            self._alarm.ring()

    def _stumble(self, error: BaseException) -> None:
        """Log what went wrong in the lane itself, once for as long as it stays the same."""
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            self._trouble = trouble
            self._record.stumbled(error)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stumble(error)
        self._ring_if_ready()

    def _ring_if_ready(self) -> None:
        now_s = self._now_s()
        if self._must_give_back() or self._limit(now_s) > 0 or self._must_book(now_s):
            self._alarm.ring()

    def _now_s(self) -> float:
        return self._around.clock.monotonic()
