"""The connections of one mail channel: opened with the security that is configured and never with less, and reused.

Comes in: the channel's configuration. Goes out: connected, encrypted and logged-in aiosmtplib clients. The mail channel
takes one per message and gives it back; idle ones are closed after 30 seconds. Facts: RFC 5321, RFC 3207 (STARTTLS),
RFC 8314 (implicit TLS), RFC 4954 (AUTH).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Final

import aiosmtplib

from memonotify.channels.redaction import Redactor
from memonotify.channels.smtp_answers import translated
from memonotify.channels.trust import is_tls_failure, tls_context, tls_detail
from memonotify.config.values import EmailConfig
from memonotify.errors import Reason, SendError
from memonotify.model import Clock

IDLE_S: Final = 30.0
_QUIT_S: Final = 2.0


class Connections:
    """Connections to one server. Taking one never waits for another; how many there are is the channel's to bound."""

    def __init__(self, config: EmailConfig, *, clock: Clock, redactor: Redactor, on_open: Callable[[], None]) -> None:
        self._config = config
        self._clock = clock
        self._redactor = redactor
        self._on_open = on_open
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []
        self._context: ssl.SSLContext | None = None
        self._local_name = ""
        self._reaper: asyncio.TimerHandle | None = None
        self._quitting: set[asyncio.Task[None]] = set()

    def take_idle(self) -> aiosmtplib.SMTP | None:
        """Return the connection that was given back last and still stands, or None."""
        self.close_idle()
        while self._idle:
            smtp, _ = self._idle.pop()
            if smtp.is_connected:
                return smtp
        return None

    def give_back(self, smtp: aiosmtplib.SMTP) -> None:
        """Keep a connection for the next message, if it still stands."""
        if not smtp.is_connected:
            return
        self._idle.append((smtp, self._clock.monotonic()))
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(IDLE_S, self._reap)

    def close_idle(self) -> None:
        """Take leave of connections that were idle for 30 seconds."""
        oldest = self._clock.monotonic() - IDLE_S
        while self._idle and self._idle[0][1] <= oldest:
            self._quit(self._idle.pop(0)[0])

    def _reap(self) -> None:
        self._reaper = None
        self.close_idle()
        if self._idle:
            self._reaper = asyncio.get_running_loop().call_later(IDLE_S, self._reap)

    async def open(self) -> aiosmtplib.SMTP:
        """Return a new connection, encrypted and logged in as configured.

        Raises:
            SendError: it could not be had that way; TLS where encryption is asked for and not given.
        """
        config = self._config
        if config.security != "none" and self._context is None:
            self._context = await asyncio.to_thread(tls_context, config.ca_file)
        # The channel's own time limit covers the whole message, so the library's stay off.
        smtp = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            use_tls=config.security == "tls",
            start_tls=False,
            tls_context=self._context,
            local_hostname=await self._own_name(),
            timeout=None,
        )
        try:
            await smtp.connect()
            self._on_open()
            if config.security == "starttls":
                await self._start_tls(smtp)
            if config.username:
                await self._log_in(smtp)
            elif smtp.is_ehlo_or_helo_needed:
                await _greet(smtp)
        except SendError:
            smtp.close()
            raise
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            smtp.close()
            # `from None`, here and below: the library's errors quote the server's words.
            raise translated(error, self._redactor) from None
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def _start_tls(self, smtp: aiosmtplib.SMTP) -> None:
        await _greet(smtp)
        if not smtp.supports_extension("starttls"):
            raise SendError(
                Reason.TLS, "the server offers no STARTTLS; nothing was sent. Use `security: tls` or another port"
            )
        try:
            await smtp.starttls()
        except aiosmtplib.SMTPResponseException as error:
            said = self._redactor.shown(error.message)
            raise SendError(
                Reason.TLS, f"the server refused STARTTLS, nothing was sent: {error.code} {said}", status=error.code
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            detail = tls_detail(error) if is_tls_failure(error) else "the connection was lost while TLS began"
            raise SendError(Reason.TLS, detail) from None
        if smtp.get_transport_info("sslcontext") is None:
            raise SendError(Reason.TLS, "the connection is not encrypted after STARTTLS; nothing was sent")
        # What the server said in the clear counts for nothing: it is asked again (RFC 3207 §4.2).
        await _greet(smtp)

    async def _log_in(self, smtp: aiosmtplib.SMTP) -> None:
        if smtp.is_ehlo_or_helo_needed:
            await _greet(smtp)
        if not smtp.supported_auth_methods:
            raise SendError(
                Reason.AUTH, "the server offers no log-in of a kind that is known here (CRAM-MD5, PLAIN, LOGIN)"
            )
        password = self._config.password.reveal() if self._config.password is not None else ""
        try:
            await smtp.login(self._config.username, password)
        except aiosmtplib.SMTPAuthenticationError as error:
            reason = Reason.DEFERRED if 400 <= error.code < 500 else Reason.AUTH
            said = self._redactor.shown(error.message)
            raise SendError(reason, f"the log-in was refused: {error.code} {said}", status=error.code) from None

    async def _own_name(self) -> str:
        """Return the name for EHLO: this host's, or an address literal where that has no dot (RFC 5321 §4.1.3)."""
        if not self._local_name:
            name = socket.gethostname()
            if "." not in name:
                name = await asyncio.to_thread(socket.getfqdn)
            usable = "." in name and name.isascii() and name.isprintable() and " " not in name
            self._local_name = name if usable else "[127.0.0.1]"
        return self._local_name

    def _quit(self, smtp: aiosmtplib.SMTP) -> None:
        task = asyncio.ensure_future(_leave(smtp))
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)

    async def close(self) -> None:
        """Take leave of all idle connections, for two seconds at most. Never raises."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        while self._idle:
            self._quit(self._idle.pop()[0])
        if self._quitting:
            await asyncio.wait(self._quitting)


async def _greet(smtp: aiosmtplib.SMTP) -> None:
    """Say EHLO, or HELO to a server that knows no better."""
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not smtp.is_connected:
            raise
        await smtp.helo()


async def _leave(smtp: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await smtp.quit(timeout=_QUIT_S)
    smtp.close()
