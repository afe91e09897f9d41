"""What the bank gives for one event: its resource, its rules' look-ups, its proof, each path asked once.

In: an event and its workspace's client. Out: a Given per question, with a note where the bank gave nothing, and the
snapshots and documents for the store. Where the bank may still give it later, PutOff says how long to wait. `evaluate`
and the preview call; nothing is kept beyond the event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from random import Random
from typing import Final, Protocol, TypeVar

from memonotify.catalogue import resource_path
from memonotify.config.values import Retry
from memonotify.engine.asks import Given, Lookup
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.hold import Hold
from memonotify.errors import FetchError, Reason
from memonotify.logs import logger
from memonotify.model import Clock, Document, Event, Snapshot
from memonotify.policies.waits import wait_s

T = TypeVar("T", Snapshot, Document)

MISSING_TRIES: Final = 3
"""How often a resource that the bank does not know is asked for: it may not be there yet, or gone for good."""

LEAST_TRIES: Final = 8
"""An event that is already old when it is first evaluated (the daemon was off) still gets this many tries: minutes."""


RESOURCE_NAME: Final = "the resource"
PROOF_NAME: Final = "the proof"


def lookup_name(lookup: Lookup) -> str:
    """Return what a sentence calls a look-up."""
    return f"the look-up {lookup.name}"


def pathless(event: Event) -> str:
    """Return the note of a resource that cannot be asked for."""
    return f"no path is known for a resource of type {event.resource_type}"


def unasked(what: str, event: Event) -> str:
    """Return the note of what was not asked for, as there is nobody to ask."""
    return f"{what} was not asked for: workspace {event.workspace} has no api"


def absence(what: str, path: str, reason: Reason) -> str:
    """Return the note of what the bank did not give."""
    if reason is not Reason.NOT_FOUND:
        return f"the bank did not give {what}: {reason}"
    has_no = "the bank has no proof of it" if what == PROOF_NAME else "the bank has no such resource any more"
    return f"{has_no}: {path}"


class Bank(Protocol):
    """What is used of the bank's client."""

    async def fetch(self, path: str) -> Snapshot: ...
    async def document(self, path: str) -> Document: ...


class PutOff(Exception):  # noqa: N818 - a state, not a mistake
    """The event cannot be evaluated now; come again after `wait_s` seconds. `was_asked`: the bank was, and failed.

    `is_behind`: only an earlier event is put off, so that this one has not had a try.
    """

    def __init__(self, wait_s: float, reason: Reason, *, was_asked: bool, is_behind: bool = False) -> None:
        super().__init__(f"{reason}, come again in {wait_s:.1f} s")
        self.wait_s = wait_s
        self.reason = reason
        self.was_asked = was_asked
        self.is_behind = is_behind


class _HeldError(FetchError):
    """The bank was not asked; `retry_after_s` is when it is worth asking."""


