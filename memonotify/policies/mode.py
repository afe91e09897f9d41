"""Whether a rule's messages are sent at all: `live` sends them, `shadow` makes them and sends nothing.

In: a rule's mode and what its other policies say. Out: a Verdict. Pure; the engine's `decide` calls it, first of all
policies in effect: what is suppressed here uses up no key. A rule that is `off` never comes this far.
"""

from __future__ import annotations

from dataclasses import replace

from memonotify.model import Mode, Outcome
from memonotify.policies.fire import Verdict

SHADOW = "mode: shadow, so nothing is sent"


def in_mode(mode: Mode, verdict: Verdict) -> Verdict:
    """Suppress what a rule in the shadow would say, and remember nothing of it."""
    if mode is not Mode.SHADOW:
        return verdict
    if verdict.branch is None:
        return replace(verdict, remember=None)
    return replace(verdict, outcome=Outcome.SUPPRESSED, remember=None, detail=SHADOW)
