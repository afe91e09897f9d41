"""From what a mail server answered, or from what aiosmtplib raised, to a SendError.

Comes in: an SMTP code and text, or an exception. Goes out: a SendError whose text shows no credential. Facts: RFC 5321
§4.2.1 (4yz come again, 5yz do not), RFC 4954 §6 (530, 534, 535, 538 are about the log-in).
"""

from __future__ import annotations

from typing import Final

import aiosmtplib

from memonotify.channels.redaction import Redactor
from memonotify.channels.trust import is_tls_failure, tls_detail
from memonotify.errors import Reason, SendError

_LOG_IN: Final = frozenset({530, 534, 535, 538})


def reason_of_code(code: int) -> Reason:
    """Return the Reason of an SMTP answer that is no success."""
    if code in _LOG_IN:
        return Reason.AUTH
    if 400 <= code < 500:
        return Reason.DEFERRED
    if 500 <= code < 600:
        return Reason.REJECTED
    return Reason.INVALID_RESPONSE


def refused(code: int, message: str, redactor: Redactor, *, what: str) -> SendError:
    """Return the error for a server that answered `what` with `code`. The library's own -1 means: not SMTP."""
    if code < 0:
        return SendError(Reason.INVALID_RESPONSE, f"{what}: the answer is not SMTP")
    return SendError(reason_of_code(code), f"{what}: {code} {redactor.shown(message)}".rstrip(), status=code)


def translated(error: Exception, redactor: Redactor, *, what: str = "the server refused the connection") -> SendError:
    """Return the error for what aiosmtplib or the network raised."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return refused(error.code, error.message, redactor, what=what)
    if is_tls_failure(error):
        return SendError(Reason.TLS, tls_detail(error))
    # ETIMEDOUT from the network; the channel's own limit is not raised here.
    if isinstance(error, TimeoutError):
        return SendError(Reason.TIMEOUT, "the server did not answer")
    if isinstance(error, aiosmtplib.SMTPConnectError):
        return SendError(Reason.UNREACHABLE, "no connection: the host is unknown, down or refuses")
    if isinstance(error, OSError):
        return SendError(Reason.UNREACHABLE, "the connection was lost")
    if isinstance(error, ValueError):
        return SendError(Reason.CONFIGURATION, "the host, the username or the password cannot be used with SMTP")
    return SendError(Reason.INVALID_RESPONSE, "the server's answers make no SMTP dialogue")
