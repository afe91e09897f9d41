"""The reporter: tells `on_failure` of dead letters, failed decisions and refused files. The first at once, what follows
gathered.

In: `wake()` when a failure was written; the store's untold failures. Out: notices, which are deliveries like any other,
written in the transaction that marks the failures as told; so after a crash nothing is told twice and nothing
forgotten. The minute of silence after a notice holds over a restart: the store knows when it last told. Made, started
and stopped by the composition root.

Without `on_failure` a failure is logged and marked as told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from memonotify.alarm import Alarm, Pause
from memonotify.config.values import ChannelConfig, OnFailure
from memonotify.delivery.notices import compose
from memonotify.errors import StoreError
from memonotify.logs import logger
from memonotify.model import Clock, Failure
from memonotify.store.store import Store

GATHER_S: Final = 60.0
"""After a notice, what fails is gathered for this long."""

LOOK_S: Final = 5.0
"""The store is looked at this often even if nobody says that something failed."""

STORE_WAIT_S: Final = 1.0

MOST: Final = 1000
"""So many failures are told at once; what is beyond follows a minute later."""


class Reporter:
    """Tells of failures. `breakers` says which channels are well, `wake` is called with the channels of new notices."""

    def __init__(
        self,
        *,
        store: Store,
        on_failure: OnFailure | None,
        configs: Mapping[str, ChannelConfig],
        breakers: Callable[[], Mapping[str, str]],
        wake: Callable[[Iterable[str]], None],
        clock: Clock,
        look_s: float = LOOK_S,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._store = store
        self._on_failure = on_failure
        self._configs = configs
        self._breakers = breakers
        self._wake_channels = wake
        self._clock = clock
        self._look_s = look_s
        self._alarm = Alarm(pause)
        self._silent_until_s: float | None = None
        self._stopping = False
        self._run: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """A failure was written."""
        self._alarm.ring()

    async def start(self) -> None:
        """Begin to tell what the store holds; returns at once."""
        self._run = asyncio.create_task(self._work())

    async def stop(self, drain_s: float) -> None:
        """Tell nothing any more; wait up to `drain_s` for what is being written."""
        self._stopping = True
        self._alarm.ring()
        if self._run is not None:
            await asyncio.wait([self._run], timeout=drain_s)
            self._run.cancel()
            await asyncio.gather(self._run, return_exceptions=True)
        self._alarm.close()

    async def _work(self) -> None:
        while not self._stopping:
            try:
                look_s = await self._look()
            except Exception as error:  # noqa: BLE001 - the reporter outlives whatever happens in it
                detail = {"detail": str(error)} if isinstance(error, StoreError) else {}
                logger().error("reporter_stumbled", error=type(error).__name__, **detail)
                look_s = STORE_WAIT_S
            if not self._stopping:
                now_s = self._clock.monotonic()
                await self._alarm.wait(now_s, now_s + look_s)

    async def _look(self) -> float:
        """Tell what is to be told now; return after how many seconds to look again."""
        if not self._store.leads:
            self._silent_until_s = None
            return self._look_s
        if self._silent_until_s is None:
            self._silent_until_s = await self._silence_of_old()
        now_s = self._clock.monotonic()
        if now_s < self._silent_until_s:
            return self._silent_until_s - now_s
        failures = await self._store.untold_failures(MOST)
        if not failures:
            return self._look_s
        await self._tell(failures)
        return GATHER_S

    async def _silence_of_old(self) -> float:
        """Return until when the notice of an earlier run keeps this one silent."""
        told_at = await self._store.last_told_at()
        if told_at is None:
            return 0.0
        ago_s = (self._clock.now() - told_at).total_seconds()
        return self._clock.monotonic() + min(GATHER_S - ago_s, GATHER_S)

    async def _tell(self, failures: list[Failure]) -> None:
        if self._on_failure is None or self._on_failure.channel not in self._configs:
            await self._store.told(failures, ())
            for failure in failures:
                logger().warning(
                    "failure_untold",
                    kind=failure.kind.value,
                    delivery=failure.delivery_id,
                    event_id=failure.event_id,
                    rule=failure.rule,
                    channel=failure.channel,
                    file=failure.file,
                    reason=failure.reason.value,
                    hint="set on_failure in the configuration, so that somebody hears of it",
                )
            return
        notices = compose(
            failures,
            on_failure=self._on_failure,
            configs=self._configs,
            serves=self._is_well,
            now=self._clock.now(),
        )
        await self._store.told(failures, notices)
        self._silent_until_s = self._clock.monotonic() + GATHER_S
        logger().info("failures_told", failures=len(failures), channels=[each.notification.channel for each in notices])
        self._wake_channels({notice.notification.channel for notice in notices})

    def _is_well(self, channel: str) -> bool:
        return self._breakers().get(channel) == "closed"
