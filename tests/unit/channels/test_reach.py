"""Reaching a receiver: name, connection, certificate, and each failure by its Reason."""

from __future__ import annotations

import asyncio
import ssl

import httpx
import pytest

from memonotify.channels.reach import reach
from memonotify.errors import Reason, SendError


async def _reason(url: str, timeout_s: float = 5.0) -> Reason:
    with pytest.raises(SendError) as caught:
        await reach(httpx.URL(url), ca_file=None, timeout_s=timeout_s)
    assert "s3cret" not in str(caught.value)
    return caught.value.reason


async def test_a_host_whose_name_is_not_known_is_unreachable() -> None:
    assert await _reason("https://no-such-host.invalid/s3cret") is Reason.UNREACHABLE


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    assert await _reason("http://127.0.0.1:1/s3cret") is Reason.UNREACHABLE


async def test_a_server_that_speaks_no_tls_is_a_matter_of_tls_or_of_time() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await _reason(f"https://127.0.0.1:{port}/s3cret") is Reason.TLS
    server.close()


async def test_a_server_that_never_finishes_the_handshake_is_a_timeout() -> None:
    hold = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await _reason(f"https://127.0.0.1:{port}/s3cret", timeout_s=0.1) is Reason.TIMEOUT
    hold.set()
    server.close()


def test_an_error_of_tls_is_one_of_the_system() -> None:
    assert issubclass(ssl.SSLError, OSError)
