"""The client of the bank's API: signed calls, one resource at a time, within the bank's quota and by the bank's clock.

In: a workspace's API settings and a path under `/v2/`. Out: a Snapshot, a Document or plain JSON data, or a FetchError
whose Reason says whether to come again. Retries belong to the caller, but for one: a 401 that a wrong clock explains.
Called by the engine, by look-ups, and by whatever manages webhooks.
"""

from __future__ import annotations

import asyncio
import json as json_text
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx

from memonotify import __version__
from memonotify.config.values import BankApi
from memonotify.errors import FetchError, Reason
from memonotify.memobank.answers import Answer, decode, failure, timed_out, translated
from memonotify.memobank.clockoffset import ClockOffset
from memonotify.memobank.quota import Quota
from memonotify.memobank.share import Leave, Share
from memonotify.memobank.signer import Signer, new_token_id
from memonotify.memobank.target import checked_target
from memonotify.metrics import Metrics
from memonotify.model import Clock, Document, QuotaTold, Snapshot

MAX_DOCUMENT_BYTES: Final = 5 * 1024 * 1024
"""The largest document that is taken; with what mail adds to it, it stays below what a mail may have."""

_MAX_BYTES: Final = 1024 * 1024
_CONCURRENCY: Final = 8
_PATIENCE_S: Final = 10.0
_TELLING_OFFSET_S: Final = 2.0
_PDF: Final = b"%PDF-"

_JSON_WANTED: Final = "application/json"
# The bank calls its documents octets; what it says of a failure is JSON all the same.
_DOCUMENT_WANTED: Final = "application/octet-stream, application/pdf, application/json;q=0.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What is asked: `target` is the path with its query; of the answer `max_bytes` are read at most."""

    method: str
    target: str
    body: bytes | None = None
    wanted: str = _JSON_WANTED
    max_bytes: int = _MAX_BYTES


