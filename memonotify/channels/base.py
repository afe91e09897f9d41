"""What a channel is: one method that sends one message, and a close. The courier calls it; `channels` implements it.

A channel knows nothing of rules, retries or the store. It takes a payload in the shape its `templating.messages` spec
renders, with an identity that is the same on every try, and answers with a Receipt or raises SendError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from memonotify.model import Receipt


class Channel(Protocol):
    """One receiver. Safe to call concurrently; keeps and reuses its own connections."""

    name: str
    type: str

    async def send(self, payload: Mapping[str, Any], *, identity: str) -> Receipt:
        """Send one message and return the receiver's answer.

        Raises:
            SendError: the message was not taken; its Reason says whether to come again.
        """
        ...

    async def probe(self) -> None:
        """Find out whether the receiver can be reached as configured, as far as that goes without sending anything.

        Raises:
            SendError: it cannot.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Never raises."""
        ...
