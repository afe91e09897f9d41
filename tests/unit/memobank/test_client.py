from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from email.utils import format_datetime
from itertools import count

import httpx
import jwt
import pytest
from fakes import ManualClock

from memonotify.errors import FetchError, Reason
from memonotify.memobank.client import BankClient
from memonotify.memobank.share import Share
from memonotify.metrics import Metrics
from memonotify.model import QuotaGrant


class Bank:
    """A bank at the transport's seam: answers from a list, and keeps what it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.ahead_s = 0.0
        self.answers = []
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else httpx.Response(200, json={"id": "x"})
        if isinstance(answer, Exception):
            raise answer
        answer.headers["Date"] = format_datetime(self.clock.now() + timedelta(seconds=self.ahead_s), usegmt=True)
        return answer

    def claims(self, index=-1):
        token = self.requests[index].headers["Authorization"].removeprefix("Bearer ")
        return jwt.decode(token, options={"verify_signature": False})


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def bank(clock):
    return Bank(clock)


@pytest.fixture
async def client(api, bank, clock):
    async def pause(seconds):
        clock.advance(seconds)
        await asyncio.sleep(0)

    ids = count(1)
    client = BankClient(
        "acme",
        api,
        clock=clock,
        metrics=Metrics(),
        transport=httpx.MockTransport(bank),
        pause=pause,
        new_id=lambda: f"id-{next(ids)}",
    )
    client.metrics = client._metrics
    yield client
    await client.close()


async def failed(client, path="/v2/accounts/x"):
    with pytest.raises(FetchError) as caught:
        await client.fetch(path)
    return caught.value


async def test_a_resource_comes_as_a_snapshot_with_its_moment(client, bank, clock):
    snapshot = await client.fetch("/v2/accounts/x")
    assert (snapshot.path, snapshot.status, snapshot.body) == ("/v2/accounts/x", 200, {"id": "x"})
    assert snapshot.fetched_at == clock.now()


async def test_what_is_signed_is_what_goes_over_the_wire(client, bank):
    await client.fetch("/v2/transactions?custom_id=a é&x=1%20")
    wire = bank.requests[0].url.raw_path.decode()
    assert bank.claims()["sub"] == f"GET {wire}"
    assert wire == "/v2/transactions?custom_id=a%20%C3%A9&x=1%20"


async def test_a_body_is_sent_digested_and_answered_with_data(client, bank):
    bank.answers = [httpx.Response(200, json={"bearer_token": "t"})]
    answer = await client.request("POST", "/v2/webhooks", json={"name": "é", "url": "https://x"})
    assert answer == {"bearer_token": "t"}
    assert json.loads(bank.requests[0].content) == {"name": "é", "url": "https://x"}
    assert bank.requests[0].headers["Content-Type"] == "application/json"
    assert "dig#S256" in bank.claims()


async def test_an_answer_without_a_body_is_none(client, bank):
    bank.answers = [httpx.Response(204)]
    assert await client.request("DELETE", "/v2/webhooks/x") is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, Reason.REDIRECTED),
        (400, Reason.REJECTED),
        (401, Reason.AUTH),
        (403, Reason.AUTH),
        (404, Reason.NOT_FOUND),
        (409, Reason.CONFLICT),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
        (503, Reason.SERVER_ERROR),
    ],
)
async def test_a_status_becomes_its_reason(client, bank, status, reason):
    bank.answers = [httpx.Response(status, headers={"Location": "https://evil.example/"})]
    error = await failed(client)
    assert (error.reason, error.status) == (reason, status)
    assert len(bank.requests) == 1
    assert client.metrics.fetches.labels("acme", reason)._value.get() == 1


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (httpx.ConnectTimeout("https://secret"), Reason.TIMEOUT),
        (httpx.ReadTimeout("https://secret"), Reason.TIMEOUT),
        (httpx.PoolTimeout("https://secret"), Reason.TIMEOUT),
        (httpx.ConnectError("https://secret"), Reason.UNREACHABLE),
        (httpx.RemoteProtocolError("https://secret"), Reason.UNREACHABLE),
        (httpx.ReadError("https://secret"), Reason.UNREACHABLE),
    ],
)
async def test_a_broken_connection_becomes_its_reason_without_the_librarys_words(client, bank, raised, reason):
    bank.answers = [raised]
    error = await failed(client)
    assert error.reason is reason
    assert "secret" not in str(error)


async def test_a_refused_certificate_is_told_apart(client, bank):
    refused = httpx.ConnectError("x")
    refused.__cause__ = ssl.SSLCertVerificationError("x")
    bank.answers = [refused]
    assert (await failed(client)).reason is Reason.TLS


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff{}", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000, b'"x"', b"3", b"null"]
)
async def test_an_answer_that_is_no_json_object_is_invalid(client, bank, body):
    bank.answers = [httpx.Response(200, content=body)]
    assert (await failed(client)).reason is Reason.INVALID_RESPONSE


async def test_an_answer_over_a_mebibyte_is_too_large(client, bank):
    bank.answers = [httpx.Response(200, content=b'"' + b"x" * 1024 * 1024 + b'"')]
    assert (await failed(client)).reason is Reason.TOO_LARGE


async def test_an_oversized_error_keeps_its_status(client, bank):
    bank.answers = [httpx.Response(503, content=b"x" * 2 * 1024 * 1024)]
    assert (await failed(client)).reason is Reason.SERVER_ERROR


async def test_a_compressed_answer_is_refused_unread(client, bank):
    bank.answers = [httpx.Response(200, content=b"x", headers={"Content-Encoding": "br"})]
    assert (await failed(client)).reason is Reason.INVALID_RESPONSE


async def test_the_banks_error_code_is_told_but_nothing_else_it_says(client, bank):
    bank.answers = [httpx.Response(400, json={"code": "invalid_id", "message": "Bearer eyJ leaked"})]
    error = await failed(client)
    assert "invalid_id" in str(error)
    assert "leaked" not in str(error)


async def test_a_code_that_echoes_the_secret_is_not_told(client, bank):
    bank.answers = [httpx.Response(400, json={"code": "x5ecret", "message": ""})]
    assert "5ecret" not in str(await failed(client))


async def test_a_path_outside_the_api_is_refused_without_a_call(client, bank):
    assert (await failed(client, "/v2/../x")).reason is Reason.REJECTED
    assert bank.requests == []


async def test_a_wrong_clock_is_measured_and_the_call_made_again_once(client, bank, clock):
    bank.ahead_s = 60
    bank.answers = [httpx.Response(401)]
    await client.fetch("/v2/accounts/x")
    assert len(bank.requests) == 2
    assert client.clock_offset_s == pytest.approx(60, abs=1)
    assert bank.claims()["iat"] == pytest.approx(clock.now().timestamp() + 60, abs=1)
    assert bank.claims(0)["jti"] != bank.claims(1)["jti"]


async def test_a_401_that_the_clock_does_not_explain_is_not_repeated(client, bank):
    bank.answers = [httpx.Response(401)]
    assert (await failed(client)).reason is Reason.AUTH
    assert len(bank.requests) == 1


async def test_a_401_after_the_correction_is_not_repeated_again(client, bank):
    bank.ahead_s = 60
    bank.answers = [httpx.Response(401), httpx.Response(401)]
    assert (await failed(client)).reason is Reason.AUTH
    assert len(bank.requests) == 2


def spent(remaining, reset, status=200):
    return httpx.Response(
        status,
        json={"id": "x"},
        headers={"RateLimit-Limit": "100", "RateLimit-Remaining": str(remaining), "RateLimit-Reset": str(reset)},
    )


async def test_a_call_waits_for_a_reset_that_is_near(client, bank, clock):
    bank.answers = [spent(0, 8)]
    await client.fetch("/v2/accounts/x")
    began = clock.monotonic()
    await client.fetch("/v2/accounts/x")
    assert clock.monotonic() - began == 8
    assert len(bank.requests) == 2


async def test_a_reset_that_is_far_is_told_without_a_call(client, bank):
    bank.answers = [spent(0, 600)]
    await client.fetch("/v2/accounts/x")
    error = await failed(client)
    assert (error.reason, error.retry_after_s) == (Reason.RATE_LIMITED, 600)
    assert len(bank.requests) == 1


async def test_a_429_tells_when_the_quota_resets(client, bank):
    bank.answers = [spent(0, 42, status=429)]
    error = await failed(client)
    assert (error.reason, error.retry_after_s) == (Reason.RATE_LIMITED, 42)


async def test_a_429_whose_reset_is_a_moment_since_1970_tells_nothing(client, bank):
    bank.answers = [spent(0, 1_764_000_000, status=429)]
    error = await failed(client)
    assert (error.reason, error.retry_after_s) == (Reason.RATE_LIMITED, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("Mon, 02 Mar 2026 09:01:00 GMT", 60),
        ("soon", None),
        ("-5", None),
        ("Mon, 02 Mar 2020 09:01:00 GMT", 0),
        ("999999999", 86400),
        ("Mon, 02 Mar 2099 09:01:00 GMT", 86400),
    ],
)
async def test_retry_after_of_a_503_is_read_as_seconds_or_a_date_and_a_day_at_most(client, bank, text, seconds):
    bank.answers = [httpx.Response(503, headers={"Retry-After": text})]
    assert (await failed(client)).retry_after_s == seconds


async def test_at_most_eight_calls_are_under_way(api, clock):
    flying, most = 0, 0
    gate = asyncio.Event()

    async def answer(request):
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        if most == 8:
            gate.set()
        if len(first) == 1:
            await gate.wait()
        first.append(request) if not first else None
        flying -= 1
        return httpx.Response(200, json={})

    first = []
    client = BankClient("acme", api, clock=clock, metrics=Metrics(), transport=httpx.MockTransport(answer))
    await asyncio.gather(*(client.fetch("/v2/accounts/x") for _ in range(20)))
    await client.close()
    assert most == 8


async def test_a_server_that_drips_is_ended_by_the_whole_calls_time(api, clock):
    async def drip():
        while True:
            yield b" "
            await asyncio.sleep(0)

    client = BankClient(
        "acme",
        api,
        clock=clock,
        metrics=Metrics(),
        transport=httpx.MockTransport(lambda request: httpx.Response(500, content=drip())),
    )
    client._timeout_s = 0.0
    with pytest.raises(FetchError) as caught:
        await client.fetch("/v2/accounts/x")
    await client.close()
    assert caught.value.reason is Reason.TIMEOUT


# A quota that several nodes call with


class Row:
    """What the nodes share: the grants that it gives, and what it was told."""

    def __init__(self, clock):
        self.clock = clock
        self.grants = []
        self.told = []

    def will_give(self, calls, in_s, **more):
        until = self.clock.now() + timedelta(seconds=in_s)
        self.grants.append(QuotaGrant(calls=calls, until=until, **more))

    async def draw(self, want, told, *, untold):
        self.told.append((want, None if told is None else told.left, untold))
        return self.grants.pop(0)


@pytest.fixture
def row(clock):
    return Row(clock)


@pytest.fixture
def sharing(client, row, clock):
    client._share = Share(row.draw, clock)
    return client


def quota(remaining):
    headers = {"RateLimit-Limit": "100", "RateLimit-Remaining": str(remaining), "RateLimit-Reset": "60"}
    return httpx.Response(200, json={"id": "x"}, headers=headers)


async def test_calls_of_a_portion_ask_nobody(sharing, bank, row):
    row.will_give(3, 60)
    for _ in range(3):
        await sharing.fetch("/v2/accounts/x")
    assert len(row.told) == 1


async def test_a_shared_quota_that_is_spent_until_later_costs_no_call(sharing, bank, row):
    row.will_give(0, 40)
    error = await failed(sharing)
    assert (error.reason, error.retry_after_s) == (Reason.RATE_LIMITED, 40.0)
    assert bank.requests == []


async def test_a_shared_quota_that_comes_back_soon_is_waited_for(sharing, bank, row, clock):
    row.will_give(0, 4)
    row.will_give(1, 60)
    began = clock.now()
    await sharing.fetch("/v2/accounts/x")
    assert clock.now() - began == timedelta(seconds=4)


async def test_what_a_call_on_trial_was_told_is_passed_on_at_once(sharing, bank, row):
    row.will_give(1, 2, is_trial=True)
    row.will_give(0, 60)
    bank.answers = [quota(90)]
    await sharing.fetch("/v2/accounts/x")
    assert row.told == [(1, None, False), (0, 85, False)]


@pytest.mark.parametrize("answer", [httpx.ConnectError("gone"), httpx.Response(200, json={})])
async def test_a_call_on_trial_that_is_told_nothing_says_so(sharing, bank, row, answer):
    row.will_give(1, 2, is_trial=True)
    row.will_give(0, 60)
    bank.answers = [answer]
    try:
        await sharing.fetch("/v2/accounts/x")
    except FetchError as error:
        assert error.reason is Reason.UNREACHABLE
    assert row.told == [(1, None, False), (0, None, True)]
