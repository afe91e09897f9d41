"""The composition root: names the concrete parts, starts them in order and stops them in reverse.

Comes in: a loaded configuration and its rules; goes out: a running daemon. `serve`, `demo` and the tests call it, the
tests on port 0. Nothing else builds a part of the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Self

from aiohttp import web

from memonotify import __version__
from memonotify.admin.api import admin_app, control_app
from memonotify.admin.known import Known
from memonotify.admin.operations import Operations
from memonotify.channels.registry import build
from memonotify.clock import SharedClock, SystemClock
from memonotify.config.values import Config, Listen
from memonotify.delivery.courier import Courier
from memonotify.delivery.failures import Reporter
from memonotify.engine.engine import Engine
from memonotify.engine.filling import Filler
from memonotify.engine.misses import ExpectJobs
from memonotify.engine.replay import Replayer
from memonotify.engine.scheduler import Scheduler
from memonotify.engine.timekeeper import Timekeeper
from memonotify.errors import StoreError, StoreUnusable
from memonotify.headroom import Headroom
from memonotify.intake.connections import connections
from memonotify.intake.listening import bound_address, listen
from memonotify.intake.refusals import AdminLog
from memonotify.intake.server import Intake
from memonotify.janitor import Janitor
from memonotify.logs import logger
from memonotify.membership import Membership
from memonotify.memobank.client import BankClient
from memonotify.memobank.share import Share
from memonotify.metrics import Metrics
from memonotify.model import Clock, Event, Node, Role
from memonotify.policies.calendar import is_business_day
from memonotify.policies.hours import hours_of
from memonotify.reloading.reloader import Reloader
from memonotify.reloading.report import Reloaded, degraded
from memonotify.reports.job import ReportJobs
from memonotify.rules.collecting import freeze_what_is_there
from memonotify.rules.values import Ruleset
from memonotify.rules.versions import InForce
from memonotify.store import control_socket
from memonotify.store.store import Store
from memonotify.templating.filters import Filters

DRAIN_S: Final = 20.0
_STEP_S: Final = 5.0
_KEEP_ALIVE_S: Final = 15.0
_SWITCH_S: Final = 0.0003

LOOK_SHARED_S: Final = 1.0
"""How often a shared store is looked at for work that no other node has; what comes in here needs no look."""


def prepare_process() -> None:
    """Set this process up to be a daemon; called once, before the loop starts.

    The store's writer hands the interpreter's lock over several times a commit, and waits up to the switch interval to
    get it back from a busy loop. With Python's five milliseconds that wait was most of a commit.
    """
    sys.setswitchinterval(_SWITCH_S)


def keep_what_is_loaded() -> None:
    """Take what is there now out of the garbage collector's sight; called once, when the daemon has started.

    Modules and compiled rules stay for good: each full collection would walk them all and hold the loop up. Where a
    reload replaces rules of the start, some kilobytes of each are not given back, once; its own are collected.
    """
    freeze_what_is_there()


class App:
    """One daemon.

    Args:
        config: where to listen, whom to tell, where to keep what.
        rules: what is in force at the start; a bare Ruleset has no versions to go back to where an edit is wrong.
        role: what this daemon does where several share the store.
        node: its name among them; the machine's by default.
        clock, random_source: time and chance, handed in.
    """

    def __init__(
        self,
        config: Config,
        rules: InForce | Ruleset,
        *,
        role: Role = Role.ALL,
        node: str | None = None,
        clock: Clock | None = None,
        random_source: random.Random | None = None,
    ) -> None:
        self.config = config
        self.clock = SharedClock(clock or SystemClock())
        self.role = role
        self._node = node or socket.gethostname()
        self.metrics = Metrics()
        self.metrics.info.labels(__version__).set(1)
        self._random = random_source or random.Random()  # noqa: S311 - jitter, not secrecy
        self._stops: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self._started_at = self.clock.now()
        self.store = Store(config.store, clock=self.clock, metrics=self.metrics)
        look: dict[str, Any] = {"look_s": LOOK_SHARED_S} if self.store.is_shared else {}
        self.channels = {
            name: build(channel, clock=self.clock, metrics=self.metrics) for name, channel in config.channels.items()
        }
        self.banks = {
            workspace.name: BankClient(
                workspace.name,
                workspace.api,
                clock=self.clock,
                metrics=self.metrics,
                share=self._share(workspace.name),
            )
            for workspace in config.workspaces
            if workspace.api is not None
        }
        self.headroom = Headroom(self.clock)
        self.courier = Courier(
            store=self.store,
            channels=self.channels,
            configs=config.channels,
            retry=config.retry,
            clock=self.clock,
            metrics=self.metrics,
            random=self._random,
            headroom=self.headroom,
            **look,
        )
        self.reporter = Reporter(
            store=self.store,
            on_failure=config.on_failure,
            configs=config.channels,
            breakers=self.courier.breakers,
            wake=self.courier.wake,
            clock=self.clock,
            **look,
        )
        self.courier.on_failures = self.reporter.wake
        self.reloader = Reloader(
            config,
            rules if isinstance(rules, InForce) else InForce(ruleset=rules),
            shelf=self.store,
            node=self._node if self.store.is_shared else "",
            clock=self.clock,
            metrics=self.metrics,
            on_failures=self.reporter.wake,
        )
        hours = hours_of(config)
        self.timekeeper = Timekeeper(
            store=self.store,
            ruleset=lambda: self.reloader.ruleset,
            hours=hours,
            channels=config.channels,
            resource_types=config.resource_types,
            filters=Filters(config.locale, config.timezone),
            on_deliveries=self.courier.wake,
            on_failures=self.reporter.wake,
            clock=self.clock,
            metrics=self.metrics,
            **look,
        )
        self.engine = Engine(
            store=self.store,
            ruleset=lambda: self.reloader.ruleset,
            banks=self.banks,
            resource_types=config.resource_types,
            retry=config.retry,
            on_deliveries=self.courier.wake,
            on_failures=self.reporter.wake,
            on_holds=self.timekeeper.wake,
            hours=hours,
            clock=self.clock,
            metrics=self.metrics,
            random=self._random,
            headroom=self.headroom,
            is_filled=self._is_filled,
            leads=lambda: self.store.leads,
            **look,
        )
        self.filler = Filler(
            store=self.store,
            ruleset=lambda: self.reloader.ruleset,
            in_hand=self.engine.in_hand,
            resource_types=config.resource_types,
            with_api=frozenset(self.banks),
            clock=self.clock,
            leads=lambda: self.store.leads,
        )
        reports = ReportJobs(
            ruleset=lambda: self.reloader.ruleset,
            banks=self.banks,
            store=self.store,
            is_business_day=is_business_day,
            clock=self.clock,
            metrics=self.metrics,
            locale=config.locale,
        )
        expectations = ExpectJobs(
            ruleset=lambda: self.reloader.ruleset,
            workspaces=tuple(workspace.name for workspace in config.workspaces),
            store=self.store,
            hours=hours,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.scheduler = Scheduler(
            store=self.store,
            jobs=lambda: (*reports(), *expectations()),
            on_deliveries=self.courier.wake,
            on_failures=self.reporter.wake,
            on_holds=self.timekeeper.wake,
            clock=self.clock,
            metrics=self.metrics,
            random=self._random,
            leads=lambda: self.store.leads,
        )
        self.intake = Intake(
            config.server,
            config.workspaces,
            receive=self._receive_shared if self.store.is_shared else self._receive,
            backlog=lambda: self.engine.backlog,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.operations = Operations(
            self.store,
            channels={name: channel.type for name, channel in config.channels.items()},
            clock=self.clock,
            daemon=self,
            replays=Replayer(
                store=self.store,
                ruleset=lambda: self.reloader.ruleset,
                banks=self.banks,
                with_api=frozenset(self.banks),
                resource_types=config.resource_types,
                retry=config.retry,
                clock=self.clock,
                random=self._random,
                wake=self.courier.wake,
            ),
        )
        self.janitor = Janitor(
            store=self.store,
            channels=tuple(config.channels),
            retention_s=config.retention_s,
            longest_s=lambda: self.reloader.ruleset.longest_window_s,
            clock=self.clock,
            metrics=self.metrics,
        )
        self.membership = Membership(
            store=self.store,
            clock=self.clock,
            metrics=self.metrics,
            describe=self.node,
            may_lead=role is not Role.INTAKE,
            on_lead=self._on_lead,
            on_hint=self.engine.look,
        )
        self._admin_log = AdminLog(self.clock)
        self._admin_listener: asyncio.Server | None = None

    def _share(self, workspace: str) -> Share | None:
        """Return this node's portion of a workspace's quota, None where it has the quota for itself."""
        return Share(partial(self.store.draw, workspace), self.clock) if self.store.is_shared else None

    async def _receive(self, event: Event) -> bool:
        """Store an event and queue it; False where it was there already."""
        seq = await self.store.receive(event)
        if seq is not None:
            self.engine.submit(event, seq)
        return seq is not None

    async def _receive_shared(self, event: Event) -> bool:
        """The same where other nodes may evaluate it as well."""
        if self.role is Role.INTAKE:
            plan = self.engine.plan(event.event_type, event.resource_type, event.workspace)
            return await self.store.receive(event, keep=False, in_order=plan.in_order) is not None
        plan = self.engine.plan(event.event_type, event.resource_type, event.workspace)
        seq = await self.store.receive(event, keep=plan.keep, in_order=plan.in_order)
        if seq is not None and plan.keep:
            self.engine.submit(event, seq)
        return seq is not None

    async def _on_lead(self, leads: bool) -> None:
        self.engine.lead()
        if leads:
            await self.store.resume()
            self.reporter.wake()
            self.timekeeper.wake()

    def _is_filled(self, window: str) -> bool:
        return self.filler.is_filled(window)

    def node(self) -> Node:
        """Return what this daemon says of itself to the others."""
        return Node(
            lease=self.store.lease,
            name=self._node,
            version=__version__,
            role=str(self.role),
            rules=self.reloader.ruleset.digest[:12],
            started_at=self._started_at,
            seen_at=self._started_at,
            lease_until=self._started_at,
            leads=self.store.leads,
            events=0,
        )

    @property
    def webhook_address(self) -> str:
        """Where the webhook listens: `host:port` or `unix:path`; empty where this daemon takes no events in."""
        return "" if self.role is Role.WORKER else self.intake.address

    @property
    def admin_address(self) -> str:
        """Where the admin listener listens."""
        return bound_address(self.config.admin.listen, self._admin_listener)

    async def start(self) -> None:
        """Start every part; where one fails, stop those before it and raise its error.

        Raises:
            StoreError: the store cannot be used.
            ListenError: a listener's address cannot be had.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop(0)
            raise

    async def _start(self) -> None:
        if self.role is not Role.ALL and not self.store.is_shared:
            raise StoreUnusable(f"{self.store.name} serves one daemon: a role needs a store on PostgreSQL")
        await self.store.open()
        self._stops.append(("store", self.store.close))
        await self._start_part("membership", self.membership)
        if not self.store.is_shared:
            await self._recover()
        for bank in self.banks.values():
            self._stops.append(("bank", bank.close))
        for channel in self.channels.values():
            self._stops.append(("channel", channel.close))
        await self._start_part("headroom", self.headroom)
        if self.role is not Role.INTAKE:
            await self._start_part("courier", self.courier)
            await self._start_part("reporter", self.reporter)
            await self._start_part("timekeeper", self.timekeeper)
            await self._start_part("filler", self.filler)
            await self._start_part("engine", self.engine)
            await self._start_part("scheduler", self.scheduler)
        await self._start_part("janitor", self.janitor)
        await self._start_servers()
        if self.role is not Role.WORKER:
            await self._start_part("intake", self.intake)
        await self._start_part("reloader", self.reloader)
        logger().info(
            "daemon_started",
            version=__version__,
            webhook=self.webhook_address,
            admin=self.admin_address,
            store=self.store.name,
            role=str(self.role),
            rules=len(self.reloader.ruleset.rules),
            channels=len(self.channels),
        )

    async def _recover(self) -> None:
        """Bring what an earlier run left into the present: its claims, its clock, its channels."""
        voided = await self.store.void_claims()
        if voided:
            logger().info("claims_voided", count=voided)
        await self.store.resume()
        hastened = await self.store.hasten()
        if hastened:
            logger().warning("clock_was_ahead", count=hastened)
        buried = await self.store.bury_orphans(self.channels)
        if buried:
            logger().error("deliveries_without_channel", count=buried)

    async def _start_part(self, name: str, part: Any) -> None:
        self._stops.append((name, lambda: part.stop(self._drain_s)))
        await part.start()

    async def _start_servers(self) -> None:
        control = Listen(unix=control_socket(self.config.store, self.config.path))
        self._admin_listener = await self._serve(
            "admin",
            self.config.admin.listen,
            admin_app(self.operations, token=self.config.admin.token, metrics=self.metrics, ready=self.ready),
        )
        await self._serve("control", control, control_app(self.operations), mode=0o600)

    async def _serve(self, name: str, where: Listen, app: web.Application, *, mode: int = 0o660) -> asyncio.Server:
        runner = web.AppRunner(app, handle_signals=False)
        await runner.setup()
        self._stops.append((name, runner.cleanup))
        if runner.server is None:  # pragma: no cover - setup() has just made it
            raise RuntimeError("the runner has no server")
        factory = connections(runner.server, self._admin_log, keepalive_timeout=_KEEP_ALIVE_S)
        listener = await listen(where, factory, mode=mode)

        async def close() -> None:
            listener.close()
            if where.unix is not None:
                where.unix.unlink(missing_ok=True)

        self._stops.append((name, close))
        return listener

    _drain_s = DRAIN_S

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Stop every part in reverse, each bounded. What is left undone within `drain_s` is in the store."""
        self._drain_s = drain_s
        while self._stops:
            name, stop = self._stops.pop()
            try:
                async with asyncio.timeout(drain_s + _STEP_S):
                    await stop()
            except TimeoutError:
                logger().warning("stop_timed_out", part=name)
            except Exception as error:  # noqa: BLE001 - one part that cannot stop must not keep the others running
                logger().error("stop_failed", part=name, error=type(error).__name__)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    # What the operations ask of the daemon.

    def wake(self, channels: Sequence[str]) -> None:
        """Tell the courier that there may be work for these channels, and the timekeeper that something may be due."""
        self.courier.wake(channels)
        self.timekeeper.wake()

    def breakers(self) -> Mapping[str, str]:
        """Return each channel's breaker: closed, open or half-open."""
        return {name: str(state) for name, state in self.courier.breakers().items()}

    def known(self) -> Known:
        """Return what explanations know beside the store."""
        return Known(
            rules=self.reloader.ruleset,
            banks=self.banks,
            resource_types=self.config.resource_types,
            away=self.engine.away(),
            workspaces=tuple(workspace.name for workspace in self.config.workspaces),
            runs=True,
        )

    def describe(self) -> dict[str, Any]:
        """Return what only the running daemon knows."""
        return {
            "started_at": self._started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "store": self.store.name,
            "role": str(self.role),
            "leads": self.store.leads,
            "webhook": self.webhook_address,
            "admin": self.admin_address,
            "rules": len(self.reloader.ruleset.rules),
            "degraded": degraded(self.reloader.in_force.refused),
            "workspaces": [
                {"name": name, "clock_offset_s": round(bank.clock_offset_s, 1)} for name, bank in self.banks.items()
            ],
        }

    async def reload(self) -> Reloaded:
        """Load the rule files again; events in flight finish under the rules they started with."""
        return await self.reloader.reload("command")

    def is_alive(self, within_s: float) -> bool:
        """Whether the store's writer has moved within that time; the loop is alive where this is asked."""
        return self.store.writer_alive(within_s)

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether an event could be stored now and why not, and the files that are wrong, which is no reason."""
        more: dict[str, Any] = {"node": self._node, "role": str(self.role)} if self.store.is_shared else {}
        if self.reloader.in_force.refused:
            more["degraded"] = degraded(self.reloader.in_force.refused)
        with contextlib.suppress(StoreError):
            await self.store.check_writable()
            return True, {"ready": True, **more}
        return False, {"ready": False, "reason": "the store cannot be written", **more}
