"""The store's face: what the intake, the engine, the courier and the commands ask of it, as coroutines.

Takes a URL, gives and takes the values of `model`. Writes go through the one writer thread (those of `budgets`, on a
shared store, through another one) and are on stable storage when the call returns; reads run in threads of their own.
No call blocks the event loop. Every call may raise StoreUnavailable (come again later) or StoreUnusable (somebody has
to repair it).
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection

from memonotify.errors import StoreError
from memonotify.holding import Hold, Policy, StateChange
from memonotify.metrics import Metrics
from memonotify.model import (
    Attempt,
    Clock,
    Decision,
    Delivery,
    DeliveryState,
    Document,
    Evaluation,
    Event,
    EventState,
    Failure,
    HeldBack,
    KeptFile,
    NewDelivery,
    Node,
    QuotaGrant,
    QuotaTold,
    Recorded,
    Settlement,
    Silence,
    Snapshot,
    Wait,
)
from memonotify.openitems import OpenItems
from memonotify.past import Extent, Past, Selection
from memonotify.schedules import Made, Realignment, Schedule
from memonotify.store import (
    budgets,
    clockback,
    deliveries,
    documents,
    events,
    failures,
    held,
    history,
    holds,
    memory,
    nodes,
    numbers,
    openings,
    orphans,
    paces,
    quotas,
    retention,
    rulefiles,
    schedules,
    schema,
    silences,
    traces,
    windows,
)
from memonotify.store.backend import Backend, EventRow, backend_for, row_of
from memonotify.store.budgets import Wish
from memonotify.store.cells import encode, micros
from memonotify.store.conflicts import put
from memonotify.store.numbers import ChannelNumbers, Counts, Seen, Space, Waiting
from memonotify.store.paces import Portion
from memonotify.store.readers import Readers
from memonotify.store.silences import Expired
from memonotify.store.standing import StandingSilences
from memonotify.store.tables import probes
from memonotify.store.writer import Argument, Lane, Result, Writer
from memonotify.windowing import Figures, WindowEntry, WindowSpan

Answer = TypeVar("Answer")

_PROBE: Final = put(probes)


class Store:
    """One store, from `open` to `close`; also an asynchronous context manager that opens for writing.

    `before_commit` is called in the writer's thread before each commit: the seam at which a test injects a fault.
    `backend` stands in for the one that the URL names, with other bounds.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        metrics: Metrics | None = None,
        before_commit: Callable[[], None] | None = None,
        backend: Backend | None = None,
    ) -> None:
        self._backend = backend or backend_for(url)
        self._clock = clock
        self._metrics = metrics
        self._before_commit = before_commit
        self._writer: Writer | None = None
        self._budgets: Writer | None = None
        self._budgets_opening = asyncio.Lock()
        self._readers: Readers | None = None
        self._leads_until_s = 0.0
        self._standing = StandingSilences(self._silences_not_over, clock=clock)
        self.lease = secrets.token_hex(8) if self._backend.is_shared else ""

    @property
    def name(self) -> str:
        """How a sentence names it: the file, or the server and database without a password."""
        return self._backend.name

    @property
    def is_shared(self) -> bool:
        """Whether several nodes may work on it at a time."""
        return self._backend.is_shared

    def exists(self) -> bool:
        """Whether there is something to open without making it."""
        return self._backend.exists()

    @property
    def leads(self) -> bool:
        """Whether this node does what only one may do at a time; where there is only one, it does."""
        return not self.is_shared or self._clock.monotonic() < self._leads_until_s

    async def open(self, *, read_only: bool = False) -> None:
        """Open the store; for writing, make or migrate its tables first. Takes the writer's lock unless `read_only`.

        Raises:
            StoreInUse: another process writes to it.
            StoreUnavailable: the database does not answer now.
            StoreUnusable: it is damaged, another program's, of a newer version, on a disk that cannot keep a promise,
                or, with `read_only`, not there or not migrated yet.
        """
        readers = Readers(self._backend)
        try:
            if read_only:
                self._backend.demand()
                await readers.run(self._require)
            else:
                await self._open_writer()
        except BaseException:
            await readers.close()
            raise
        self._readers = readers

    def _require(self, connection: Connection) -> None:
        schema.require(connection, self.name)

    async def _open_writer(self) -> None:
        backend = self._backend
        await asyncio.to_thread(backend.take)
        writer = Writer(
            backend=backend,
            connect=backend.writing_engine().connect,
            clock=self._clock,
            metrics=self._metrics,
            before_commit=self._before_commit,
            whole=frozenset({backend.receive}),
        )

        def first(connection: Connection) -> None:
            backend.check(connection)
            schema.prepare(connection, self.name, backend.guard_migration)

        try:
            await writer.start(first)
        except BaseException:
            backend.let_go()
            raise
        self._writer = writer

    async def close(self) -> None:
        """Write what waits, close everything and let go of the lock. Closing twice is harmless."""
        if self._readers is not None:
            await self._readers.close()
        for writer in (self._budgets, self._writer):
            if writer is not None:
                await writer.stop()
        self._backend.let_go()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def writer_alive(self, within_s: float) -> bool:
        """Return whether the writer worked or waited for work within these seconds; idle, it beats each second."""
        return self._writer is not None and self._writer.is_alive(within_s)

    async def _write(self, lane: Lane[Argument, Result], argument: Argument) -> Result:
        if self._writer is None:
            raise StoreError("the store is not open for writing")
        return await self._writer.submit(lane, argument)

    async def _share(self, wish: Wish[Answer]) -> Answer:
        """Answer a wish for a shared budget: on SQLite by the one writer, else by another, opened at the first wish."""
        if not self._backend.is_shared:
            return await self._write(budgets.take, wish)
        async with self._budgets_opening:
            if self._budgets is None:
                self._budgets = await self._open_budgets()
        answer: Answer = await self._budgets.submit(budgets.take, wish)
        return answer

    async def _open_budgets(self) -> Writer:
        if self._writer is None:
            raise StoreError("the store is not open for writing")
        writer = Writer(
            backend=self._backend,
            connect=self._backend.writing_engine(patience_s=budgets.PATIENCE_S).connect,
            clock=self._clock,
            metrics=self._metrics,
            before_commit=self._before_commit,
        )
        await writer.start(lambda _connection: None)
        return writer

    async def _read(self, query: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        if self._readers is None:
            raise StoreError("the store is not open")
        return await self._readers.run(lambda connection: query(connection, *arguments, **options))

    def _now(self) -> int:
        return micros(self._clock.now())

    # Events

    async def receive(self, event: Event, *, keep: bool = True, in_order: bool = False) -> int | None:
        """Put an event on stable storage; return its number, None where its workspace has one of that id already.

        With `keep` this node evaluates it, else any may; `in_order` leaves it to the one that leads.
        """
        row: EventRow = row_of(
            event,
            event.text or encode(event.body),
            micros(event.received_at),
            self.lease if keep else "",
            in_order=in_order,
        )
        return await self._write(self._backend.receive, row)

    async def unevaluated(self, *, after_seq: int = 0, limit: int = 500) -> list[Event]:
        """Return events of this node that are due to be evaluated, in order of arrival."""
        return await self._read(
            events.unevaluated, lease=self.lease, now=self._clock.now(), after_seq=after_seq, limit=limit
        )

    async def next_event_due(self) -> datetime | None:
        """Return when this node's first event that waits for evaluation is due, None where none waits."""
        return await self._read(events.next_due, self.lease)

    async def adopt(self, limit: int) -> int:
        """Put up to `limit` due events that no node has in this one's name; returns how many. On SQLite, none."""
        if not self.is_shared:
            return 0
        wish = nodes.Adoption(lease=self.lease, limit=limit, now=self._now(), leads=self.leads)
        return await self._write(nodes.adopt, wish)

    async def hand_over(self, event: Event) -> None:
        """Leave an event of this node's to the one that leads, which evaluates it in order of arrival."""
        await self._write(nodes.hand_over, (event.seq, self.lease))

    async def record(self, evaluation: Evaluation) -> Recorded:
        """Write all that an evaluation leaves behind and mark its event evaluated, in one transaction.

        Nothing is written where a policy's state is not the one it went by, or another node has the event by now. An
        event that was already evaluated stays as it is.
        """
        return await self._write(events.record, (events.evaluation_rows(evaluation), self.lease))

    async def mark_evaluated(self, led_to_nothing: Sequence[Event], evaluated_at: datetime) -> None:
        """Note that events led to nothing, all as one operation: the engine's path for events that no rule looks at."""
        at = micros(evaluated_at)
        await self._write(self._mark_all, [(at, event.seq) for event in led_to_nothing])

    def _mark_all(self, connection: Connection, groups: Sequence[Sequence[tuple[int, int]]]) -> list[None]:
        self._backend.mark(connection, [row for group in groups for row in group], self.lease)
        return [None] * len(groups)

    async def postpone(self, event: Event, due_at: datetime, *, is_try: bool = True) -> None:
        """Put an evaluation off that could not be finished; counts as an attempt where it `is_try`."""
        await self._write(events.postpone, (event.seq, micros(due_at), int(is_try), self.lease))

    async def resume(self) -> int:
        """Make due now what was put off, so that it is read in order of arrival; returns how many events.

        For the daemon's start, and for the start of leading, where it concerns only what is evaluated in order: who
        stood before whom was known only to the one that was there before.
        """
        return await self._write(events.resume, (self._now(), self.is_shared))

    async def policy_state(self, workspace: str, rule: str, policy: Policy, key: str) -> str | None:
        """Return what a policy remembers for a key, None where that is nothing."""
        return await self._read(memory.state, workspace, rule, policy, key)

    async def policy_states(self, workspace: str, rule: str, policy: Policy, *, limit: int) -> list[tuple[str, str]]:
        """Return the last keys that a policy remembers something for, by their order, each with what it is."""
        return await self._read(memory.states, workspace, rule, policy, limit)

    async def forget_states(self, *, before: datetime, limit: int = 500) -> int:
        """Remove what policies remember that expired before a moment; returns how much.

        Call it again while it removes as much as `limit` allows.
        """
        return await self._write(memory.forget, (micros(before), limit))

    # What rules' windows count

    async def window_figures(self, span: WindowSpan) -> Figures:
        """Return what there is in a span of a window."""
        return await self._read(windows.figures, span)

    async def window_fills(self) -> frozenset[str]:
        """Return the windows that the stored past was read for."""
        return await self._read(windows.fills)

    async def fill_windows(self, entries: Sequence[WindowEntry], *, filled: Sequence[str] = ()) -> None:
        """Write what windows count of the stored past; with the last of it, note which are filled."""
        rows = [windows.entry_row(entry) for entry in entries]
        await self._write(windows.fill, windows.Filling(rows, tuple(filled), self._now()))

    async def drop_windows(self, gone: Sequence[str]) -> None:
        """Note that these windows count no more: once they do again, they are filled anew."""
        await self._write(windows.drop, tuple(gone))

    async def purge_windows(self, *, before: datetime, limit: int = 500) -> int:
        """Remove what windows counted before a moment; returns how much.

        Call it again while it removes as much as `limit` allows.
        """
        return await self._write(windows.purge, (micros(before), limit))

    # What waits for a policy's moment

    async def next_moment(self) -> datetime | None:
        """Return when the first held delivery or gathering is due, None where nothing waits."""
        return await self._read(held.next_moment)

    async def due_holds(self, limit: int) -> list[held.Held]:
        """Return held deliveries whose moment has come, the longest due first; none that wait in gatherings."""
        return await self._read(held.due, self._clock.now(), limit)

    async def due_gatherings(self, limit: int) -> list[held.Gathering]:
        """Return gatherings whose moment has come, the longest due first."""
        return await self._read(held.due_gatherings, self._clock.now(), limit)

    async def close_gatherings(self, gatherings: Sequence[held.Gathering]) -> None:
        """Let nobody join these any more: who comes now begins another."""
        await self._write(holds.close, [gathering.seq for gathering in gatherings])

    async def postpone_gathering(self, gathering: held.Gathering, until: datetime) -> None:
        """Let a gathering end later than it would; nothing where it was postponed or told meanwhile."""
        await self._write(holds.postpone, (gathering.seq, micros(gathering.due_at), micros(until)))

    async def members(self, gathering: held.Gathering, limit: int) -> tuple[int, list[held.Held]]:
        """Return how many messages a gathering has, and the first of them in order of arrival of their events."""
        return await self._read(held.members, gathering.seq, limit)

    async def move(
        self,
        waiting: held.Held,
        state: DeliveryState,
        *,
        detail: str = "",
        hold: Hold | None = None,
        silence: str = "",
        changes: Sequence[StateChange] = (),
        gathering: held.Gathering | None = None,
    ) -> bool:
        """Move a held delivery on: to be sent, suppressed, or held again by the next policy.

        `gathering` is the one that ends with it, where it is alone in there. False, and nothing written, where it was
        moved meanwhile, or `changes` go by what is not remembered any more.
        """
        now = self._clock.now()
        row = None if hold is None else holds.hold_again(waiting.delivery, hold, now)
        return await self._write(
            holds.move,
            holds.Move(
                delivery_id=waiting.delivery.id,
                from_due=micros(waiting.hold.until),
                now=micros(now),
                state=state,
                detail=detail,
                silence=silence,
                hold=row,
                changes=tuple(changes),
                gathering=None if gathering is None else gathering.seq,
            ),
        )

    async def tell(
        self, gathering: held.Gathering, new: NewDelivery | None, changes: Sequence[StateChange] = (), *, count: int
    ) -> bool:
        """Write the message that tells a gathering's `count` members, and end it; they become TOLD in it.

        Without a message where nobody is left in it. False, and nothing written, where it has ended meanwhile, has
        another number of members, or `changes` go by what is not remembered any more.
        """
        return await self._write(holds.tell, held.telling(gathering, new, tuple(changes), self._clock.now(), count))

    async def send_held(self, ids: Sequence[str], changes: Sequence[StateChange] = ()) -> list[str]:
        """Send held deliveries now, past what is still ahead of them; returns the ids of those that were held.

        `changes` are written as far as what they go by is still remembered.
        """
        order = holds.Release(ids=tuple(ids), now=self._now(), changes=tuple(changes))
        return await self._write(holds.send_now, order)

    async def told_events(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """Return the ids of the events that these messages list, by message."""
        return await self._read(held.told_events, ids)

    async def events_of_resource(self, workspace: str, resource_id: str) -> list[Event]:
        """Return the events about a resource, in order of arrival."""
        return await self._read(held.of_resource, workspace, resource_id)

    async def hold_of(self, delivery_id: str) -> Hold | None:
        """Return why a delivery waits and until when, None where it does not wait."""
        return await self._read(held.hold_of, delivery_id)

    async def waits_of(self, ids: Sequence[str]) -> dict[str, held.HeldBy]:
        """Return why deliveries wait, by their id; one that does not wait is missing."""
        return await self._read(held.waits_of, tuple(ids))

    async def waiting_of_rule(self, rule: str, *, workspace: str | None = None) -> dict[Policy, tuple[int, datetime]]:
        """Return how many messages of a rule wait by policy, and when the first of them goes on."""
        return await self._read(held.waiting_of_rule, rule, workspace)

    # Events, as lists

    async def events(
        self,
        *,
        state: EventState | None = None,
        rule: str | None = None,
        workspace: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Event]:
        """Return events, newest first. With `rule`: those for which the rule concluded something but "no match"."""
        return await self._read(events.listed, state=state, rule=rule, workspace=workspace, since=since, limit=limit)

    async def event(self, workspace: str | None, event_id: str) -> Event | None:
        """Return an event; where no workspace is named and several have one of that id, the newest."""
        return await self._read(events.found, workspace, event_id)

    async def events_named(self, event_id: str, *, workspace: str | None = None, limit: int = 10) -> list[Event]:
        """Return the events of that id, newest first; where there is none, those whose id begins with it, by id."""
        return await self._read(events.named, event_id, workspace=workspace, limit=limit)

    async def wait(self, event: Event) -> Wait | None:
        """Return what an event waits for before it is evaluated, None where it is evaluated."""
        return await self._read(events.wait_of, event.seq)

    async def snapshots(self, event: Event) -> list[Snapshot]:
        """Return what was fetched for an event, in order."""
        return await self._read(events.snapshots_of, event.seq)

    async def document(self, workspace: str, event_id: str, path: str) -> bytes | None:
        """Return a file that messages of an event carry, None where it is not kept (any more)."""
        return await self._read(documents.content_of, workspace, event_id, path)

    async def decisions(self, event: Event) -> list[Decision]:
        """Return what was concluded for an event, in the order of the rules; the messages are in `deliveries`."""
        return await self._read(traces.decisions_of, event.seq)

    async def decisions_of_rule(
        self, rule: str, since: datetime, *, workspace: str | None = None, limit: int | None = None
    ) -> list[tuple[str, datetime, Decision]]:
        """Return (event id, when it came, decision) for each time a rule was decided since then, newest first."""
        return await self._read(
            lambda connection: list(islice(traces.of_rule(connection, rule, since, workspace=workspace), limit))
        )

    async def events_with_messages(self, rule: str, since: datetime) -> set[str]:
        """Return the ids of the events for which a rule has made a message since then."""
        return await self._read(deliveries.events_with_messages, rule, since)

    # Looking back

    async def extent(self, selection: Selection) -> Extent:
        """Return how many events a selection has, and between which numbers they are."""
        return await self._read(history.extent, selection)

    async def past(
        self, selection: Selection, *, after: int, last: int, limit: int, with_decisions: bool = False
    ) -> list[Past]:
        """Return events of a selection with what is kept of each, in order of arrival: behind number `after`, up to
        number `last`; `with_decisions` also what was concluded for them."""
        return await self._read(
            history.page, selection, after=after, last=last, limit=limit, with_decisions=with_decisions
        )

    async def replay(
        self, event: Event, new: Sequence[NewDelivery], documents: Sequence[Document] = ()
    ) -> frozenset[str]:
        """Write, in one transaction, what a replay of an evaluated event adds; return the ids that were not there yet.

        Nothing is written where the event is gone, or still waits for its first evaluation.
        """
        return await self._write(history.replay, history.addition(event.seq, new, documents))

    # Deliveries

    async def add_delivery(self, new: NewDelivery) -> None:
        """Write a delivery that no evaluation made, such as a test message."""
        await self._write(deliveries.add, deliveries.delivery_row(new))

    async def claim(self, channel: str, *, limit: int, lease_s: float) -> list[Delivery]:
        """Take up to `limit` due deliveries of a channel for sending, the longest due first; counts the attempt.

        Each carries a lease that nobody else has. After `lease_s` without `settle` or `release` it is due again.
        """
        now = self._now()
        claim = deliveries.Claim(
            channel=channel, limit=limit, now=now, until=now + int(lease_s * 1_000_000), lease=secrets.token_hex(8)
        )
        return [deliveries.as_delivery(row) for row in await self._write(deliveries.claim, claim)]

    async def settle(self, settlement: Settlement) -> bool:
        """Write how an attempt ended, its parts and failures; False, and nothing written, where its lease is lost."""
        return await self._write(deliveries.settle, deliveries.settlement_rows(settlement))

    async def renew(self, delivery: Delivery, *, lease_s: float) -> bool:
        """Make a claim's lease last `lease_s` from now; False where it was lost. One that ran out unnoticed counts."""
        until = self._now() + int(lease_s * 1_000_000)
        return await self._write(deliveries.renew, (delivery.id, delivery.lease, until))

    async def release(self, delivery: Delivery) -> bool:
        """Give a claim back that was not used: due as before, the attempt not counted. False if the lease was lost."""
        return await self._write(deliveries.release, (delivery.id, delivery.lease))

    async def next_due(self, channel: str) -> datetime | None:
        """Return when the channel's first waiting delivery is due, None where none waits."""
        return await self._read(deliveries.next_due, channel)

    async def next_claim(self, channel: str) -> datetime | None:
        """Return when the channel's first delivery may be claimed: `next_due`, or the end of a lease not renewed."""
        return await self._read(deliveries.next_claim, channel)

    async def void_claims(self) -> int:
        """Make every claimed delivery due now, its attempt counted; returns how many. For the daemon's start."""
        return await self._write(deliveries.void_claims, self._now())

    async def hasten(self) -> int:
        """Make due now what a clock ahead of the present one has written; returns how much. For the daemon's start."""
        return await self._write(clockback.hasten, self._now())

    async def bury_orphans(self, channels: Iterable[str]) -> int:
        """Make dead letters of what waits for any other channel than these, to be told of; return how many."""
        return await self._write(orphans.bury, orphans.Burial(frozenset(channels), self._now()))

    async def retry(
        self,
        ids: Sequence[str] | None = None,
        *,
        dead: bool = False,
        rule: str | None = None,
        channel: str | None = None,
    ) -> list[str]:
        """Make dead letters due now, those of `ids` or with `dead` all; returns the ids of those it found dead.

        The time until giving up counts from now: `created_at` is set anew.
        """
        if ids is None and not dead:
            return []
        order = deliveries.Order(ids=None if ids is None else tuple(ids), rule=rule, channel=channel, now=self._now())
        return await self._write(deliveries.retry, order)

    async def discard(self, ids: Sequence[str]) -> list[str]:
        """Give deliveries up that wait or are dead; returns the ids of those it did so with."""
        order = deliveries.Order(ids=tuple(ids), rule=None, channel=None, now=self._now())
        return await self._write(deliveries.discard, order)

    async def deliveries(
        self,
        *,
        state: DeliveryState | None = None,
        rule: str | None = None,
        channel: str | None = None,
        workspace: str | None = None,
        event_id: str | None = None,
        silence: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Delivery]:
        """Return deliveries, newest first; `silence` is the id of the one that held them back."""
        equal = {"rule": rule, "channel": channel, "workspace": workspace, "event_id": event_id, "silence": silence}
        return await self._read(deliveries.listed, state=state, since=since, limit=limit, equal=equal)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """Return a delivery."""
        return await self._read(deliveries.found, delivery_id)

    async def deliveries_named(self, ids: Sequence[str]) -> list[Delivery]:
        """Return the deliveries of these ids, as far as there are any."""
        return await self._read(deliveries.named, tuple(ids))

    async def told_of_rule(self, rule: str, since: datetime, *, workspace: str | None = None) -> tuple[int, int]:
        """Return how many messages of a rule, made since then, were told in others, and in how many."""
        return await self._read(deliveries.told_of_rule, rule, since, workspace)

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        """Return a delivery's tries, first to last."""
        return await self._read(deliveries.attempts_of, delivery_id)

    async def tries(self, event: Event) -> list[Attempt]:
        """Return the tries of all deliveries of an event, each delivery's first to last."""
        return await self._read(deliveries.tries_of, event.workspace, event.id)

    # Silences

    async def add_silence(self, silence: Silence) -> bool:
        """Write a silence, in force when this returns; False, and nothing written, where its id is taken."""
        try:
            return await self._write(silences.add, silences.silence_row(silence))
        finally:
            self._standing.forget()

    async def expire_silence(self, silence_id: str, at: datetime) -> Expired | None:
        """End a silence and make due what it holds; None where there is no such one, or it has ended before."""
        try:
            return await self._write(silences.expire, (silence_id, micros(at)))
        finally:
            self._standing.forget()

    async def active_silences(self, now: datetime) -> tuple[Silence, ...]:
        """Return the silences in force, from memory: what this store wrote at once, what others wrote within a second.

        For every message that is decided on; `now` is the present moment.
        """
        return await self._standing.at(now)

    async def _silences_not_over(self, now: datetime) -> tuple[Silence, ...]:
        return await self._read(silences.not_over, now)

    async def silences(self, *, active_at: datetime | None = None, limit: int = 10_000) -> list[Silence]:
        """Return silences, those that end last first; with a moment only those in force then."""
        return await self._read(silences.listed, active_at=active_at, limit=limit)

    async def silence(self, silence_id: str) -> Silence | None:
        """Return a silence."""
        return await self._read(silences.found, silence_id)

    async def held_back(self, silence_ids: Sequence[str]) -> dict[str, HeldBack]:
        """Return how many messages each silence has held back so far; one that met none is missing."""
        return await self._read(silences.held_back, tuple(silence_ids))

    # Failures

    async def untold_failures(self, limit: int = 100) -> list[Failure]:
        """Return failures that nobody was told of yet, oldest first."""
        return await self._read(failures.untold, limit)

    async def told(self, told: Sequence[Failure], notices: Sequence[NewDelivery] = ()) -> None:
        """Note that failures were told of, and write the messages that tell them, in one transaction."""
        notice = failures.Notice(
            seqs=[failure.seq for failure in told],
            at=self._now(),
            deliveries=[deliveries.delivery_row(new) for new in notices],
        )
        await self._write(failures.tell, notice)

    async def last_told_at(self) -> datetime | None:
        """Return when somebody was last told of a failure."""
        return await self._read(failures.last_told_at)

    # What is due by the clock

    async def schedules(self) -> list[Schedule]:
        """Return what is kept of every job, the earliest first."""
        return await self._read(schedules.listed)

    async def realign_schedules(self, wish: Realignment) -> None:
        """Add, change and remove schedules, each only where it is still as it was read."""
        await self._write(schedules.realign, wish)

    async def put_off_schedule(self, before: Schedule, after: Schedule) -> bool:
        """Note when a job is tried again; False, and nothing written, where its row is not `before` any more."""
        return await self._write(schedules.put_off, (before, after))

    async def complete_schedule(self, before: Schedule, after: Schedule | None, made: Made) -> bool:
        """Write what a job made and when it is due next (None: never), in one transaction.

        False, and nothing written, where its row is not `before` any more, or what it remembers by is not: another node
        was faster, or it changed.
        """
        completion = schedules.Completion(
            before=before,
            after=after,
            deliveries=[deliveries.delivery_row(new) for new in made.deliveries],
            failures=[failures.failure_row(failure) for failure in made.failures],
            holds=[holds.hold_row(new, new.hold) for new in made.deliveries if new.hold is not None],
            changes=made.changes,
            at=self._now(),
        )
        return await self._write(schedules.complete, completion)

    async def open_items(self, workspace: str, since: datetime) -> OpenItems:
        """Return what is not done with in a workspace; of wire transfers, those that began to wait since then."""
        return await self._read(openings.of_workspace, workspace, since)

    # The last good versions of rule files

    async def kept_files(self, node: str) -> list[KeptFile]:
        """Return what a node has kept; `node` is empty where the store serves one."""
        return await self._read(rulefiles.of_node, node)

    async def files_kept_elsewhere(self, node: str) -> list[KeptFile]:
        """Return the newest that other nodes have kept of files of which this one has nothing."""
        return await self._read(rulefiles.elsewhere, node)

    async def keep_files(
        self, node: str, files: Sequence[KeptFile], *, gone: Sequence[str], told: Sequence[tuple[str, str, Failure]]
    ) -> None:
        """Write a node's files, remove those that are gone, and write the failures that tell of a breakage.

        Each failure comes with the path and the breakage; it is left out where another node has told of the same.
        """
        # Beside the loop: of many rules the texts are megabytes to compress.
        keeping = await asyncio.to_thread(rulefiles.keeping, node, self._now(), files, gone, told)
        await self._write(rulefiles.keep, keeping)

    # The nodes on a store that several share

    async def beat(self, node: Node, *, lease_s: float, may_lead: bool) -> nodes.Pulse:
        """Renew this node's lease for `lease_s`, free what dead nodes held, take or keep the lead."""
        began_s = self._clock.monotonic()
        now = self._now()
        pulse = await self._write(
            nodes.beat,
            nodes.Beat(
                lease=self.lease,
                name=node.name,
                version=node.version,
                role=node.role,
                rules=node.rules,
                started_at=micros(node.started_at),
                now=now,
                until=now + int(lease_s * 1_000_000),
                may_lead=may_lead,
            ),
        )
        # Counted from before the question: the lead is never believed in for longer than the store grants it.
        self._leads_until_s = began_s + lease_s if pulse.leads else 0.0
        return pulse

    async def leave(self) -> None:
        """Give back what this node holds, so that the others need not wait until its lease is over."""
        self._leads_until_s = 0.0
        await self._write(nodes.leave, self.lease)

    async def listen(self, on_hint: Callable[[], None]) -> None:
        """Call back on this loop whenever another node hints at events that nobody has, until cancelled."""
        await self._backend.listen(on_hint)

    async def nodes(self) -> list[Node]:
        """Return the nodes of the last day, the living first."""
        return await self._read(nodes.listed)

    async def reserve(
        self, channel: str, *, slots: int, interval_s: float, early_s: float, horizon_s: float
    ) -> Portion:
        """Reserve moments of a channel's pace for this node, `interval_s` apart; none where they are too far ahead.

        See `paces.Reservation`.
        """
        wish = paces.Reservation(
            channel=channel,
            slots=slots,
            interval_us=math.ceil(interval_s * 1_000_000),
            early_us=int(early_s * 1_000_000),
            horizon_us=int(horizon_s * 1_000_000),
            clock=self._clock,
            moment=self._backend.moment,
        )
        return await self._share(wish)

    async def draw(
        self, workspace: str, want: int, told: QuotaTold | None = None, *, untold: bool = False
    ) -> QuotaGrant:
        """Draw up to `want` calls of the bank's quota for this node, and tell what the bank has told it.

        `untold`: a trial that this node was granted is over, and nothing was told.
        """
        wish = quotas.Wish(want=want, told=told, untold=untold)
        return await self._share(quotas.Draw(workspace=workspace, wish=wish, now=self._now()))

    async def moment(self) -> datetime:
        """Return the database's own clock; where there is none beside ours, ours."""
        return await self._read(self._backend.moment) or self._clock.now()

    # The store itself

    async def counts(self) -> Counts:
        """Return how much there is of everything."""
        return await self._read(numbers.counts)

    async def waiting(self, channels: Sequence[str]) -> Waiting:
        """Return what waits, events and these channels' deliveries; cheap also where the history is long."""
        return await self._read(numbers.waiting, channels)

    async def channel_stats(self) -> dict[str, ChannelNumbers]:
        """Return the numbers of each channel that ever had a delivery."""
        return await self._read(numbers.channels)

    async def seen(self, since: datetime | None) -> Seen:
        """Return which event types came since then, or ever, which rules spoke and which channels delivered."""
        return await self._read(numbers.seen, since)

    async def purge(self, *, before: datetime, limit: int = 200) -> int:
        """Remove events received before a moment that are done with, and what hangs on them; returns how many.

        Call it again while it removes as many as `limit` allows.
        """
        removed = await self._write(retention.purge, (micros(before), limit))
        if self._metrics is not None:
            self._metrics.purged.inc(removed)
        return removed

    async def release_documents(self, *, limit: int = 200) -> int:
        """Remove the files of events none of whose messages may still be sent; returns how many events had some.

        Call it again while it removes as many as `limit` allows.
        """
        return await self._write(documents.release, limit)

    async def check_writable(self) -> None:
        """Write one row to stable storage.

        Raises:
            StoreUnavailable: that does not work now.
            StoreUnusable: the file is not the one that was opened; what is written now would be lost.
        """
        await self._write(_probe, self._now())
        self._backend.still_there()

    def space(self) -> Space | None:
        """Return the bytes the store takes and the bytes left on its disk, None where the database is elsewhere."""
        return self._backend.space()


def _probe(connection: Connection, moments: Sequence[int]) -> list[None]:
    connection.execute(_PROBE, {"id": 1, "at": moments[-1]})
    return [None] * len(moments)
