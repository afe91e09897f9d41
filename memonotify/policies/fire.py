"""When a rule speaks: each time its condition is true, or only when the condition's answer changes for a key.

In: the condition's answer and, for a policy with a memory, what the store remembers of the key. Out: a Verdict. Pure;
the engine's `decide` calls it, and the store keeps what the verdict says to remember. A further policy is a further
function of this shape, put in order by `decide`.
"""

from __future__ import annotations

from dataclasses import dataclass

from memonotify.model import Branch, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a policy says: the list of the rule to send from (None: be silent), and the answer to remember from now on.

    `remember` is None where nothing changes. `detail` says in a few words why there is silence.
    """

    outcome: Outcome
    branch: Branch | None = None
    remember: bool | None = None
    detail: str = ""


def each_time(answer: bool) -> Verdict:
    """Speak whenever the condition is true."""
    if answer:
        return Verdict(outcome=Outcome.MATCHED, branch=Branch.NOTIFY)
    return Verdict(outcome=Outcome.NOT_MATCHED, detail="when is false")


def on_change(answer: bool, remembered: bool | None, *, is_over: bool = True) -> Verdict:
    """Speak when the answer is another than the remembered one.

    Unknown counts as false: a first true speaks, a first false is silent and only remembered. A remembered true stays
    where the answer is false and `is_over` is false as well.
    """
    if remembered and not answer and not is_over:
        return Verdict(outcome=Outcome.UNCHANGED, detail="when is false, but it is not over: hysteresis is false")
    if answer == bool(remembered):
        if answer:
            return Verdict(outcome=Outcome.UNCHANGED, detail="when is still true, nothing changed for this key")
        return Verdict(
            outcome=Outcome.NOT_MATCHED,
            remember=False if remembered is None else None,
            detail="when is false",
        )
    branch = Branch.NOTIFY if answer else Branch.RESOLVED
    return Verdict(outcome=Outcome.MATCHED, branch=branch, remember=answer)
