"""One mail over one connection: MAIL, RCPT for each recipient, DATA (RFC 5321 §3.3).

Comes in: a connected client and a Letter. Goes out: a Receipt, with a Refusal for each recipient that was refused while
others were taken. The mail channel calls it; each command is given by itself, because what may be repeated depends on
how far the dialogue came.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

import aiosmtplib

from memonotify.channels.email_message import MAX_BYTES, Letter
from memonotify.channels.mailbox import Mailbox
from memonotify.channels.redaction import Redactor
from memonotify.channels.smtp_answers import refused, translated
from memonotify.errors import Reason, SendError
from memonotify.model import Receipt, Refusal

_CLOSING: Final = 421


class Transaction:
    """One try over one connection. `content_sent` tells afterwards whether the server may have the message."""

    def __init__(self, smtp: aiosmtplib.SMTP, letter: Letter, redactor: Redactor) -> None:
        self._smtp = smtp
        self._letter = letter
        self._redactor = redactor
        self.content_sent = False

    async def run(self) -> Receipt:
        """Hand the letter over. The connection is fit for another one afterwards, or closed.

        Raises:
            SendError: nobody got it, as far as is known.
        """
        try:
            return await self._converse()
        except SendError:
            await self._reset()
            raise
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self._smtp.close()
            # `from None`: the library's errors quote the server's words.
            raise self._lost(error) from None
        except BaseException:
            self._smtp.close()
            raise

    async def _converse(self) -> Receipt:
        utf8 = self._letter.needs_utf8 and self._smtp.supports_extension("smtputf8")
        recipients, refusals = self._carried(utf8=utf8)
        message = await self._rendered(utf8=utf8)
        await self._begin(message, utf8=utf8)
        for mailbox in recipients:
            refusal = await self._name(mailbox)
            if refusal is not None:
                refusals.append(refusal)
        if len(refusals) == len(self._letter.recipients):
            raise _all_refused(refusals)
        answer = await self._hand_over(message)
        return Receipt(
            status=answer.code,
            detail=self._redactor.shown(answer.message),
            refusals=(*self._letter.refused, *refusals),
        )

    async def _rendered(self, *, utf8: bool) -> bytes:
        render = partial(self._letter.render, utf8=utf8, taken_bytes=self._taken_bytes() or MAX_BYTES)
        return await asyncio.to_thread(render) if self._letter.is_large else render()

    def _carried(self, *, utf8: bool) -> tuple[Sequence[Mailbox], list[Refusal]]:
        """Split the envelope into what this server can be told, and refusals for the rest."""
        if utf8:
            return self._letter.recipients, []
        if not self._letter.sender.is_ascii:
            raise SendError(Reason.CONFIGURATION, "`from` is not ASCII and the server does not offer SMTPUTF8")
        carried = [mailbox for mailbox in self._letter.recipients if mailbox.is_ascii]
        detail = "the server does not take addresses outside ASCII (SMTPUTF8)"
        refusals = [
            Refusal(recipient=mailbox.address, reason=Reason.REJECTED, detail=detail)
            for mailbox in self._letter.recipients
            if not mailbox.is_ascii
        ]
        if not carried:
            raise SendError(Reason.REJECTED, detail)
        return carried, refusals

    async def _begin(self, message: bytes, *, utf8: bool) -> None:
        options: list[bytes] = []
        taken_bytes = self._taken_bytes()
        if taken_bytes is not None:
            if 0 < taken_bytes < len(message):
                raise SendError(Reason.TOO_LARGE, f"the mail has {len(message)} bytes; the server takes {taken_bytes}")
            options.append(b"SIZE=%d" % len(message))
        if utf8:
            options += [b"BODY=8BITMIME", b"SMTPUTF8"]
        answer = await self._smtp.execute_command(b"MAIL", b"FROM:" + _path(self._letter.sender), *options)
        if not 200 <= answer.code < 300:
            raise refused(answer.code, answer.message, self._redactor, what="the sender was refused")

    def _taken_bytes(self) -> int | None:
        """Return what the server takes at most (RFC 1870), 0 where it names no limit, None where it does not say."""
        size = self._smtp.esmtp_extensions.get("size")
        if size is None:
            return None
        return int(size) if size.isdecimal() else 0

    async def _name(self, mailbox: Mailbox) -> Refusal | None:
        answer = await self._smtp.execute_command(b"RCPT", b"TO:" + _path(mailbox))
        if 200 <= answer.code < 300:
            return None
        if answer.code == _CLOSING or answer.code < 0:
            raise refused(answer.code, answer.message, self._redactor, what="the server closed the dialogue")
        reason = Reason.DEFERRED if 400 <= answer.code < 500 else Reason.REJECTED
        detail = f"{answer.code} {self._redactor.shown(answer.message)}"
        return Refusal(recipient=mailbox.address, reason=reason, status=answer.code, detail=detail)

    async def _hand_over(self, message: bytes) -> aiosmtplib.SMTPResponse:
        self.content_sent = True
        try:
            return await self._smtp.data(message)
        except aiosmtplib.SMTPDataError as error:
            raise refused(error.code, error.message, self._redactor, what="the message was refused") from None

    def _lost(self, error: Exception) -> SendError:
        if self.content_sent and isinstance(error, OSError):
            return SendError(
                Reason.UNREACHABLE,
                "the connection was lost before the server's last answer; the mail may have arrived and go twice",
            )
        return translated(error, self._redactor, what="the server broke the dialogue off")

    async def _reset(self) -> None:
        """Make the connection fit for another letter after a refusal, or close it."""
        if not self._smtp.is_connected:
            return
        try:
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await self._smtp.rset()
                return
        except BaseException:
            self._smtp.close()
            raise
        self._smtp.close()


def _path(mailbox: Mailbox) -> bytes:
    return b"<" + mailbox.address.encode() + b">"


def _all_refused(refusals: Sequence[Refusal]) -> SendError:
    """Return one error for all: worth another try as soon as one of them is."""
    temporary = [refusal for refusal in refusals if refusal.reason is Reason.DEFERRED]
    told = (temporary or refusals)[0]
    others = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
    return SendError(
        told.reason, f"the recipient {told.recipient}{others} was refused: {told.detail}", status=told.status
    )
