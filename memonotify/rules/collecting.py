"""Keeps the garbage collector from looking through what a load makes while it makes it. The loaders call it.

Loading makes hundreds of thousands of objects that stay, and no circles to speak of: looking through all of them again
and again takes a third of the time that ten thousand rules take.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MANY: Final = 200_000
"""Objects."""

_LOCK = threading.Lock()
_loading = 0
_was_on = False
_is_frozen = False


def freeze_what_is_there() -> None:
    """Collect once, then take what is there out of the collector's sight, until a load makes as much again."""
    global _is_frozen  # noqa: PLW0603 - the collector is the process's own
    gc.collect()
    gc.freeze()
    _is_frozen = True


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage within; several loads may run at once, and the last one turns it on again."""
    global _loading, _was_on  # noqa: PLW0603 - the collector is the process's own
    with _LOCK:
        if _loading == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _loading += 1
    try:
        yield
    finally:
        with _LOCK:
            _loading -= 1
            if _loading == 0 and _was_on:
                _keep_what_is_new()
                gc.enable()


def _keep_what_is_new() -> None:
    """Count what was made as old, without a walk through it, which would hold up every thread.

    What a daemon has frozen stays so, unless there is so much new that the walk would take longer than a tenth of a
    second. Nothing new is left frozen: what replaced rules leave behind may hold itself and must be collected some day.
    """
    global _is_frozen  # noqa: PLW0603 - the collector is the process's own
    # Python counts what is frozen by a walk through it, so it is remembered.
    if not _is_frozen or gc.get_count()[0] > _MANY:
        gc.freeze()
        gc.unfreeze()
        _is_frozen = False
