"""The files that a mail carries, put beside what its payload says of them.

In: a payload as the store keeps it, and who has the bytes by their path. Out: the payload that the channel sends.
Called for each send, so that a file is in memory only while it is on its way; `memonotify try --send` calls it too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from memonotify.templating.messages import annotate

Payload = Mapping[str, Any]


class Documents(Protocol):
    """What is used of the store: the bytes of an event's file, None where they are not kept any more."""

    async def document(self, workspace: str, event_id: str, path: str) -> bytes | None: ...


async def enclosed(payload: Payload, read: Callable[[str], Awaitable[bytes | None]]) -> Payload:
    """Return the payload with the `content` of each file. What is not there is left out and said: no alert is lost to
    what was to come with it."""
    files, missing = [], []
    for file in payload["attach"]:
        content = await read(file["path"])
        if content is None:
            missing.append(str(file["name"]))
        else:
            files.append({**file, "content": content})
    whole = {**payload, "attach": files}
    # Only mails carry files.
    return annotate("email", whole, f"{', '.join(missing)} is not there any more") if missing else whole
