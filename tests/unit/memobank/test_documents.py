"""The bank's documents: a PDF of bounded size, or a Reason."""

from __future__ import annotations

import httpx
import jwt
import pytest
from fakes import ManualClock

from memonotify.errors import FetchError, Reason
from memonotify.memobank.client import MAX_DOCUMENT_BYTES, BankClient
from memonotify.metrics import Metrics

PATH = "/v2/transfers/t-1/proof"
PDF = b"%PDF-1.4\n\xe2\xe3\xcf\xd3 the proof"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def answers():
    return []


@pytest.fixture
def requests():
    return []


@pytest.fixture
async def client(api, clock, answers, requests):
    def answer(request):
        requests.append(request)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def pause(seconds):
        clock.advance(seconds)

    client = BankClient("acme", api, clock=clock, metrics=Metrics(), transport=httpx.MockTransport(answer), pause=pause)
    yield client
    await client.close()


async def failed(client):
    with pytest.raises(FetchError) as caught:
        await client.document(PATH)
    return caught.value


@pytest.mark.parametrize("media_type", ["application/octet-stream", "application/pdf"])
async def test_a_document_comes_byte_for_byte_with_its_path_and_moment(client, answers, clock, media_type):
    answers.append(httpx.Response(200, content=PDF, headers={"Content-Type": media_type}))
    document = await client.document(PATH)
    assert (document.path, document.content, document.fetched_at) == (PATH, PDF, clock.now())


async def test_a_document_is_asked_for_as_signed_and_as_octets(client, answers, requests):
    answers.append(httpx.Response(200, content=PDF))
    await client.document(PATH)
    token = requests[0].headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == f"GET {PATH}"
    assert requests[0].headers["Accept"].startswith("application/octet-stream")


async def test_a_document_may_be_larger_than_a_resource_up_to_its_own_cap(client, answers):
    largest = PDF.ljust(MAX_DOCUMENT_BYTES, b" ")
    answers += [httpx.Response(200, content=largest), httpx.Response(200, content=largest + b" ")]
    assert len((await client.document(PATH)).content) == MAX_DOCUMENT_BYTES
    assert (await failed(client)).reason is Reason.TOO_LARGE


async def test_the_cap_of_a_resource_stays_its_own(client, answers):
    answers.append(httpx.Response(200, content=b'"' + b"x" * 1024 * 1024 + b'"'))
    with pytest.raises(FetchError) as caught:
        await client.fetch("/v2/transfers/t-1")
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("body", [b"", b"%PDF", b" %PDF-1.4", b'{"code": "soon"}', b"<html>%PDF-1.4</html>"])
async def test_what_does_not_begin_as_a_pdf_is_invalid(client, answers, body):
    answers.append(httpx.Response(200, content=body, headers={"Content-Type": "application/pdf"}))
    assert (await failed(client)).reason is Reason.INVALID_RESPONSE


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, Reason.REJECTED),
        (401, Reason.AUTH),
        (404, Reason.NOT_FOUND),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
    ],
)
async def test_a_refusal_of_a_document_has_its_reason_and_the_banks_code(client, answers, status, reason):
    answers.append(httpx.Response(status, json={"code": "transfer_not_confirmed", "message": "secret"}))
    error = await failed(client)
    assert (error.reason, error.status) == (reason, status)
    assert "transfer_not_confirmed" in error.detail
    assert "secret" not in error.detail


async def test_a_document_that_does_not_come_in_time_is_a_timeout(client, answers):
    answers.append(httpx.ReadTimeout("https://secret"))
    assert (await failed(client)).reason is Reason.TIMEOUT


async def test_a_document_is_one_of_the_calls_that_the_quota_counts(client, answers):
    spent = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "600"}
    answers.append(httpx.Response(200, content=PDF, headers=spent))
    await client.document(PATH)
    error = await failed(client)
    assert (error.reason, error.retry_after_s) == (Reason.RATE_LIMITED, 600)