class Inquiry:
    """The questions of one event. `bank` is None where its workspace has no API settings; not for concurrent use.

    Without a `hold` (in a preview) nothing is put off: what the bank does not give at once is not there.
    """

    def __init__(
        self,
        event: Event,
        bank: Bank | None,
        *,
        resource_types: Mapping[str, str],
        retry: Retry,
        clock: Clock,
        random: Random,
        hold: Hold | None = None,
    ) -> None:
        self._event = event
        self._bank = bank
        self._resource_types = resource_types
        self._retry = retry
        self._clock = clock
        self._random = random
        self._hold = hold
        self._given: dict[str, Given] = {}
        # Apart from the look-ups: one of the same path would have asked for JSON.
        self._proofs: dict[str, Given] = {}
        self._snapshots: list[Snapshot] = []
        self._documents: list[Document] = []

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What was asked and answered, in order."""
        return tuple(self._snapshots)

    @property
    def documents(self) -> tuple[Document, ...]:
        """The files that the bank gave, in order."""
        return tuple(self._documents)

    async def resource(self) -> Given:
        """Return the event's resource; None, with a note, where there is none to have.

        Raises:
            PutOff: the bank may give it later.
        """
        event = self._event
        path = resource_path(event.resource_type, event.resource_id, self._resource_types)
        if path is None:
            return Given(value=None, note=pathless(event))
        return await self._ask(path, RESOURCE_NAME)

    async def look_up(self, lookup: Lookup) -> Given:
        """Return what a look-up brings.

        Raises:
            PutOff: the bank may give it later.
        """
        return await self._ask(lookup.path, lookup_name(lookup))

    async def proof(self, proof: Proof) -> Given:
        """Return that there is a proof, whose bytes are among the `documents`; None, with a note, where there is none.

        Raises:
            PutOff: the bank may give it later.
        """
        if proof.path not in self._proofs:
            self._proofs[proof.path] = await self._fetch_proof(proof.path)
        return self._proofs[proof.path]

    async def _ask(self, path: str, what: str) -> Given:
        if path not in self._given:
            self._given[path] = await self._fetch(path, what)
        return self._given[path]

    async def _fetch(self, path: str, what: str) -> Given:
        if self._bank is None:
            return self._unasked(what)
        try:
            snapshot = await self._call(self._bank.fetch, path)
        except FetchError as error:
            return self._without(path, what, error)
        self._snapshots.append(snapshot)
        return Given(value=snapshot.body)

    async def _fetch_proof(self, path: str) -> Given:
        if self._bank is None:
            return self._unasked(PROOF_NAME)
        try:
            document = await self._call(self._bank.document, path)
        except FetchError as error:
            return self._without(path, PROOF_NAME, error)
        size = len(document.content)
        self._documents.append(document)
        self._snapshots.append(
            Snapshot(path=path, fetched_at=document.fetched_at, status=200, body={"type": "pdf", "size": size})
        )
        return Given(value=Enclosure(size=size))

    def _unasked(self, what: str) -> Given:
        return Given(value=None, note=unasked(what, self._event))

    async def _call(self, ask: Callable[[str], Awaitable[T]], path: str) -> T:
        hold = self._hold
        if hold is None:
            return await ask(path)
        held_s = hold.wait_s()
        if held_s is not None:
            raise _HeldError(hold.reason, "the bank is not asked while it is away", retry_after_s=held_s)
        try:
            answer = await ask(path)
        except FetchError as error:
            hold.failed(error)
            raise
        except BaseException:
            hold.abandoned()
            raise
        hold.answered()
        return answer

    def _without(self, path: str, what: str, error: FetchError) -> Given:
        """Put the event off where that may help; otherwise go on with nothing and say so."""
        if self._hold is not None and (patience_s := self._patience_s(error)) is not None:
            raise PutOff(patience_s, error.reason, was_asked=not isinstance(error, _HeldError)) from error
        if error.reason is not Reason.NOT_FOUND:
            logger().warning(
                "bank_gave_nothing",
                workspace=self._event.workspace,
                event_id=self._event.id,
                path=path,
                reason=str(error.reason),
                detail=error.detail,
            )
        self._snapshots.append(
            Snapshot(path=path, fetched_at=self._clock.now(), status=error.status, body=None, reason=error.reason)
        )
        return Given(value=None, note=absence(what, path, error.reason))

    def _patience_s(self, error: FetchError) -> float | None:
        """For how long to wait before the next try, or None where there is none."""
        tries = self._event.attempts + 1
        if error.reason is Reason.NOT_FOUND:
            if tries >= MISSING_TRIES:
                return None
            return wait_s(1, self._retry, self._random)
        if not error.is_retried:
            return None
        left_s = self._retry.give_up_after_s - self._age_s()
        if left_s <= 0 and tries >= LEAST_TRIES:
            return None
        patience_s = error.retry_after_s or 0.0
        if not isinstance(error, _HeldError):
            patience_s = wait_s(tries, self._retry, self._random, floor_s=patience_s)
        # The last try falls on the moment of giving up, not somewhere behind it.
        return min(patience_s, left_s) if left_s > 0 else patience_s

    def _age_s(self) -> float:
        return (self._clock.now() - self._event.received_at) / timedelta(seconds=1)
