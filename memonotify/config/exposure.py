"""Secrets that others may see: written into the configuration in plain text, or in a file that others may read.

In: the configuration as it is written, and its folder. Out: notes, none of which holds a secret. `memonotify check`
asks, and nothing here keeps the daemon from running.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from memonotify.config.checks import is_loopback
from memonotify.errors import Problem
from memonotify.yamlsource import Document
from memonotify.yamlsource import Path as DataPath

_REFERENCE: Final = re.compile(r"(?<!\$)\$\{(?:env|file|credential):[^{}]*\}")
_FILE: Final = re.compile(r"(?<!\$)\$\{file:([^{}]+)\}")
_PASSWORD_IN_ADDRESS: Final = re.compile(r"://[^/?#@]*:[^/?#]+@|[?&](?:password|passwd|token|secret|key)=[^&]+")
_SECRET_HEADER: Final = re.compile(r"(?i)auth|cookie|token|secret|password|key")
_NO_SECRET_HEADER: Final = frozenset({"idempotency-key"})
_OTHERS: Final = 0o077
"""The rights of the group and of everybody else."""

_HINT: Final = "write ${env:NAME}, ${file:PATH} or ${credential:NAME} in its place"


def exposed_secrets(document: Document, folder: Path) -> Iterator[Problem]:
    """Yield a note for each secret that stands in the file itself, and for each of its files that others may use."""
    data = document.data if isinstance(document.data, dict) else {}
    for path, text in _secrets(data):
        if text.strip() and not _REFERENCE.search(text):
            yield _inline(document, path, f"{_named(path)} stands here in plain text")
    for path, text in _addresses(data):
        # What is left without the references is what stands here.
        if _PASSWORD_IN_ADDRESS.search(_REFERENCE.sub("", text)):
            yield _inline(document, path, f"{_named(path)} holds a password in plain text")
    yield from _readable(document, data, folder)


def _secrets(data: dict[str, Any]) -> Iterator[tuple[DataPath, str]]:
    """Yield every text that is a secret as a whole."""
    found: list[DataPath] = [("admin", "token")]
    for at, workspace in enumerate(_items(data.get("workspaces"))):
        tokens = workspace.get("tokens") if isinstance(workspace, dict) else None
        found += [("workspaces", at, "tokens", index) for index in range(len(_items(tokens)))]
        found += [("workspaces", at, "api", name) for name in ("secret", "private_key")]
    for name, channel in _mapping(data.get("channels")).items():
        found += [("channels", name, "password"), ("channels", name, "signing_secret")]
        found += [
            ("channels", name, "headers", header)
            for header in _mapping(_mapping(channel).get("headers"))
            if _SECRET_HEADER.search(header) and header.lower() not in _NO_SECRET_HEADER
        ]
        if _mapping(channel).get("type") == "slack" and _is_far(_mapping(channel).get("url")):
            # Whoever knows the address of an incoming webhook can post there.
            found.append(("channels", name, "url"))
    for path in found:
        text = _at(data, path)
        if isinstance(text, str):
            yield path, text


def _addresses(data: dict[str, Any]) -> Iterator[tuple[DataPath, str]]:
    """Yield every address that may have a password in it."""
    found: list[DataPath] = [("store",)]
    channels = _mapping(data.get("channels"))
    found += [("channels", name, "url") for name, each in channels.items() if _mapping(each).get("type") != "slack"]
    for path in found:
        text = _at(data, path)
        if isinstance(text, str):
            yield path, text


def _readable(document: Document, data: Any, folder: Path) -> Iterator[Problem]:
    """Yield a note for each file with a secret that its group, or everybody, may do something with."""
    named = [(path, name) for path, text in _texts(data) for name in _FILE.findall(text)]
    key = _at(data, ("server", "tls", "key"))
    if isinstance(key, str) and not _REFERENCE.search(key):
        named.append((("server", "tls", "key"), key))
    for path, name in named:
        mode = _mode(folder / name)
        if mode & _OTHERS:
            message = f"others than its owner may use the file {name} (mode {mode:04o})"
            yield document.problem(path, message, hint=f"chmod 600 {name}", severity="note")


def _texts(data: Any, path: DataPath = ()) -> Iterator[tuple[DataPath, str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(value, (*path, key))
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _texts(value, (*path, at))


def _mode(path: Path) -> int:
    """Return a file's permissions, none where it cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0
    return stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else 0


def _inline(document: Document, path: DataPath, message: str) -> Problem:
    return document.problem(path, message, hint=_HINT, severity="note")


def _named(path: DataPath) -> str:
    """Return how a sentence calls the value: `password`, or item 1 of `tokens`."""
    name = path[-1]
    return f"item {name + 1} of `{path[-2]}`" if isinstance(name, int) else f"`{name}`"


def _is_far(url: Any) -> bool:
    """Whether an address leads to another machine, as far as it is written out."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return False
    return host is not None and not is_loopback(host)


def _at(data: Any, path: DataPath) -> Any:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