class BankClient:
    """Calls the API of one workspace. Safe to use concurrently; at most eight calls are under way.

    `clock_offset_s` is the bank's clock minus ours as measured, `quota` what is left as the bank told it. `pause` waits
    for a quota that resets soon; one that resets later is a RATE_LIMITED without a call. `share` is this node's portion
    of a quota that several nodes call with.

    Resources: keeps connections open until `close`.

    Raises:
        FetchError: CONFIGURATION, where the private key cannot be used.
    """

    def __init__(
        self,
        workspace: str,
        api: BankApi,
        *,
        clock: Clock,
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_id: Callable[[], str] = new_token_id,
        share: Share | None = None,
    ) -> None:
        self._workspace = workspace
        self._timeout_s = api.timeout_s
        self._secret = api.secret
        self._clock = clock
        self._metrics = metrics
        self._pause = pause
        self._base = httpx.URL(api.base_url)
        host = self._base.raw_host.decode("ascii")
        self._signer = Signer(api.thumbprint, api.secret, api.private_key, host, new_id=new_id)
        self._offset = ClockOffset()
        self.quota = Quota()
        self._share = share
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._first = asyncio.Lock()
        self._acquainted = False
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(api.timeout_s),
            limits=httpx.Limits(max_connections=_CONCURRENCY, max_keepalive_connections=_CONCURRENCY),
            follow_redirects=False,
            trust_env=False,
            # Identity, so that the cap on what is read holds for what is kept as well.
            headers={"User-Agent": f"memonotify/{__version__}", "Accept-Encoding": "identity"},
        )

    @property
    def clock_offset_s(self) -> float:
        """The bank's clock minus ours, in seconds; 0.0 while below a second."""
        return self._offset.seconds

    async def fetch(self, path: str) -> Snapshot:
        """Get one resource or list and return it with the moment it was had.

        Raises:
            FetchError: for every way not to get it; NOT_FOUND where the bank does not know it.
        """
        answer = await self._call(_Call(method="GET", target=path))
        data = decode(answer.body)
        if not isinstance(data, dict | list):
            raise FetchError(Reason.INVALID_RESPONSE, "the bank's answer is JSON but neither object nor list")
        return Snapshot(path=path, fetched_at=self._clock.now(), status=answer.status, body=data)

    async def document(self, path: str) -> Document:
        """Get a file that the bank makes, such as the proof of a transfer: a PDF of 5 MiB at most.

        Raises:
            FetchError: as `fetch`; INVALID_RESPONSE where it is no PDF, TOO_LARGE where it is larger.
        """
        call = _Call(method="GET", target=path, wanted=_DOCUMENT_WANTED, max_bytes=MAX_DOCUMENT_BYTES)
        answer = await self._call(call)
        if not answer.body.startswith(_PDF):
            raise FetchError(Reason.INVALID_RESPONSE, "the bank's answer is not a PDF")
        return Document(path=path, fetched_at=self._clock.now(), content=answer.body)

    async def request(self, method: str, path: str, *, json: Any = None) -> Any:
        """Make any call; `json` becomes the body unless None. Returns the answer's data, None where it has no body.

        Raises:
            FetchError: as `fetch`.
        """
        body = None if json is None else json_text.dumps(json, ensure_ascii=False, separators=(",", ":")).encode()
        answer = await self._call(_Call(method=method.upper(), target=path, body=body))
        return decode(answer.body) if answer.body else None

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def _call(self, call: _Call) -> Answer:
        began = self._clock.monotonic()
        try:
            checked_target(call.target)
            answer = await self._within_quota(call)
        except FetchError as error:
            self._metrics.fetches.labels(self._workspace, error.reason).inc()
            raise
        finally:
            self._metrics.fetch_seconds.observe(max(self._clock.monotonic() - began, 0.0))
        self._metrics.fetches.labels(self._workspace, "ok").inc()
        return answer

    async def _within_quota(self, call: _Call) -> Answer:
        async with self._slots:
            signed_with_s = self._offset.seconds
            answer = await self._exchange(call)
            if answer.status == 401 and abs(self._offset.seconds - signed_with_s) > _TELLING_OFFSET_S:
                answer = await self._exchange(call)
        if answer.is_success:
            return answer
        raise failure(answer, now=self._clock.now(), secret=self._secret.reveal())

    async def _leave(self) -> Leave:
        """Wait until a call may go, both by what this node knows and by its portion of what the nodes share."""
        patience_s = _PATIENCE_S
        while True:
            wait_s = self.quota.wait_s(self._clock.monotonic())
            if wait_s <= 0:
                if self._share is None:
                    return Leave.CALL
                # Nothing is waited for between both answers and the call, so neither is out of date.
                if (leave := self._share.take()) is not Leave.NONE:
                    return leave
                wait_s = await self._share.draw()
            if wait_s > patience_s:
                raise FetchError(Reason.RATE_LIMITED, "the bank's quota is spent", retry_after_s=wait_s)
            if wait_s > 0:
                patience_s -= wait_s
                await self._pause(wait_s)

    async def _exchange(self, call: _Call) -> Answer:
        if not self._acquainted:
            # The very first call goes alone: its answer brings the quota and the bank's clock for all that follow.
            async with self._first:
                if not self._acquainted:
                    try:
                        return await self._exchange_now(call)
                    finally:
                        self._acquainted = True
        return await self._exchange_now(call)

    async def _exchange_now(self, call: _Call) -> Answer:
        leave = await self._leave()
        if self._share is None or leave is not Leave.TRIAL:
            return await self._counted(call)
        try:
            answer = await self._counted(call)
        except FetchError:
            await self._share.tell()
            raise
        await self._share.tell()
        return answer

    async def _counted(self, call: _Call) -> Answer:
        self.quota.begin()
        answered = False
        try:
            sent_at, began = self._clock.now(), self._clock.monotonic()
            answer = await self._send(self._signed(call, sent_at), call.max_bytes)
            answered = True
            self._learn(answer, sent_at, self._clock.monotonic() - began)
        finally:
            self.quota.end(answered=answered)
        return answer

    def _signed(self, call: _Call, now: datetime) -> httpx.Request:
        headers = {"Accept": call.wanted}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            url = self._base.join(call.target)
            request = self._http.build_request(call.method, url, content=call.body, headers=headers)
        except (httpx.InvalidURL, ValueError):
            raise FetchError(Reason.REJECTED, "the API path cannot be written as a URL") from None
        # What is signed is what the library really sends, whatever it percent-encoded.
        on_the_wire = request.url.raw_path.decode("ascii")
        token = self._signer.token(call.method, on_the_wire, call.body, now + timedelta(seconds=self._offset.seconds))
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    async def _send(self, request: httpx.Request, max_bytes: int) -> Answer:
        try:
            # The library's own limits are per read; a server that drips would hold a slot for ever.
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request, stream=True)
                try:
                    body = await self._read(response, max_bytes)
                    return Answer(status=response.status_code, headers=response.headers, body=body)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise timed_out(self._timeout_s) from None
        except httpx.HTTPError as error:
            raise translated(error, self._timeout_s) from None

    async def _read(self, response: httpx.Response, max_bytes: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            if response.is_success:
                raise FetchError(Reason.INVALID_RESPONSE, "the bank's answer is compressed, which was not asked for")
            return b""
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > max_bytes:
                if response.is_success:
                    raise FetchError(Reason.TOO_LARGE, f"the bank's answer is over {max_bytes} bytes")
                # The status says all that counts.
                break
        return bytes(body)

    def _learn(self, answer: Answer, sent_at: datetime, elapsed_s: float) -> None:
        self._offset.observe(answer.headers.get("Date"), sent_at=sent_at, elapsed_s=elapsed_s)
        reset_s = self.quota.observe(answer.headers, now=self._clock.monotonic(), refused=answer.status == 429)
        if self._share is not None and reset_s is not None and (spare := self.quota.spare) is not None:
            # The seconds are whole ones: none may be most of one.
            resets_at = self._clock.now() + timedelta(seconds=max(reset_s, 1.0))
            self._share.hear(QuotaTold(left=spare, resets_at=resets_at, asked_at=sent_at))
        self._metrics.clock_offset.labels(self._workspace).set(self._offset.seconds)
        if self.quota.remaining is not None:
            self._metrics.quota_remaining.labels(self._workspace).set(self.quota.remaining)
