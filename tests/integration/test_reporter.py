"""The reporter over the real store: who is told of what, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock
from lanes import WatchedStore, Yard
from structlog.testing import capture_logs

from memonotify.config.values import OnFailure
from memonotify.delivery.failures import Reporter
from memonotify.errors import Reason, SendError, StoreUnavailable
from memonotify.model import Branch, DeliveryState

REJECTED = SendError(Reason.REJECTED, "HTTP 400", status=400)


class Desk(Yard):
    """A yard with a reporter that tells through `tell`."""

    reporter: Reporter | None = None

    async def open(self, through: str | None = "tell") -> Reporter:
        await self.start()
        return await self.reopen(through)

    async def reopen(self, through: str | None = "tell") -> Reporter:
        assert self.courier is not None
        self.reporter = Reporter(
            store=self.store,
            on_failure=None if through is None else OnFailure(channel=through),
            configs=self.configs,
            breakers=self.courier.breakers,
            wake=self.courier.wake,
            clock=self.clock,
            pause=self.pause,
        )
        self.courier.on_failures = self.reporter.wake
        await self.reporter.start()
        return self.reporter

    async def fail(self, channel: str, count: int = 1) -> None:
        settled = len(self.store.settled)
        await self.put(channel, count)
        await self.until(lambda: len(self.store.settled) >= settled + count)
        await self.rest()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock = ManualClock()
    async with WatchedStore(f"sqlite:///{tmp_path}/m.db", clock=clock) as store:
        desk = Desk(store, clock)
        desk.channel("erp").always = REJECTED
        desk.channel("tell", kind="slack")
        yield desk
        if desk.reporter is not None:
            await desk.reporter.stop(1)
        if desk.courier is not None:
            await desk.courier.stop(1)


def told(desk: Desk, channel: str = "tell") -> list[Any]:
    return [payload["text"] if "text" in payload else payload["json"] for payload, _ in desk.channels[channel].got]


async def test_the_first_failure_is_told_at_once(desk):
    await desk.open()
    await desk.fail("erp")
    await desk.until(lambda: len(told(desk)) == 1)
    assert all(word in told(desk)[0] for word in ("erp", "rule", "event-1", "rejected", "HTTP 400"))
    assert await desk.store.untold_failures() == []


async def test_what_follows_is_gathered_for_a_minute_into_one_message(desk):
    await desk.open()
    await desk.fail("erp")
    await desk.fail("erp", 7)
    await desk.later(59)
    assert len(told(desk)) == 1
    await desk.later(1.1)
    await desk.until(lambda: len(told(desk)) == 2)
    assert all(f"event-{number}" in told(desk)[1] for number in range(2, 9))
    await desk.later(120)
    assert len(told(desk)) == 2


async def test_the_minute_holds_over_a_restart(desk):
    reporter = await desk.open()
    await desk.fail("erp")
    await reporter.stop(1)
    await desk.fail("erp")
    await desk.later(30)
    await desk.reopen()
    await desk.later(29)
    assert len(told(desk)) == 1
    await desk.later(1.5)
    await desk.until(lambda: len(told(desk)) == 2)


async def test_what_was_untold_when_the_daemon_died_is_told_at_the_start(desk):
    desk.courier = await desk.start()
    await desk.fail("erp", 3)
    await desk.reopen()
    await desk.until(lambda: len(told(desk)) == 1)
    assert "3 failures" in told(desk)[0]


async def test_the_channel_that_failed_is_not_the_one_that_tells(desk):
    desk.channels["tell"].always = REJECTED
    await desk.open()
    await desk.fail("tell")
    await desk.until(lambda: len(told(desk, "erp")) == 1)
    assert told(desk, "erp")[0]["failures"][0]["channel"] == "tell"


async def test_a_notice_that_fails_raises_no_other(desk):
    desk.channels["tell"].always = REJECTED
    await desk.open()
    await desk.fail("erp")
    await desk.until(lambda: len(told(desk)) == 1)
    for _ in range(5):
        await desk.later(60)
    assert len(told(desk)) == 1
    (notice,) = [each for each in await desk.store.deliveries() if each.branch is Branch.FAILURE]
    assert notice.state is DeliveryState.DEAD


async def test_failures_written_without_a_hint_are_found(desk):
    await desk.open()
    desk.courier.on_failures = lambda: None
    await desk.rest()
    await desk.fail("erp")
    await desk.later(5.1)
    await desk.until(lambda: len(told(desk)) == 1)


async def test_without_anybody_to_tell_failures_are_logged_and_done_with(desk):
    with capture_logs() as logs:
        await desk.open(None)
        await desk.fail("erp")
        await desk.until(lambda: any(log["event"] == "failure_untold" for log in logs))
    (line,) = [log for log in logs if log["event"] == "failure_untold"]
    assert (line["channel"], line["rule"], line["event_id"], line["reason"]) == ("erp", "rule", "event-1", "rejected")
    assert await desk.store.untold_failures() == []


async def test_while_the_store_is_away_nothing_is_told_twice_and_nothing_forgotten(desk):
    await desk.open()
    tell, refused = desk.store.told, []

    async def broken(*arguments: Any) -> None:
        refused.append(arguments)
        raise StoreUnavailable("the disk is full")

    desk.store.told = broken
    await desk.fail("erp")
    for _ in range(3):
        await desk.later(1.1)
    assert len(refused) >= 3
    assert told(desk) == []
    desk.store.told = tell
    await desk.later(1.1)
    await desk.until(lambda: len(told(desk)) == 1)


async def test_one_message_goes_out_though_many_channels_failed(desk):
    desk.channel("mail").always = REJECTED
    desk.courier = await desk.start()
    await desk.fail("erp", 2)
    await desk.fail("mail", 2)
    await desk.reopen()
    await desk.until(lambda: len(told(desk)) == 1)
    assert "4 failures (erp, mail)" in told(desk)[0]
