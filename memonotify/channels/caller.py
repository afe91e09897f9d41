"""One call to a web address: what Slack's and the HTTP channel's calls have in common.

Comes in: a method, an address, headers and a body. Goes out: the status and at most 64 KiB of the answer, or SendError
with a Reason. One Caller per channel keeps the connections to its receiver. It stands on httpx's transport, below the
client: no redirects, no cookies, no proxies from the environment, and no library's log line that shows the address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from memonotify import __version__
from memonotify.channels.redaction import Redactor
from memonotify.channels.retry_after import retry_after_s
from memonotify.channels.trust import is_tls_failure, tls_context, tls_detail
from memonotify.errors import Reason, SendError, reason_of_status
from memonotify.model import Clock

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 10 * 1024 * 1024
# Just under the five seconds after which widespread servers close an idle connection: losing that race costs a retry.
_IDLE_S: Final = 4.0
USER_AGENT: Final = f"memonotify/{__version__}"

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver answered: a 2xx status, and the first 64 KiB of the body as it came."""

    status: int
    body: bytes


class Caller:
    """Calls one receiver. Safe to use concurrently; `timeout_s` bounds a whole call, connecting included."""

    def __init__(
        self,
        *,
        timeout_s: float,
        concurrency: int,
        redactor: Redactor,
        clock: Clock,
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._limits = httpx.Limits(
            max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=_IDLE_S
        )
        self._redactor = redactor
        self._clock = clock
        self._ca_file = ca_file
        self._transport = transport
        self._opening = asyncio.Lock()
        self._extensions = {"timeout": httpx.Timeout(timeout_s).as_dict()}

    async def call(self, method: str, url: httpx.URL, headers: RawHeaders, body: bytes) -> Answer:
        """Send one request and return its 2xx answer.

        Raises:
            SendError: everything else, with the answer's status and `Retry-After` where there was one.
        """
        if len(body) > MAX_BODY_BYTES:
            raise SendError(Reason.TOO_LARGE, f"the message has {len(body)} bytes; {MAX_BODY_BYTES} are the most")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(method, url, headers, body)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise SendError(Reason.TIMEOUT, f"no complete answer within {self._timeout_s:g} s") from error
        # Not `from error` below: the library's texts quote header values and the receiver's words.
        except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise SendError(
                Reason.CONFIGURATION, "the channel's url, method or headers make no valid request"
            ) from None
        except httpx.RemoteProtocolError:
            raise SendError(
                Reason.UNREACHABLE, "the connection was closed before an answer, or the answer is not HTTP"
            ) from None
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    async def _exchange(self, method: str, url: httpx.URL, headers: RawHeaders, body: bytes) -> Answer:
        transport = self._transport or await self._open(url)
        request = httpx.Request(method, url, headers=list(headers), content=body, extensions=self._extensions)
        response = await transport.handle_async_request(request)
        try:
            answer = await _read(response)
        finally:
            await response.aclose()
        if 200 <= response.status_code < 300:
            return Answer(status=response.status_code, body=answer)
        raise SendError(
            reason_of_status(response.status_code),
            self._refusal(response.status_code, answer),
            status=response.status_code,
            retry_after_s=retry_after_s(response.headers.get("retry-after"), self._clock.now()),
        )

    async def _open(self, url: httpx.URL) -> httpx.AsyncBaseTransport:
        async with self._opening:
            if self._transport is None:
                # Without TLS nothing is verified, and reading the certificates would cost 10 ms for nothing.
                verify = await asyncio.to_thread(tls_context, self._ca_file) if url.scheme == "https" else False
                self._transport = httpx.AsyncHTTPTransport(verify=verify, limits=self._limits, trust_env=False)
        return self._transport

    def _refusal(self, status: int, answer: bytes) -> str:
        said = self._redactor.shown(answer)
        return f"answered {status}: {said}" if said else f"answered {status}"

    @staticmethod
    def _unreachable(error: httpx.HTTPError) -> SendError:
        if is_tls_failure(error):
            return SendError(Reason.TLS, tls_detail(error))
        if isinstance(error, httpx.ConnectError):
            return SendError(Reason.UNREACHABLE, "no connection: the host is unknown, down or refuses")
        return SendError(Reason.UNREACHABLE, "the connection broke")

    async def close(self) -> None:
        """Close all connections. Never raises."""
        transport, self._transport = self._transport, None
        if transport is not None:
            try:
                await transport.aclose()
            except (httpx.HTTPError, OSError, RuntimeError):
                return


async def _read(response: httpx.Response) -> bytes:
    """Return the body as it came, 64 KiB of it at most; the rest is left unread and the connection given up."""
    chunks: list[bytes] = []
    size = 0
    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - an async transport gives no other
    async for chunk in response.stream:
        chunks.append(chunk)
        size += len(chunk)
        if size >= MAX_ANSWER_BYTES:
            break
    return b"".join(chunks)[:MAX_ANSWER_BYTES]
