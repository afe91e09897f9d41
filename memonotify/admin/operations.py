"""What a person can ask of a memonotify, as plain JSON data.

The admin listener and the control socket call it in the daemon; the commands call it on the store itself where no
daemon runs. So both answer the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from memonotify import __version__
from memonotify.admin.explaining import Records as Stories
from memonotify.admin.explaining import explain_event, explain_rule
from memonotify.admin.known import Known
from memonotify.admin.messages import wait_json
from memonotify.admin.records import attempt_json, delivery_json, event_json
from memonotify.admin.records import moment_text as _moment
from memonotify.admin.replaying import page_json
from memonotify.admin.silences import SilenceOrder, demand_names, new_silence, silence_json
from memonotify.errors import ControlError, StoreError
from memonotify.holding import Policy, StateChange
from memonotify.model import Attempt, Clock, Delivery, DeliveryState, Event, EventState, HeldBack, Node, Silence
from memonotify.past import ReplayOrder, ReplayPage
from memonotify.policies.once import gone_on
from memonotify.store.numbers import ChannelNumbers, Counts, Seen, Space
from memonotify.store.silences import Expired

_MOST_AT_ONCE: Final = 100_000
Json = dict[str, Any]
_State = TypeVar("_State", EventState, DeliveryState)


class Records(Stories, Protocol):
    """What is used of the store, beside what an explanation asks."""

    async def events(
        self,
        *,
        state: EventState | None = None,
        rule: str | None = None,
        workspace: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[Event]: ...
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
    ) -> list[Delivery]: ...
    async def delivery(self, delivery_id: str, /) -> Delivery | None: ...
    async def attempts(self, delivery_id: str, /) -> list[Attempt]: ...
    async def retry(
        self,
        ids: Sequence[str] | None,
        /,
        *,
        dead: bool = False,
        rule: str | None = None,
        channel: str | None = None,
    ) -> list[str]: ...
    async def discard(self, ids: Sequence[str], /) -> list[str]: ...
    async def send_held(self, ids: Sequence[str], changes: Sequence[StateChange] = (), /) -> list[str]: ...
    async def policy_state(self, workspace: str, rule: str, policy: Policy, key: str, /) -> str | None: ...
    async def next_moment(self) -> datetime | None: ...
    async def silences(self, *, active_at: datetime | None = None) -> list[Silence]: ...
    async def held_back(self, silence_ids: Sequence[str], /) -> dict[str, HeldBack]: ...
    async def add_silence(self, silence: Silence, /) -> bool: ...
    async def expire_silence(self, silence_id: str, at: datetime, /) -> Expired | None: ...
    async def counts(self) -> Counts: ...
    async def channel_stats(self) -> dict[str, ChannelNumbers]: ...
    async def check_writable(self) -> None: ...
    async def nodes(self) -> list[Node]: ...
    async def seen(self, since: datetime | None) -> Seen: ...
    def space(self) -> Space | None: ...


class Replays(Protocol):
    """Who evaluates stored events again."""

    async def replay(self, order: ReplayOrder) -> ReplayPage: ...


class Daemon(Protocol):
    """What only the running daemon knows; None stands in its place where no daemon runs."""

    def wake(self, channels: Sequence[str]) -> None: ...
    def describe(self) -> Json: ...
    def breakers(self) -> Mapping[str, str]: ...
    def node(self) -> Node: ...
    def known(self) -> Known: ...
    async def reload(self) -> Reloaded: ...


class Reloaded(Protocol):
    """What a reload did."""

    @property
    def summary(self) -> str: ...
    def json(self) -> Json: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What narrows a list; None means everything. `limit` is the most that is returned, newest first."""

    state: str | None = None
    rule: str | None = None
    channel: str | None = None
    workspace: str | None = None
    event_id: str | None = None
    silence: str | None = None
    since: datetime | None = None
    limit: int = 50


