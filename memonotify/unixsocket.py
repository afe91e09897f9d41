"""Unix sockets whose path may be long, and whose file has its permissions from its first moment.

In: a path; out: a bound socket, or a name of the path that `connect` takes. The listeners and the commands call it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LONGEST: Final = 107 if sys.platform == "linux" else 103
"""Bytes that fit into a socket's address (unix(7)), without the zero at its end."""

_CONNECT_S: Final = 1.0


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name of the path that fits into a socket's address; it holds as long as the context.

    A path that is too long is reached through its folder's descriptor, as Linux shows it under /proc/self/fd.

    Raises:
        OSError: the folder is not there, or the file's own name is too long already.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name = f"/proc/self/fd/{folder}/{path.name}"
        if len(os.fsencode(name)) > LONGEST or not Path("/proc/self/fd").exists():
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
        yield name
    finally:
        os.close(folder)


def bind(path: Path, mode: int) -> socket.socket:
    """Return a socket bound to the path, not listening yet; its file has `mode` and never had more.

    A socket file that a dead process left behind is replaced.

    Raises:
        OSError: EADDRINUSE where a living process listens there or the file is no socket; else what bind(2) says.
    """
    with reachable(path) as name:
        _remove_stale(path, name)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Linux gives the new file the socket's own mode, less the umask; elsewhere this is refused.
            with contextlib.suppress(OSError):
                os.fchmod(made.fileno(), mode)
            made.bind(name)
            path.chmod(mode)
        except BaseException:
            made.close()
            raise
    return made


def _remove_stale(path: Path, name: str) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_CONNECT_S)
            probe.connect(name)
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), str(path))
