"""Runs the rules over made-up events of every published type that they match, and tells which of their texts fail.

In: a Ruleset, the configuration, and what the rules' own tests have shown to be right. Out: a Sampling. The deciding is
the daemon's. Called by `memonotify check`, after `rehearsal`.

A text that fails for every sample of a type is wrong. One that fails only where the bank leaves out what it may leave
out is doubtful. Messages are judged where the rule speaks. One that no sample makes due is rendered all the same. It is
wrong where it fails for all events that the rule looks at, and doubtful where there may be others that are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from memonotify.catalogue import EVENT_TYPES
from memonotify.config.values import Config
from memonotify.engine.asks import Given, Lookup, QuietUntil, Remembered, Silences, Windowed
from memonotify.engine.decide import decide
from memonotify.engine.enclosing import Enclosure, Proof
from memonotify.engine.rehearsal import Head, Shown, head_of, heads_shown
from memonotify.holding import Policy
from memonotify.model import Branch, Decision, Event, Fault, Mode
from memonotify.rules.match import fits
from memonotify.rules.values import Entry, Rule, Ruleset
from memonotify.samples.typical import AT, Sample, samples

MAX_DECISIONS: Final = 50_000
"""How many times rules are decided in all, a few seconds' worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFault:
    """A text of a rule that fails for samples of these event types; `is_certain`: it is wrong, else it is doubtful.

    Not `is_due`: a message that no sample made due, and that fails for all of them.
    """

    rule: str
    fault: Fault
    event_types: tuple[str, ...]
    is_certain: bool
    is_due: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What failed. Where not `is_whole`, some rules were not tried at all."""

    faults: tuple[SampleFault, ...]
    is_whole: bool


def try_samples(
    ruleset: Ruleset, config: Config, *, shown: frozenset[Shown] = frozenset(), most: int = MAX_DECISIONS
) -> Sampling:
    """Decide every rule that is not off for the samples of all event types it matches, about `most` times in all.

    Where that would be more, each rule is tried with a few samples of each type; some with none if that is too much.
    `shown` are the texts that a test has shown to be right for an event type: those can be doubtful, never wrong.
    """
    awake = [
        (rule, workspace)
        for rule in ruleset.rules
        if rule.mode is not Mode.OFF
        and rule.report is None
        and rule.expect is None
        and (workspace := next((w.name for w in config.workspaces if fits(rule.match.workspace, w.name)), None))
    ]
    trials = [_Trial(rule, workspace, samples) for rule, workspace in awake]
    if sum(trial.cost for trial in trials) > most:
        trials = [_Trial(rule, workspace, _few) for rule, workspace in awake]
    found: list[SampleFault] = []
    for trial in trials:
        most -= trial.cost
        if most < 0:
            return Sampling(faults=tuple(found), is_whole=False)
        found += trial.faults(shown)
    return Sampling(faults=tuple(found), is_whole=True)


def _few(event_type: str) -> tuple[Sample, ...]:
    """Return four samples of a type: two with every field, two with the required ones alone."""
    all_ = samples(event_type)
    number = sum(sample.is_whole for sample in all_)
    return all_ if not all_ else (all_[0], all_[number - 1], all_[-number], all_[-1])


@dataclass(slots=True)
class _Seen:
    """What became of one text for the samples of one event type: whether it was right for one that is whole, and what
    failed for those that are whole, and for the others."""

    is_right: bool = False
    of_whole: dict[Fault, None] = field(default_factory=dict)
    of_others: dict[Fault, None] = field(default_factory=dict)


class _Trial:
    """One rule and its samples."""

    def __init__(self, rule: Rule, workspace: str, samples_of: Callable[[str], tuple[Sample, ...]]) -> None:
        self._samples = samples_of
        self._rule = rule
        self._workspace = workspace
        self._answers: tuple[bool | None, ...] = (False, True) if rule.on_change else (None,)
        match = rule.match
        self._types = [name for name, about in EVENT_TYPES.items() if match.fits(name, about, workspace)]

    @property
    def cost(self) -> int:
        """How many times the rule is decided, if all its messages come due."""
        return sum(len(self._samples(name)) for name in self._types) * len(self._answers)

    @property
    def _knows_all(self) -> bool:
        """Whether the rule looks at no event of a type that is not known here."""
        patterns = self._rule.match.event_type
        return patterns is not None and all(pattern in EVENT_TYPES for pattern in patterns)

    def faults(self, shown: frozenset[Shown]) -> Iterator[SampleFault]:
        """Yield what fails, each fault once with the event types for which it does."""
        certain: dict[Fault, list[str]] = {}
        doubtful: dict[Fault, list[str]] = {}
        due: set[Head] = set()
        for event_type in self._types:
            for head, seen in self._tried(event_type).items():
                due.add(head)
                is_wrong = bool(seen.of_whole) and not seen.is_right
                if is_wrong and (self._rule.name, event_type, head) not in shown:
                    _add(certain, seen.of_whole, event_type)
                else:
                    _add(doubtful, {**seen.of_whole, **seen.of_others}, event_type)
        for is_certain, faults in ((True, certain), (False, doubtful)):
            for fault, types in faults.items():
                if is_certain or fault not in certain:
                    yield SampleFault(
                        rule=self._rule.name, fault=fault, event_types=tuple(types), is_certain=is_certain
                    )
        for fault in self._never_due(due):
            yield SampleFault(
                rule=self._rule.name,
                fault=fault,
                event_types=tuple(self._types),
                is_certain=self._knows_all,
                is_due=False,
            )

    def _tried(self, event_type: str) -> dict[Head, _Seen]:
        seen: dict[Head, _Seen] = {}
        for sample in self._samples(event_type):
            for remembered in self._answers:
                decision = _decided(self._rule, sample, self._workspace, remembered)
                if decision is None:
                    continue
                for head in heads_shown(self._rule, decision):
                    seen.setdefault(head, _Seen()).is_right |= sample.is_whole
                for fault in decision.faults:
                    if _is_unpublished(fault):
                        continue
                    one = seen.setdefault(head_of(fault), _Seen())
                    (one.of_whole if sample.is_whole else one.of_others)[fault] = None
        return seen

    def _never_due(self, due: set[Head]) -> Iterator[Fault]:
        """Yield how the messages fail that no sample makes due, of those that fail for every event."""
        for branch, entries in ((Branch.NOTIFY, self._rule.notify), (Branch.RESOLVED, self._rule.resolved)):
            for entry in entries:
                if (branch.value, entry.index) not in due:
                    yield from self._fails_always(branch, entry)

    def _fails_always(self, branch: Branch, entry: Entry) -> Iterable[Fault]:
        speaking = replace(
            self._rule, when=None, on_change=False, key=None, notify=(replace(entry, when=None),), resolved=()
        )
        first: Fault | None = None
        for event_type in self._types:
            for sample in self._samples(event_type):
                decision = _decided(speaking, sample, self._workspace, None) if sample.is_whole else None
                if decision is None:
                    continue
                if not decision.faults or all(map(_is_unpublished, decision.faults)):
                    return ()
                first = first or decision.faults[0]
        return () if first is None else (_in_branch(first, branch),)


def _is_unpublished(fault: Fault) -> bool:
    """Whether a field of the event is missing that the bank has not published: loading has noted it, and the bank may
    well send it by now."""
    return fault.reason.startswith("`event.") and fault.reason.endswith("is missing")


def _in_branch(fault: Fault, branch: Branch) -> Fault:
    is_of_message = fault.path[:1] == (Branch.NOTIFY.value,)
    return replace(fault, path=(branch.value, *fault.path[1:])) if is_of_message else fault


def _add(faults: dict[Fault, list[str]], found: Iterable[Fault], event_type: str) -> None:
    for fault in found:
        faults.setdefault(fault, []).append(event_type)


def _decided(rule: Rule, sample: Sample, workspace: str, remembered: bool | None) -> Decision | None:
    """Return what a rule concludes of a sample; None where it looks up what there are no samples of."""
    event = Event(
        workspace=workspace,
        id=sample.event["id"],
        date=sample.event["date"],
        event_type=sample.event["event_type"],
        resource_type=sample.event["resource_type"],
        resource_id=sample.event["resource_id"],
        body=sample.event,
        received_at=AT,
    )
    deciding = decide(rule, event=event, resource=Given(value=sample.resource), at=AT)
    answer: object = None
    while True:
        try:
            ask = deciding.send(answer)
        except StopIteration as stop:
            decision: Decision = stop.value
            return decision
        if isinstance(ask, Remembered):
            known = remembered if ask.policy is Policy.FIRE else None
            answer = None if known is None else str(known).lower()
        elif isinstance(ask, Windowed):
            answer = ask.value()
        elif isinstance(ask, Silences):
            answer = ()
        elif isinstance(ask, QuietUntil):
            answer = None
        elif isinstance(ask, Proof):
            answer = Given(value=Enclosure())
        elif isinstance(ask, Lookup):
            found = sample.answer(ask.path)
            if found is None:
                deciding.close()
                return None
            answer = Given(value=found)
