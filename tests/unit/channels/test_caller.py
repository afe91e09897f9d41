"""What httpx raises becomes a SendError, and nothing that a library says is shown."""

from __future__ import annotations

import ssl
import traceback
from collections.abc import AsyncIterator

import httpx
import pytest
from fakes import ManualClock

from memonotify.channels.caller import MAX_ANSWER_BYTES, MAX_BODY_BYTES, Caller
from memonotify.channels.redaction import Redactor
from memonotify.errors import Reason, SendError

URL = httpx.URL("https://erp.example.com/hooks?token=s3cret")


def caller(transport: httpx.AsyncBaseTransport) -> Caller:
    return Caller(timeout_s=5.0, concurrency=1, redactor=Redactor(["s3cret"]), clock=ManualClock(), transport=transport)


class Failing(httpx.AsyncBaseTransport):
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error

    async def aclose(self) -> None:
        raise self._error


def because_of_tls() -> httpx.ConnectError:
    error = httpx.ConnectError("s3cret")
    error.__cause__ = ssl.SSLCertVerificationError(1, "certificate verify failed")
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectTimeout("s3cret"), Reason.TIMEOUT),
        (httpx.ReadTimeout("s3cret"), Reason.TIMEOUT),
        (httpx.PoolTimeout("s3cret"), Reason.TIMEOUT),
        (httpx.ConnectError("s3cret"), Reason.UNREACHABLE),
        (because_of_tls(), Reason.TLS),
        (httpx.ReadError("s3cret"), Reason.UNREACHABLE),
        (httpx.WriteError("s3cret"), Reason.UNREACHABLE),
        (httpx.RemoteProtocolError("s3cret"), Reason.UNREACHABLE),
        (httpx.LocalProtocolError("Illegal header value b's3cret'"), Reason.CONFIGURATION),
        (httpx.UnsupportedProtocol("s3cret"), Reason.CONFIGURATION),
    ],
)
async def test_an_error_of_the_library_gives_its_reason_and_none_of_its_words(
    error: httpx.HTTPError, reason: Reason
) -> None:
    with pytest.raises(SendError) as caught:
        await caller(Failing(error)).call("POST", URL, [], b"x")
    assert caught.value.reason is reason
    shown = "".join(traceback.format_exception(caught.value)) if reason is not Reason.TIMEOUT else str(caught.value)
    assert "s3cret" not in shown


async def test_a_message_over_ten_mebibytes_is_not_sent() -> None:
    transport = httpx.MockTransport(lambda request: pytest.fail("it was sent"))
    with pytest.raises(SendError) as caught:
        await caller(transport).call("POST", URL, [], b"x" * (MAX_BODY_BYTES + 1))
    assert caught.value.reason is Reason.TOO_LARGE


async def test_no_more_than_64_kib_of_an_answer_are_read() -> None:
    class Endless(httpx.AsyncByteStream):
        read = 0
        closed = False

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                self.read += 1000
                yield b"x" * 1000

        async def aclose(self) -> None:
            self.closed = True

    stream = Endless()
    answer = await caller(httpx.MockTransport(lambda request: httpx.Response(200, stream=stream))).call(
        "POST", URL, [], b""
    )
    assert len(answer.body) == MAX_ANSWER_BYTES
    assert stream.read < MAX_ANSWER_BYTES + 1000
    assert stream.closed


async def test_closing_never_raises() -> None:
    await caller(Failing(OSError("s3cret"))).close()
    await caller(Failing(httpx.ReadError("s3cret"))).close()
