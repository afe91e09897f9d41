"""Small parts for the engine's tests: events, rules made of functions in place of templates, a store and a bank."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace

from fakes import ManualClock

from memonotify.errors import FetchError, Reason, RenderError, StoreUnavailable
from memonotify.model import Document, Event, Falsehood, Recorded, Snapshot
from memonotify.rules.match import Match
from memonotify.rules.values import Entry, Rule


@dataclass
class Fn:
    """Stands for a compiled expression, text or message: a function of the context, and the names it reads."""

    run: object
    names: frozenset = frozenset()
    source: str = "source"
    analysis: object = field(default_factory=lambda: SimpleNamespace(paths=frozenset()))

    def _call(self, context):
        try:
            return self.run(context) if callable(self.run) else self.run
        except KeyError as error:
            raise RenderError(f"{error} is missing") from error

    evaluate = render = _call

    def plain(self, context, *, error, rule):
        said = {"rule": rule, "event": context["event"]["id"], "error": error}
        return {"json": said, "text": str(said)}

    def holds(self, context):
        return bool(self._call(context))

    def first_false(self, context):
        return Falsehood(condition=self.source)


def fn(run, *names):
    return Fn(run, frozenset(names))


def entry(index=0, channel="log", when=None, message=None, type_="http", attach=()):
    message = message or fn({"json": "hello"})
    return Entry(index=index, channel=channel, channel_type=type_, when=when, message=message, attach=tuple(attach))


def proven(index=0, *, message=None, **more):
    """Return an entry for a mail that carries the proof."""
    return entry(index, "mail", message=message or fn({"text": "paid"}), type_="email", attach=("proof",), **more)


def rule(
    name="r",
    *,
    notify=None,
    resolved=(),
    when=None,
    lookups=None,
    key=None,
    hysteresis=None,
    needs_resource=False,
    match=None,
):
    return Rule(
        name=name,
        description="",
        file="rules.yaml",
        line=1,
        match=match or Match(),
        when=when,
        lookups=lookups or {},
        notify=tuple(notify if notify is not None else (entry(),)),
        resolved=tuple(resolved),
        on_change=key is not None,
        key=key,
        hysteresis=hysteresis,
        needs_resource=needs_resource,
        digest="",
    )


def event(
    seq=1, *, type_="transaction_confirmed", resource_type="transaction", attempts=0, workspace="acme", age_s=0.0
):
    body = {
        "id": f"evt-{seq}",
        "date": "2026-03-02T09:00:00+00:00",
        "event_type": type_,
        "resource_type": resource_type,
        "resource_id": f"res-{seq}",
    }
    return Event(
        workspace=workspace,
        body=body,
        received_at=ManualClock().now() - timedelta(seconds=age_s),
        seq=seq,
        attempts=attempts,
        **body,
    )


class Pauses:
    """Stands for waiting: a pause ends when the test has moved the clock far enough."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = []
        self._waiting = []

    async def __call__(self, seconds):
        self.asked.append(seconds)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((self.clock.monotonic() + seconds, future))
        await future

    async def advance(self, seconds):
        self.clock.advance(seconds)
        for due, future in self._waiting:
            if due <= self.clock.monotonic() + 1e-9 and not future.done():
                future.set_result(None)
        self._waiting = [(due, future) for due, future in self._waiting if not future.done()]
        await settled()


async def settled(turns=50):
    """Let everything that can go on go on."""
    for _ in range(turns):
        await asyncio.sleep(0)


class FakeStore:
    """The engine's side of the store, in lists. Hooks inject what a test needs."""

    def __init__(self, clock):
        self.clock = clock
        self.open = {}
        self.recorded = []
        self.marked = []
        self.postponed = []
        self.handed_over = []
        self.states = {}
        self.silences = ()
        self.reads = 0
        self.before_record = None
        self.unavailable = 0

    def add(self, *events):
        for item in events:
            self.open[item.seq] = (item, item.received_at)

    async def unevaluated(self, *, after_seq=0, limit=500):
        self.reads += 1
        await asyncio.sleep(0)
        now = self.clock.now()
        due = [item for seq, (item, due_at) in sorted(self.open.items()) if seq > after_seq and due_at <= now]
        return due[:limit]

    async def next_event_due(self):
        await asyncio.sleep(0)
        return min((due_at for _, due_at in self.open.values()), default=None)

    async def policy_state(self, workspace, rule, policy, key):
        await asyncio.sleep(0)
        return self.states.get((workspace, rule, policy, key))

    async def active_silences(self, _at):
        return self.silences

    async def record(self, evaluation):
        self._fail()
        if self.before_record is not None:
            await self.before_record(evaluation)
        await asyncio.sleep(0)
        changes = [change for decision in evaluation.decisions for change in decision.changes]
        if any(self.states.get((c.workspace, c.rule, c.policy, c.key)) != c.old for c in changes):
            return Recorded.CHANGED
        self.states.update({(c.workspace, c.rule, c.policy, c.key): c.new for c in changes})
        self.open.pop(evaluation.event.seq, None)
        self.recorded.append(evaluation)
        return Recorded.WRITTEN

    async def adopt(self, _limit):
        return 0

    async def hand_over(self, item):
        self.handed_over.append(item.seq)
        self.open.pop(item.seq, None)

    async def mark_evaluated(self, events, evaluated_at):
        self._fail()
        await asyncio.sleep(0)
        self.marked.append([item.seq for item in events])
        for item in events:
            self.open.pop(item.seq, None)

    async def postpone(self, item, due_at, *, is_try=True):
        self._fail()
        await asyncio.sleep(0)
        self.postponed.append((item.seq, due_at))
        if item.seq in self.open:
            self.open[item.seq] = (replace(item, attempts=item.attempts + is_try), due_at)

    def _fail(self):
        if self.unavailable:
            self.unavailable -= 1
            raise StoreUnavailable("the disk is full")


class FakeBank:
    """A bank with answers by path: data, a document's bytes, or an error; calls wait while `gate` is not set."""

    def __init__(self, clock):
        self.clock = clock
        self.answers = {}
        self.asked = []
        self.gate = None

    async def fetch(self, path):
        body = await self._answer(path)
        return Snapshot(path=path, fetched_at=self.clock.now(), status=200, body=body)

    async def document(self, path):
        content = await self._answer(path)
        return Document(path=path, fetched_at=self.clock.now(), content=content)

    async def _answer(self, path):
        self.asked.append(path)
        if self.gate is not None:
            await self.gate.wait()
        answer = self.answers.get(path, FetchError(Reason.NOT_FOUND, status=404))
        if callable(answer):
            answer = answer()
        if isinstance(answer, BaseException):
            raise answer
        return answer
