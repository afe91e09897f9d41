"""A receiver over HTTP: JSON or text with the configured method and headers, and Standard Webhooks headers.

Comes in: `{"json": any}` or `{"body": str}`, perhaps `path`, `headers` and `severity`. Goes out: a Receipt for any 2xx.
The message's identity is its `webhook-id`, the same on every try, so that the receiver can drop what it has already
seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from memonotify.channels.caller import USER_AGENT, Caller
from memonotify.channels.header_text import clean, is_name
from memonotify.channels.reach import reach
from memonotify.channels.redaction import Redactor
from memonotify.channels.signing import Signer
from memonotify.channels.web_address import basic_credentials, parse_address, secrets_of, with_path
from memonotify.config.values import HttpConfig
from memonotify.errors import Reason, SendError
from memonotify.model import Clock, Receipt

_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection", "te", "trailer", "upgrade", "expect"})
_PUBLIC: Final = frozenset({"accept", "content-type", "user-agent"})
_MAX_HEADER: Final = 4096
_SEVERITY: Final = "x-memonotify-severity"


class HttpChannel:
    """One HTTP receiver."""

    type: str = "http"

    def __init__(self, config: HttpConfig, *, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Make the channel; nothing is connected yet.

        Raises:
            SendError: CONFIGURATION, where the url or the signing secret is none.
        """
        self.name = config.name
        self._method = config.method
        self._clock = clock
        self._url = parse_address(config.url)
        self._signer = Signer(config.signing_secret)
        values = {name.lower(): secret.reveal() for name, secret in config.headers.items()}
        secrets = [*secrets_of(self._url), *(value for name, value in values.items() if name not in _PUBLIC)]
        if config.signing_secret is not None:
            secrets.append(config.signing_secret.reveal())
        self._ca_file = config.ca_file
        self._timeout_s = config.timeout_s
        self._redactor = Redactor(secrets)
        self._headers = self._standing_headers(values)
        self._caller = Caller(
            timeout_s=config.timeout_s,
            concurrency=config.concurrency,
            redactor=self._redactor,
            clock=clock,
            ca_file=config.ca_file,
            transport=transport,
        )

    def _standing_headers(self, configured: Mapping[str, str]) -> dict[bytes, bytes]:
        headers = {b"user-agent": USER_AGENT.encode(), b"accept-encoding": b"identity"}
        credentials = basic_credentials(self._url)
        if credentials is not None:
            headers[b"authorization"] = credentials
        headers.update(_encoded(name, value) for name, value in configured.items() if not _is_reserved(name))
        return headers

    async def send(self, payload: Mapping[str, Any], *, identity: str) -> Receipt:
        """Send one message.

        Raises:
            SendError: it was not taken; TEMPLATE where the payload makes no request that stays on the address.
        """
        content_type, body = _body_of(payload)
        headers = {b"content-type": content_type} | self._headers
        if payload.get("severity"):
            headers.update([_encoded(_SEVERITY, str(payload["severity"]))])
        for name, value in (payload.get("headers") or {}).items():
            lowered = name.lower()
            if not is_name(name):
                raise SendError(Reason.TEMPLATE, f"{clean(name, max_characters=60)!r} is not a header's name")
            if lowered != "host" and not _is_reserved(lowered):
                headers.update([_encoded(lowered, str(value))])
        path = payload.get("path")
        url = with_path(self._url, path) if path else self._url
        signed = self._signer.headers(identity, self._clock.now(), body)
        answer = await self._caller.call(self._method, url, [*headers.items(), *signed], body)
        return Receipt(status=answer.status, detail=self._redactor.shown(answer.body) if answer.body else "")

    async def probe(self) -> None:
        """Connect to the receiver's host, and send nothing.

        Raises:
            SendError: it cannot be reached, or its certificate is not accepted.
        """
        await reach(self._url, ca_file=self._ca_file, timeout_s=self._timeout_s)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._caller.close()


def _is_reserved(name: str) -> bool:
    """Return whether a header is ours to write: those that frame the request or identify and sign the message."""
    return name in _FRAMING or name.startswith("webhook-")


def _encoded(name: str, value: str) -> tuple[bytes, bytes]:
    return name.encode("ascii"), clean(value, max_characters=_MAX_HEADER).encode()


def _body_of(payload: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Return the content type and the bytes of what is sent."""
    if "json" in payload:
        try:
            text = json.dumps(payload["json"], ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except (ValueError, TypeError) as error:
            raise SendError(Reason.TEMPLATE, "`json` holds a value that JSON cannot carry") from error
        return b"application/json", text.encode("utf-8", "replace")
    if "body" in payload:
        return b"text/plain; charset=utf-8", str(payload["body"]).encode("utf-8", "replace")
    raise SendError(Reason.TEMPLATE, "the message has neither `json` nor `body`")
