"""Mail over SMTP, on connections that are encrypted as configured and reused.

Comes in: a payload with `subject`, `text`, perhaps `html`, `to`, `cc`, `reply_to`, `recipients`, and `attach` with each
file's name, type and content. Goes out: a Receipt as soon as one recipient was taken. The same identity gives the same
`Message-ID`, by which a receiver can tell a mail that had to be sent twice.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Mapping
from typing import Any

from memonotify.channels.email_message import Letter, Letterhead, address
from memonotify.channels.mailbox import Mailbox, parse_mailbox
from memonotify.channels.redaction import Redactor
from memonotify.channels.smtp_connections import Connections
from memonotify.channels.smtp_transaction import Transaction
from memonotify.config.values import EmailConfig
from memonotify.errors import Reason, SendError
from memonotify.metrics import Metrics
from memonotify.model import Clock, Receipt


class EmailChannel:
    """One mail server and one sender."""

    type: str = "email"

    def __init__(self, config: EmailConfig, *, clock: Clock, metrics: Metrics) -> None:
        """Make the channel; nothing is connected yet.

        Raises:
            SendError: CONFIGURATION, where `from` is no address.
        """
        self.name = config.name
        self._clock = clock
        self._timeout_s = config.timeout_s
        self._redactor = Redactor(_credentials(config))
        self._letterhead = Letterhead(
            sender=_sender(config.from_), to=config.to, cc=config.cc, reply_to=config.reply_to
        )
        self._slots = asyncio.Semaphore(config.concurrency)
        opened = metrics.smtp_connections.labels(config.name)
        self._connections = Connections(config, clock=clock, redactor=self._redactor, on_open=opened.inc)

    async def send(self, payload: Mapping[str, Any], *, identity: str) -> Receipt:
        """Send one mail to all its recipients.

        Raises:
            SendError: no recipient was taken. UNREACHABLE and TIMEOUT may come after the server has the mail.
        """
        letter = address(payload, self._letterhead, identity=identity, now=self._clock.now())
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                return await self._deliver(letter)
        except TimeoutError as error:
            raise SendError(Reason.TIMEOUT, f"the mail was not taken within {self._timeout_s:g} s") from error

    async def _deliver(self, letter: Letter) -> Receipt:
        smtp = self._connections.take_idle()
        if smtp is not None:
            transaction = Transaction(smtp, letter, self._redactor)
            try:
                return await transaction.run()
            except SendError:
                # A server may close an idle connection at any moment; that says nothing about this mail.
                if smtp.is_connected or transaction.content_sent:
                    raise
            finally:
                self._connections.give_back(smtp)
        smtp = await self._connections.open()
        try:
            return await Transaction(smtp, letter, self._redactor).run()
        finally:
            self._connections.give_back(smtp)

    async def probe(self) -> None:
        """Connect, encrypt and log in as configured, and send nothing.

        Raises:
            SendError: one of these failed.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                self._connections.give_back(await self._connections.open())
        except TimeoutError as error:
            raise SendError(Reason.TIMEOUT, f"no connection within {self._timeout_s:g} s") from error

    async def close(self) -> None:
        """Take leave of the server. Never raises."""
        await self._connections.close()


def _sender(text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except ValueError as error:
        raise SendError(Reason.CONFIGURATION, f"`from` is no mail address: {error}") from error


def _credentials(config: EmailConfig) -> Iterable[str]:
    """Yield the password, and what goes over the wire in its place (AUTH PLAIN and LOGIN)."""
    if config.password is not None:
        password = config.password.reveal()
        yield password
        yield base64.b64encode(password.encode()).decode()
        yield base64.b64encode(f"\0{config.username}\0{password}".encode()).decode()
