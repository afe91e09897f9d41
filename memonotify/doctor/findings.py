"""What the doctor says of one thing. Pure values; the checks make them, the command prints them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from memonotify.errors import Reason


class Health(StrEnum):
    """ok: well. doubtful: works, but look at it. ill: does not work. unknown: could not be looked at."""

    OK = "ok"
    DOUBTFUL = "doubtful"
    ILL = "ill"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is, what was seen, and what to do where it is not well."""

    what: str
    health: Health
    seen: str
    todo: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"health": str(self.health)}


WHAT_TO_DO: dict[Reason, str] = {
    Reason.TIMEOUT: "look at the network and the firewall between here and there",
    Reason.UNREACHABLE: "look at the name and the port in the configuration, and at the firewall",
    Reason.TLS: "look at the certificate there, at `security`, and at `ca_file` where an authority of your own signs",
    Reason.AUTH: "look at the user's name and the password or key, and at what they may do there",
    Reason.RATE_LIMITED: "wait, and set `rate` on the channel if it comes again",
    Reason.CONFIGURATION: "correct the configuration",
}
"""What to do about a call that failed, by its Reason."""


def todo_for(reason: Reason) -> str:
    """Return what to do about a failure of this Reason."""
    return WHAT_TO_DO.get(reason, "try again later; if it stays, ask whoever runs the other side")
