"""The doctor says of each thing that it is well, or what to do."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from fakes import ManualClock

from memonotify.doctor import bank, host, receivers
from memonotify.doctor.findings import Health, todo_for
from memonotify.errors import FetchError, Reason, SendError
from memonotify.model import Snapshot

STATUS: dict[str, Any] = {"running": True, "reasons": [], "started_at": "2026-03-02T09:00:00Z", "rules": 3}
PROXY = (ip_network("127.0.0.1/32"),)


class Bank:
    def __init__(self, error: FetchError | None = None, offset_s: float = 0.0) -> None:
        self.error, self.clock_offset_s, self.asked = error, offset_s, []

    async def fetch(self, path: str) -> Snapshot:
        self.asked.append(path)
        if self.error is not None:
            raise self.error
        return Snapshot(path=path, fetched_at=ManualClock().now(), status=200, body={"results": []})


@pytest.mark.parametrize(
    ("made", "api", "clock"),
    [
        (Bank(), Health.OK, Health.OK),
        (Bank(offset_s=-29.6), Health.OK, Health.DOUBTFUL),
        (Bank(FetchError(Reason.AUTH, "no", status=401)), Health.ILL, Health.OK),
        (Bank(FetchError(Reason.AUTH, "no", status=401), 30.0), Health.ILL, Health.DOUBTFUL),
        (Bank(FetchError(Reason.NOT_FOUND, "no", status=404)), Health.DOUBTFUL, Health.OK),
        (Bank(FetchError(Reason.UNREACHABLE, "no connection")), Health.ILL, Health.UNKNOWN),
        (Bank(FetchError(Reason.TIMEOUT, "10 s")), Health.ILL, Health.UNKNOWN),
    ],
)
async def test_one_call_to_the_bank_shows_credentials_and_clock(made: Bank, api: Health, clock: Health) -> None:
    found = await bank.examine("acme", made)
    assert [finding.health for finding in found] == [api, clock]
    assert made.asked == [bank.ASKED]
    assert all(finding.todo for finding in found if finding.health in (Health.ILL, Health.DOUBTFUL))


class Channel:
    name, type = "erp", "http"

    def __init__(self, error: SendError | None = None) -> None:
        self.error = error

    async def probe(self) -> None:
        if self.error is not None:
            raise self.error

    async def send(self, payload: Any, *, identity: str) -> Any:
        pytest.fail("the doctor sends nothing")

    async def close(self) -> None:
        return


async def test_a_channel_that_is_reached_is_well_and_the_doctor_sends_nothing() -> None:
    finding = await receivers.examine(Channel())
    assert finding.health is Health.OK
    assert "channel test erp" in finding.seen


@pytest.mark.parametrize("reason", list(Reason))
async def test_a_channel_that_is_not_reached_says_why_and_what_to_do(reason: Reason) -> None:
    finding = await receivers.examine(Channel(SendError(reason, "as it is")))
    assert (finding.health, finding.seen) == (Health.ILL, f"{reason}: as it is")
    assert finding.todo == todo_for(reason) != ""


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({}, Health.OK),
        ({"running": False}, Health.ILL),
        ({"reasons": ["2 dead letters"]}, Health.DOUBTFUL),
        ({"reasons": ["the store cannot be written: full"]}, Health.OK),
    ],
)
def test_the_daemon_is_well_where_it_runs_and_complains_of_nothing(changes: dict[str, Any], health: Health) -> None:
    (finding,) = host.daemon(STATUS | changes)
    assert finding.health is health


def test_the_store_and_the_disk() -> None:
    assert host.store("x.db", "").health is Health.OK
    assert host.store("x.db", "the store cannot be written: disk full").health is Health.ILL
    assert [finding.health for finding in host.disk(5 << 30)] == [Health.OK]
    assert [finding.health for finding in host.disk(5 << 20)] == [Health.DOUBTFUL]
    assert list(host.disk(None)) == []


@pytest.mark.parametrize(
    ("clients", "trusted", "health"),
    [
        ([], PROXY, Health.UNKNOWN),
        (["35.181.64.230", "15.236.178.243"], PROXY, Health.OK),
        (["35.181.64.230", "127.0.0.1"], PROXY, Health.ILL),
        (["127.0.0.1"], (), Health.OK),
        (["unix", "35.181.64.230"], PROXY, Health.OK),
    ],
)
def test_a_proxy_that_hides_the_caller_is_found_by_the_events_it_passed_on(
    clients: list[str], trusted: Any, health: Health
) -> None:
    assert host.proxy(clients, trusted).health is health
