"""Real receivers on port 0 for tests of channels: an SMTP server (aiosmtpd) and a web server (aiohttp), both scripted.

A test sets `answer` to say how the next messages are met; what arrived is kept in `got`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SMTP_PASSWORD = "correct-horse-battery"


@dataclass
class Certificate:
    """A throwaway certificate for 127.0.0.1 that signs itself; `file` holds it for a client to trust."""

    file: Path
    context: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return Certificate(file=public, context=context)


@dataclass
class Mail:
    sender: str
    recipients: list[str]
    content: bytes
    options: list[str]
    encrypted: bool


@dataclass
class MailServer:
    """An SMTP server. `on_mail`, `on_recipient(address)` and `on_data` give the answer, or None for the usual one."""

    on_mail: Callable[[], str | None] = lambda: None
    on_recipient: Callable[[str], str | None] = lambda address: None
    on_data: Callable[[], str | None] = lambda: None
    on_login: Callable[[bytes, bytes], str | None] = lambda login, password: None
    drops_after_data: bool = False
    hangs: bool = False
    got: list[Mail] = field(default_factory=list)
    sessions: list[SMTP] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            smtp = SMTP(self, hostname="mx.test", loop=loop, authenticator=self._log_in, **options)
            self.sessions.append(smtp)
            return smtp

        self._server = await loop.create_server(session, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for session in self.sessions:
            if session.transport is not None:
                session.transport.abort()
            coroutine = session._handler_coroutine
            if coroutine is not None:
                coroutine.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await coroutine

    def hang_up(self, last_words: bytes = b"") -> None:
        """Close every connection, as a server does with idle ones."""
        for session in self.sessions:
            if session.transport is not None:
                session.transport.write(last_words)
                session.transport.close()

    def _log_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        answer = self.on_login(data.login, data.password)
        if answer is not None:
            return AuthResult(success=False, handled=False, message=answer)
        return AuthResult(success=True)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        answer = self.on_mail()
        if answer is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer or "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        answer = self.on_recipient(address)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.hangs:
            await asyncio.Event().wait()
        answer = self.on_data()
        if answer is not None:
            return answer
        self.got.append(
            Mail(
                sender=envelope.mail_from,
                recipients=list(envelope.rcpt_tos),
                content=envelope.content,
                options=list(envelope.mail_options),
                encrypted=session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            )
        )
        if self.drops_after_data:
            server.transport.abort()
        return "250 queued as 4711"


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebServer:
    """A web server. `answer(call)` makes the response; None breaks the connection."""

    answer: Callable[[Call], web.StreamResponse | None] = lambda call: web.Response(text="ok")
    hangs: bool = False
    got: list[Call] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    port: int = 0
    _runner: web.ServerRunner | None = None

    async def start(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        call = Call(
            request.method, request.path_qs, {k.lower(): v for k, v in request.headers.items()}, await request.read()
        )
        self.got.append(call)
        if self.hangs:
            await asyncio.Event().wait()
        response = self.answer(call)
        if response is None:
            request.transport.abort()
            return web.Response()
        return response
