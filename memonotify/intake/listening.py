"""Listeners: an address of the configuration in, a server that accepts connections out.

The intake and the composition root call `listen`; both tell what it raises as it stands.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Final

from memonotify import unixsocket
from memonotify.config.values import Listen, Tls
from memonotify.errors import ListenError

_BACKLOG: Final = 1024
_HINTS: Final = {
    errno.EADDRINUSE: "something listens there already; stop it, or choose another address",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
    errno.EACCES: "this user may not listen there",
    errno.EPERM: "this user may not listen there",
    errno.ENOENT: "its folder is not there",
    errno.ENAMETOOLONG: "choose a shorter path",
}


async def listen(
    where: Listen, protocol: Callable[[], asyncio.BaseProtocol], tls: Tls | None = None, *, mode: int = 0o660
) -> asyncio.Server:
    """Open a TCP or unix listener for `protocol`; `mode` is a socket file's, from its first moment.

    Raises:
        ListenError: the address cannot be had, or the certificate cannot be used.
    """
    loop = asyncio.get_running_loop()
    context = None if tls is None else _context(tls)
    try:
        if where.unix is not None:
            bound = unixsocket.bind(where.unix, mode)
            return await loop.create_unix_server(protocol, sock=bound, ssl=context, backlog=_BACKLOG)
        return await loop.create_server(protocol, where.host, where.port, ssl=context, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"cannot listen on {where}: {_why(error)}") from error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or "it cannot be read"
        raise ListenError(f"{tls.certificate} with the key {tls.key} cannot be used for TLS: {reason}") from error
    return context


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name leads to no address"
    number = error.errno or 0
    return _HINTS.get(number) or os.strerror(number)


def bound_address(where: Listen, listener: asyncio.Server | None) -> str:
    """Return where a listener really listens: `host:port`, or `unix:path`."""
    if where.unix is not None or listener is None or not listener.sockets:
        return str(where)
    host, port = listener.sockets[0].getsockname()[:2]
    return str(Listen(host=host, port=port))
