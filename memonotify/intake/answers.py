"""Answers: a status and a code in, what aiohttp sends out.

The intake's server and each connection call it. Errors have the contract's form, `{"code": "…", "message": "…"}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from aiohttp.web_request import BaseRequest


class Fixed(web.StreamResponse):
    """An answer that is always the same bytes.

    aiohttp builds a response's headers anew each time, which costs as much as reading an event. This one keeps no
    state, so one object answers every request of its kind.
    """

    def __init__(self, status: int, raw: bytes, *, keep_alive: bool) -> None:
        super().__init__(status=status)
        self._keep_alive = keep_alive
        self._bytes = raw

    async def prepare(self, request: BaseRequest) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the caller is gone")
        transport.write(self._bytes)

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: all of it is written."""


def error_body(code: str, message: str) -> bytes:
    """Return the body of an error."""
    return json.dumps({"code": code, "message": message}).encode()


def last_answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of an error after which the connection is closed."""
    body = error_body(code, message)
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
