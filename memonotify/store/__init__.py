"""The store: everything that must survive a crash.

`Store` is loaded when it is first asked for, because it brings SQLAlchemy; what a command needs to find a running
daemon (`control_socket`, `is_locked`) is light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memonotify.store.lock import control_socket, is_locked, is_shared

if TYPE_CHECKING:
    from memonotify.store.store import Store

__all__ = ["Store", "control_socket", "is_locked", "is_shared"]


def __getattr__(name: str) -> Any:
    if name == "Store":
        from memonotify.store.store import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
