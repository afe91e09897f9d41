"""SIGTERM and SIGINT, for the commands that run until they are told to end.

In: what to do at the first signal, or work to cancel. Out: an end within the command's own time; a second signal ends
the process at once, with the status that a shell gives it: 128 and the signal's number.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def on_signal(begin: Callable[[], object], *, at_once: Callable[[], object] = lambda: None) -> None:
    """Call `begin` at the first signal that the running loop gets, and `at_once` before a second one ends all."""
    is_ending = False

    def end(number: int) -> None:
        nonlocal is_ending
        if is_ending:
            at_once()
            os._exit(128 + number)
        is_ending = True
        begin()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)


async def until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Do the work until it is done or a signal cancels it; return whether one did.

    Raises:
        Exception: what the work raises.
    """
    task = asyncio.ensure_future(work)
    was_told = False

    def end() -> None:
        nonlocal was_told
        was_told = True
        task.cancel()

    on_signal(end)
    try:
        await task
    except asyncio.CancelledError:
        if not was_told:
            raise
    return was_told
