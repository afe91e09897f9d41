"""A mailbox to look at: takes mail by SMTP, Slack messages and HTTP notifications, and keeps the latest of each.

The demo and tests point channels here. `standin.mailboxpage` shows what came in. Nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final, Literal

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from memonotify.model import Clock
from memonotify.standin import slackview
from memonotify.standin.serverlog import SERVER_LOG

MAX_KEPT: Final = 200
_MAX_BYTES: Final = 10 * 1024 * 1024
_PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif"})
Kind = Literal["mail", "slack", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that a mail carried, as the mail describes it."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Something that came in. `title` is one line; `headers` and `body` are as received, `files` only mails have."""

    number: int
    kind: Kind
    at: datetime
    title: str
    recipients: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    text: str = ""
    html: str = ""
    files: tuple[File, ...] = ()
    data: Any = field(default=None)


class Mailbox:
    """Receives on loopback.

    Args:
        clock: the time of arrival.
        listen_host: the address of both listeners.
        smtp_port, http_port: 0 for any free port.
        on_arrival: called with each thing that comes in.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        listen_host: str = "127.0.0.1",
        smtp_port: int = 0,
        http_port: int = 0,
        on_arrival: Callable[[Arrival], None] | None = None,
    ) -> None:
        self._clock = clock
        self._host = listen_host
        self._ports = (smtp_port, http_port)
        self._on_arrival = on_arrival
        self._numbers = itertools.count(1)
        self._smtp: asyncio.Server | None = None
        self._runner: web.AppRunner | None = None
        self.arrivals: deque[Arrival] = deque(maxlen=MAX_KEPT)
        self.smtp_port = smtp_port
        self.http_port = http_port

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{self._host}:{self.http_port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: a port is taken.
        """
        from memonotify.standin.mailboxpage import page_routes

        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(self._smtp_session, self._host, self._ports[0])
        self.smtp_port = self._smtp.sockets[0].getsockname()[1]
        app = web.Application(client_max_size=_MAX_BYTES)
        app.add_routes([web.post("/slack", self._slack), web.route("*", "/hooks/{rest:.*}", self._hook)])
        app.add_routes(page_routes(self))
        self._runner = web.AppRunner(
            app, access_log=None, logger=SERVER_LOG, handle_signals=False, shutdown_timeout=1.0
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._ports[1])
        await site.start()
        self.http_port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and forget nothing."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def find(self, number: int) -> Arrival | None:
        """Return what came in under this number, while it is kept."""
        return next((arrival for arrival in self.arrivals if arrival.number == number), None)

    def _add(self, kind: Kind, title: str, **what: Any) -> None:
        arrival = Arrival(number=next(self._numbers), kind=kind, at=self._clock.now(), title=title, **what)
        self.arrivals.appendleft(arrival)
        if self._on_arrival is not None:
            self._on_arrival(arrival)

    def _smtp_session(self) -> SMTP:
        return SMTP(
            self,
            hostname="mailbox.localhost",
            ident="memonotify mailbox",
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail (called by aiosmtpd)."""
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        message = email.message_from_bytes(content, _class=EmailMessage, policy=email.policy.default)
        self._add(
            "mail",
            str(message.get("Subject", "")),
            recipients=tuple(envelope.rcpt_tos),
            headers=tuple((name, str(value)) for name, value in message.items()),
            body=content,
            text=_part(message, "plain"),
            html=_with_pictures(message, _part(message, "html")),
            files=tuple(_files(message)),
        )
        return "250 taken"

    async def _slack(self, request: web.Request) -> web.Response:
        body = await request.read()
        data = _json(body)
        if not isinstance(data, dict) or not (data.get("text") or data.get("blocks")):
            return web.Response(status=400, text="invalid_payload")
        self._add("slack", slackview.title(data), headers=_headers(request), body=body, data=data)
        return web.Response(text="ok")

    async def _hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._add(
            "http",
            f"{request.method} {request.path_qs}",
            headers=_headers(request),
            body=body,
            text=body.decode("utf-8", "replace"),
            data=_json(body),
        )
        return web.Response(status=204)


def _part(message: EmailMessage, kind: str) -> str:
    found = message.get_body(preferencelist=(kind,))
    return str(found.get_content()) if found is not None else ""


def _with_pictures(message: EmailMessage, html: str) -> str:
    """Return a mail's HTML with the pictures that it carries within, as a client would show it."""
    for part in message.walk():
        name = str(part.get("Content-ID", "")).strip("<> ")
        content = part.get_payload(decode=True)
        if name and part.get_content_type() in _PICTURES and isinstance(content, bytes):
            data = base64.b64encode(content).decode("ascii")
            html = html.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{data}")
    return html


def _files(message: EmailMessage) -> Iterator[File]:
    for part in message.iter_attachments():
        content = part.get_payload(decode=True)
        yield File(
            name=part.get_filename() or "unnamed",
            media_type=part.get_content_type(),
            content=content if isinstance(content, bytes) else b"",
        )


def _headers(request: web.Request) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in request.headers.items() if name.lower() != "authorization")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
