"""Whether a receiver's web address can be reached: name, connection and certificate, and nothing sent.

Comes in: the address and the file of certificates to believe. Goes out: nothing, or SendError with its Reason. Slack's
and the HTTP channel's `probe` call it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import httpx

from memonotify.channels.trust import is_tls_failure, tls_context, tls_detail
from memonotify.errors import Reason, SendError


async def reach(url: httpx.URL, *, ca_file: Path | None, timeout_s: float) -> None:
    """Connect to the host of `url` and leave again.

    Raises:
        SendError: UNREACHABLE, TIMEOUT or TLS; its text says which step failed and shows no address.
    """
    is_tls = url.scheme == "https"
    context = await asyncio.to_thread(tls_context, ca_file) if is_tls else None
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(
                url.host,
                url.port or (443 if is_tls else 80),
                ssl=context,
                server_hostname=url.host if is_tls else None,
            )
    except TimeoutError:
        raise SendError(Reason.TIMEOUT, f"no connection within {timeout_s:g} s") from None
    except socket.gaierror:
        raise SendError(Reason.UNREACHABLE, "the host's name is not known") from None
    except OSError as error:
        if is_tls_failure(error):
            raise SendError(Reason.TLS, tls_detail(error)) from None
        raise SendError(Reason.UNREACHABLE, f"no connection: {error.strerror or 'refused'}") from None
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
