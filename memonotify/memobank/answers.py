"""What the bank's answers mean: JSON to data, statuses and library errors to Reasons. Called by `client` only.

Nothing here quotes a library's message: those hold URLs, and a server may echo what it was sent.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx

from memonotify.errors import FetchError, Reason, reason_of_status
from memonotify.memobank.clockoffset import parse_http_date
from memonotify.memobank.quota import header_number, seconds_to_reset

_LONGEST_WISH_S: Final = 86400.0
"""However long the bank asks to be left alone, it is asked again after a day."""

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One complete answer: its status, headers (case-insensitive) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300


def decode(body: bytes) -> Any:
    """Return the data of a JSON body.

    Raises:
        FetchError: INVALID_RESPONSE, where it is not UTF-8 JSON, holds NaN or half a surrogate pair, or nests too deep.
    """
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        if b"\\ud" in body.lower():
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise FetchError(Reason.INVALID_RESPONSE, "the bank's answer is not JSON") from None
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def failure(answer: Answer, *, now: datetime, secret: str) -> FetchError:
    """Return the error that an answer other than 2xx stands for.

    The bank's own error code is told where it looks like one and does not hold `secret`.
    """
    code = _error_code(answer.body)
    told = f" ({code})" if code and secret not in code else ""
    return FetchError(
        reason_of_status(answer.status),
        f"the bank answered {answer.status}{told}",
        status=answer.status,
        retry_after_s=_retry_after(answer, now),
    )


def _error_code(body: bytes) -> str:
    try:
        data = decode(body)
    except FetchError:
        return ""
    code = data.get("code") if isinstance(data, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def _retry_after(answer: Answer, now: datetime) -> float | None:
    if answer.status not in {429, 503}:
        return None
    if answer.status == 429 and (reset_s := seconds_to_reset(answer.headers)) is not None:
        return reset_s
    seconds = header_number(answer.headers, "Retry-After")
    if seconds is not None:
        return min(float(seconds), _LONGEST_WISH_S)
    moment = parse_http_date(answer.headers.get("Retry-After", ""))
    return min(max((moment - now).total_seconds(), 0.0), _LONGEST_WISH_S) if moment else None


def translated(error: httpx.HTTPError, timeout_s: float) -> FetchError:
    """Return the error that a failure of the connection stands for."""
    if isinstance(error, httpx.TimeoutException):
        return timed_out(timeout_s)
    if _is_tls(error):
        return FetchError(Reason.TLS, "no secure connection to the bank (certificate or protocol)")
    if isinstance(error, httpx.ConnectError):
        return FetchError(Reason.UNREACHABLE, "no connection to the bank")
    return FetchError(Reason.UNREACHABLE, "the connection to the bank broke off")


def timed_out(timeout_s: float) -> FetchError:
    """Return the error of a call that took longer than it may."""
    return FetchError(Reason.TIMEOUT, f"no complete answer from the bank within {timeout_s:g} s")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