class Operations:
    """Lists and changes, on one store. `channels` maps a channel's name to its type."""

    def __init__(
        self,
        store: Records,
        *,
        channels: Mapping[str, str],
        clock: Clock,
        daemon: Daemon | None,
        replays: Replays | None = None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.store = self._store = store
        self._replays = replays
        self._channels = channels
        self._clock = clock
        self._daemon = daemon
        self._random_bytes = random_bytes

    async def events(self, filters: Filters) -> list[Json]:
        """Return events, newest first."""
        found = await self._store.events(
            state=_state(EventState, filters.state),
            rule=filters.rule,
            workspace=filters.workspace,
            since=filters.since,
            limit=filters.limit,
        )
        return [event_json(event) for event in found]

    async def deliveries(self, filters: Filters) -> list[Json]:
        """Return deliveries, newest first."""
        found = await self._store.deliveries(
            state=_state(DeliveryState, filters.state),
            rule=filters.rule,
            channel=filters.channel,
            event_id=filters.event_id,
            silence=filters.silence,
            since=filters.since,
            limit=filters.limit,
        )
        waits = await self._store.waits_of([one.id for one in found if one.state is DeliveryState.HELD])
        return [delivery_json(one) | {"waits": wait_json(waits[one.id]) if one.id in waits else None} for one in found]

    async def delivery(self, delivery_id: str) -> Json | None:
        """Return one delivery with its message and every attempt, or None."""
        found = await self._store.delivery(delivery_id)
        if found is None:
            return None
        attempts = await self._store.attempts(delivery_id)
        held = (await self._store.waits_of([delivery_id])).get(delivery_id)
        return delivery_json(found) | {
            "waits": None if held is None else wait_json(held),
            "payload": dict(found.payload),
            "tries": [attempt_json(attempt) for attempt in attempts],
        }

    async def retry(self, ids: Sequence[str], *, dead: bool, rule: str | None, channel: str | None) -> list[str]:
        """Send dead letters again: those named, or all (of a rule, of a channel). Return their ids."""
        changed = await self._store.retry(ids or None, dead=dead, rule=rule, channel=channel)
        if self._daemon is not None and changed:
            self._daemon.wake(list(self._channels))
        return changed

    async def discard(self, ids: Sequence[str], *, dead: bool, rule: str | None, channel: str | None) -> list[str]:
        """Give up dead letters: those named, or all (of a rule, of a channel). Return their ids."""
        chosen = await self._dead(rule, channel) if dead else list(ids)
        return await self._store.discard(chosen) if chosen else []

    async def release(self, ids: Sequence[str], *, held: bool, rule: str | None, channel: str | None) -> list[str]:
        """Send what waits at once, past the policies ahead: those named, or all (of a rule, of a channel).

        All does not mean escalations: those are not late, and are sent by their ids alone. Return the ids.
        """
        chosen = await self._held(rule, channel) if held else list(ids)
        changed = await self._store.send_held(chosen, await self._waits_ended(chosen)) if chosen else []
        if self._daemon is not None and changed:
            self._daemon.wake(list(self._channels))
        return changed

    async def _held(self, rule: str | None, channel: str | None) -> list[str]:
        found = await self._store.deliveries(state=DeliveryState.HELD, rule=rule, channel=channel, limit=_MOST_AT_ONCE)
        waits = await self._store.waits_of([delivery.id for delivery in found])
        return [name for name, held in waits.items() if held.hold.policy is not Policy.ESCALATE]

    async def _waits_ended(self, ids: Sequence[str]) -> list[StateChange]:
        """Return what `once` remembers from now on of those that it holds: they are told, and no better event is."""
        waits = await self._store.waits_of(ids)
        by_once = [name for name, held in waits.items() if held.hold.policy is Policy.ONCE]
        changes = {}
        for one in await self._store.deliveries_named(by_once):
            place = (one.workspace, one.rule, Policy.ONCE, waits[one.id].hold.key)
            remembered = await self._store.policy_state(*place)
            new = None if remembered is None else gone_on(remembered, is_told=True)
            if new is not None:
                workspace, rule, policy, key = place
                changes[place] = StateChange(
                    workspace=workspace,
                    rule=rule,
                    policy=policy,
                    key=key,
                    old=remembered,
                    new=new,
                    keeps_expiry=True,
                )
        return list(changes.values())

    async def replay(self, order: ReplayOrder) -> Json:
        """Evaluate a page of stored events again; say what is sent, and what stays and why."""
        if self._replays is None:
            raise ControlError("there are no rules here to replay with")
        return page_json(await self._replays.replay(order))

    async def _dead(self, rule: str | None, channel: str | None) -> list[str]:
        found = await self._store.deliveries(state=DeliveryState.DEAD, rule=rule, channel=channel, limit=_MOST_AT_ONCE)
        return [delivery.id for delivery in found]

    async def channels(self) -> list[Json]:
        """Return every configured channel with what it has to do and how it fares."""
        numbers = await self._store.channel_stats()
        breakers = self._daemon.breakers() if self._daemon is not None else {}
        return [
            {"name": name, "type": kind, "breaker": breakers.get(name, "unknown"), **_channel_json(numbers.get(name))}
            for name, kind in self._channels.items()
        ]

    async def silences(self, *, ended: bool) -> list[Json]:
        """Return the silences in force, those that end last first, and with `ended` behind them those that are over."""
        now = self._clock.now()
        return await self._silences_json(await self._store.silences(active_at=None if ended else now), now)

    async def add_silence(self, order: SilenceOrder, *, known: Known | None = None) -> Json:
        """Silence what an order names, from now on; return the silence, with `notes` on what is doubtful in it.

        `known` stands for what the daemon knows, where none runs.

        Raises:
            ValueError: its end lies in the past, or too far ahead.
            NotFound: there is no such rule, channel or workspace.
        """
        known = self._daemon.known() if self._daemon is not None else known or Known()
        notes = demand_names(order.matchers, self._channels, known)
        now = self._clock.now()
        while True:
            silence = new_silence(order, now=now, random_bytes=self._random_bytes)
            if await self._store.add_silence(silence):
                return {**silence_json(silence, HeldBack(), now=now), "notes": notes}

    async def expire_silences(self, ids: Sequence[str]) -> list[Json]:
        """End silences now, and send what they hold; return those that were in force. `due` counts what goes on."""
        now = self._clock.now()
        expired = [one for name in dict.fromkeys(ids) if (one := await self._store.expire_silence(name, now))]
        if self._daemon is not None and any(one.released for one in expired):
            self._daemon.wake(list(self._channels))
        rows = await self._silences_json([one.silence for one in expired], now)
        return [{**row, "due": one.released} for row, one in zip(rows, expired, strict=True)]

    async def _silences_json(self, silences: Sequence[Silence], now: datetime) -> list[Json]:
        counts = await self._store.held_back([silence.id for silence in silences])
        return [silence_json(silence, counts.get(silence.id, HeldBack()), now=now) for silence in silences]

    async def nodes(self) -> list[Json]:
        """Return the nodes on the store; on one that serves a single daemon, that one where it runs."""
        found = await self._store.nodes()
        now = self._clock.now()
        if not found and self._daemon is not None:
            return [node_json(self._daemon.node(), alive=True)]
        return [node_json(node, alive=node.lease_until > now) for node in found]

    async def seen(self, since: datetime | None) -> Json:
        """Return what the store has seen since then, or ever: event types with their counts, rules that spoke, channels
        that delivered."""
        found = await self._store.seen(since)
        return {
            "event_types": {
                name: {"resource_type": resource_type, "count": count}
                for name, resource_type, count in found.event_types
            },
            "rules": sorted(found.rules),
            "channels": sorted(found.channels),
        }

    async def why_event(
        self, event_id: str, *, workspace: str | None, rule: str | None, fetch: bool, known: Known | None = None
    ) -> Json:
        """Return why an event led to what it did. `known` stands for what the daemon knows, where none runs.

        Raises:
            NotFound: there is no such event, or no such rule.
        """
        known = self._daemon.known() if self._daemon is not None else known or Known()
        return await explain_event(
            self._store, known, self._clock, event_id, workspace=workspace, rule=rule, fetch=fetch
        )

    async def why_rule(self, name: str, *, since: datetime, workspace: str | None, known: Known | None = None) -> Json:
        """Return why a rule stayed silent since a moment.

        Raises:
            NotFound: there is no such rule.
        """
        known = self._daemon.known() if self._daemon is not None else known or Known()
        return await explain_rule(self._store, known, name, since=since, workspace=workspace)

    async def reload(self) -> Reloaded:
        """Have the daemon load its rule files again.

        Raises:
            ControlError: there is no daemon.
        """
        if self._daemon is None:
            raise ControlError("no daemon is running")
        return await self._daemon.reload()

    async def status(self) -> Json:
        """Return one screen's worth: well or not and why, backlog, channels, last event."""
        counts = await self._store.counts()
        channels = await self.channels()
        reasons = [
            f"channel {row['name']} does not answer ({row['last_reason']})"
            for row in channels
            if row["breaker"] == "open"
        ]
        known = self._daemon.describe() if self._daemon is not None else {}
        reasons += [_refused(file) for file in known.get("degraded", ())]
        dead = sum(row["dead"] for row in channels)
        if dead:
            reasons.append(f"{dead} dead letter{'s' if dead != 1 else ''}: memonotify deliveries --state dead")
        if self._daemon is None:
            reasons.insert(0, "no daemon is running")
        else:
            try:
                await self._store.check_writable()
            except StoreError as error:
                reasons.insert(0, f"the store cannot be written: {error}")
        silences = await self._store.silences(active_at=self._clock.now())
        return {
            "well": not reasons,
            "reasons": reasons,
            "version": __version__,
            "running": self._daemon is not None,
            "now": _moment(self._clock.now()),
            "backlog": counts.backlog,
            "last_event_at": _moment(counts.last_event_at),
            "silences": len(silences),
            "held": sum(row["held"] for row in channels),
            "next_due_at": _moment(await self._store.next_moment()),
            "free_bytes": None if (space := self._store.space()) is None else space.free_bytes,
            "channels": channels,
            **known,
        }


def _refused(file: Json) -> str:
    what = "its last good version is in force" if file["last_good"] else "none of its rules are in force"
    return f"{file['file']} is wrong, {what}: {file['problems'][0]}"


def _channel_json(numbers: ChannelNumbers | None) -> Json:
    by_state = numbers.by_state if numbers is not None else {}
    return {
        "pending": by_state.get(DeliveryState.PENDING, 0) + by_state.get(DeliveryState.SENDING, 0),
        "held": by_state.get(DeliveryState.HELD, 0),
        "sent": by_state.get(DeliveryState.SENT, 0),
        "dead": by_state.get(DeliveryState.DEAD, 0),
        "last_sent_at": _moment(numbers.last_sent_at) if numbers is not None else None,
        "last_reason": str(numbers.last_reason) if numbers is not None and numbers.last_reason else None,
    }


def _state(kind: type[_State], text: str | None) -> _State | None:
    if text is None:
        return None
    if text not in set(kind):
        raise ValueError(f"state is one of {', '.join(kind)}")
    return kind(text)


def node_json(node: Node, *, alive: bool) -> Json:
    """Return a node as lists show it."""
    return {
        "name": node.name,
        "role": node.role,
        "alive": alive,
        "leads": node.leads and alive,
        "version": node.version,
        "rules": node.rules,
        "events": node.events,
        "started_at": _moment(node.started_at),
        "seen_at": _moment(node.seen_at),
        "lease_until": _moment(node.lease_until),
        "lease": node.lease,
    }
