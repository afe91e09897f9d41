"""What is wrong or doubtful about `attach: [proof]` on a rule: whether its events can be of payments that have a proof.

Takes a rule's Match, gives a sentence and how bad it is. `reader` calls it for each mail that attaches something. What
cannot happen is a problem, since nobody means it; what may leave a mail without its proof is a note.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from memonotify.catalogue import EVENT_TYPES, PROOF_PATHS, PROVEN_EVENT_TYPES
from memonotify.rules.match import Match, fits

_HINT: Final = "there is a proof of `transfer_confirmed` and `wire_transfer_confirmed`"
_ONLY: Final = "the bank makes a proof of confirmed payments only"
_SHOWN: Final = 4

TELLING: Final = frozenset({("event", "event_type"), ("event", "resource_type"), ("resource", "status")})
"""What a condition reads to tell the events that have a proof from those that have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is to be said of it; an `error` keeps the rule from being loaded. `is_partial`: some events have a proof."""

    severity: Literal["error", "note"]
    message: str
    hint: str = _HINT
    is_partial: bool = False


def proof_doubt(match: Match) -> Doubt | None:
    """Return what is wrong with a proof on a rule that looks at these events; None where nothing is."""
    seen = {
        event_type: resource_type
        for event_type, resource_type in EVENT_TYPES.items()
        if fits(match.event_type, event_type) and fits(match.resource_type, resource_type)
    }
    payments = [event_type for event_type, resource_type in seen.items() if resource_type in PROOF_PATHS]
    if not any(fits(match.resource_type, resource_type) for resource_type in PROOF_PATHS) or (
        not payments and not _may_be_new(match)
    ):
        return Doubt(
            severity="error", message="the rule never sees a transfer or a wire transfer, so there is no proof"
        )
    if not payments:
        return Doubt(
            severity="note", message="no event that is known here and that the rule looks at is one of a transfer"
        )
    unproven = [event_type for event_type in seen if event_type not in PROVEN_EVENT_TYPES]
    if not unproven:
        return None
    if len(unproven) == len(seen):
        return Doubt(severity="note", message=f"{_ONLY}: none at {_listed(unproven)}")
    return Doubt(severity="note", message=f"{_ONLY}: the mail goes without at {_listed(unproven)}", is_partial=True)


def _may_be_new(match: Match) -> bool:
    """Whether the rule looks at events that are not known here: new types appear without notice."""
    return match.event_type is None or any(
        not any(fits((pattern,), known) for known in EVENT_TYPES) for pattern in match.event_type
    )


def _listed(event_types: Iterable[str]) -> str:
    names = [f"`{name}`" for name in event_types]
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
