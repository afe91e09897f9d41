"""What a mail carries beside its text: the bank's proof of a payment. Pure.

In: an entry with `attach`, its event, and later what the bank gave. Out: the question to ask, and the payload with what
is to be known of the file: its name, type and size, and the path under which the store keeps its bytes. `decide` calls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from memonotify.catalogue import proof_path
from memonotify.model import Event
from memonotify.rules.values import Entry

PROOF: Final = "proof"
"""The word for it under `attach`."""

_PDF: Final = "application/pdf"
_UNFIT: Final = re.compile("[^A-Za-z0-9._-]+")
_MAX_NAME: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Asks for the bank's proof of the event's resource, at `path`. The answer is a Given of an Enclosure, or of None
    where there is none to have."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that can be had. `size` is in bytes, None where nobody asked for it, as in a test."""

    size: int | None = None


def wanted_proof(entry: Entry, event: Event) -> Proof | None:
    """Return the question for the proof that an entry wants; None where it wants none, or the resource is of a type
    that has none."""
    path = proof_path(event.resource_type, event.resource_id) if PROOF in entry.attach else None
    return Proof(path=path) if path is not None else None


def with_proof(payload: Mapping[str, Any], proof: Proof, enclosure: Enclosure, *, name: str) -> dict[str, Any]:
    """Return a mail's payload that names the proof as a file to attach."""
    file = {"what": PROOF, "name": name, "type": _PDF, "size": enclosure.size, "path": proof.path}
    return {**payload, "attach": [file]}


def file_name(event: Event, resource: Any) -> str:
    """Return what the proof is called: by the payment's reference where the resource is known, else by its id.

    It has only characters that any header and any disk takes, whatever a reference holds.
    """
    reference = resource.get("reference") if isinstance(resource, Mapping) else None
    for name in (reference, event.resource_id):
        fit = _UNFIT.sub("-", name).strip("-.")[:_MAX_NAME] if isinstance(name, str) else ""
        if fit:
            return f"{PROOF}-{fit}.pdf"
    return f"{PROOF}.pdf"
