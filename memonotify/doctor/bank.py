"""The bank's API of one workspace: is it reached, do the credentials open it, does the clock agree.

In: a workspace's client. Out: findings. One call is made, a list of one account; nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from memonotify.doctor.findings import Finding, Health, todo_for
from memonotify.errors import FetchError, Reason
from memonotify.model import Snapshot

ASKED: Final = "/v2/accounts?size=1"
TOLERATED_S: Final = 5.0
"""The difference between the clocks that the bank itself accepts."""

_WORTH_A_LOOK_S: Final = 2.0


class Client(Protocol):
    """What is used of the bank's client."""

    async def fetch(self, path: str) -> Snapshot: ...

    @property
    def clock_offset_s(self) -> float: ...


async def examine(workspace: str, client: Client) -> list[Finding]:
    """Return what one call to the bank shows."""
    error: FetchError | None = None
    try:
        await client.fetch(ASKED)
    except FetchError as failed:
        error = failed
    return [*_api(workspace, error), *_clock(workspace, client.clock_offset_s, error)]


def _api(workspace: str, error: FetchError | None) -> Iterator[Finding]:
    what = f"bank API of {workspace}"
    if error is None:
        yield Finding(what=what, health=Health.OK, seen="the credentials are accepted")
    elif error.reason is Reason.AUTH:
        yield Finding(
            what=what,
            health=Health.ILL,
            seen=f"the bank refuses the credentials ({error.status})",
            todo="compare `thumbprint`, `secret` and `private_key` with the API section of the bank's interface; the "
            "certificate there must belong to this key",
        )
    elif error.status is not None and error.reason in (Reason.NOT_FOUND, Reason.REJECTED):
        yield Finding(
            what=what,
            health=Health.DOUBTFUL,
            seen=f"the bank answers, but not this question ({error.status})",
            todo="look at `base_url`, and at what the certificate may read",
        )
    else:
        yield Finding(what=what, health=Health.ILL, seen=str(error), todo=todo_for(error.reason))


def _clock(workspace: str, offset_s: float, error: FetchError | None) -> Iterator[Finding]:
    what = f"clock against {workspace}'s bank"
    if error is not None and error.status is None:
        yield Finding(what=what, health=Health.UNKNOWN, seen="the bank did not answer")
    elif abs(offset_s) >= _WORTH_A_LOOK_S:
        yield Finding(
            what=what,
            health=Health.DOUBTFUL,
            seen=f"the bank's clock differs by {offset_s:+.1f} s; it accepts {TOLERATED_S:g} s",
            todo="set this machine's clock by NTP (timedatectl set-ntp true); until then memonotify makes up for it",
        )
    else:
        yield Finding(what=what, health=Health.OK, seen=f"differs by {offset_s:+.1f} s")
