"""One send on a channel, bounded in time, with whatever the channel does turned into a result.

In: a channel and a claimed delivery, whose files are read from the store. Out: the receiver's receipt, or the error
that the attempt ended with. Called by the lane.
"""

from __future__ import annotations

import asyncio
from typing import Final

from memonotify.channels.base import Channel
from memonotify.delivery.enclosures import Documents, Payload, enclosed
from memonotify.delivery.record import Record
from memonotify.delivery.surroundings import Bound
from memonotify.errors import CallError, Reason, SendError, StoreError
from memonotify.model import Delivery, Receipt

GRACE_S: Final = 2.0
"""The channel keeps its own timeout and knows better what hung; this bound comes so much later."""


class Sending:
    """Sends on one channel whose own timeout is `timeout_s`."""

    def __init__(
        self, channel: Channel, *, timeout_s: float, bound: Bound, record: Record, documents: Documents
    ) -> None:
        self._channel = channel
        self._documents = documents
        self._longest_s = timeout_s + GRACE_S
        self._bound = bound
        self._record = record

    async def send(self, delivery: Delivery) -> Receipt | CallError:
        """Send once; raises only where the task itself is cancelled."""
        try:
            async with self._bound(self._longest_s):
                payload = await self._whole(delivery)
                return await self._channel.send(payload, identity=delivery.identity)
        except CallError as error:
            return error
        except StoreError as error:
            return SendError(Reason.INTERNAL, f"the files of the message could not be read: {error}")
        except TimeoutError:
            return SendError(Reason.TIMEOUT, f"no answer within {self._longest_s:g} s")
        except asyncio.CancelledError as error:
            if _is_asked_for():
                raise
            return self._internal(error)
        except Exception as error:  # noqa: BLE001 - a fault in a channel is one failed attempt, never the lane's end
            return self._internal(error)

    async def _whole(self, delivery: Delivery) -> Payload:
        if not delivery.payload.get("attach"):
            return delivery.payload

        async def read(path: str) -> bytes | None:
            return await self._documents.document(delivery.workspace, delivery.event_id, path)

        return await enclosed(delivery.payload, read)

    def _internal(self, error: BaseException) -> SendError:
        self._record.faulted(error)
        return SendError(Reason.INTERNAL, f"unexpected {type(error).__name__} in the channel")


def _is_asked_for() -> bool:
    """Whether the running task was really cancelled; a library may leak a CancelledError of its own."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
