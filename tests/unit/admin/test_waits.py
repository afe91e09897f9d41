"""Why an event is not evaluated yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from engineparts import event
from fakes import ManualClock

from memonotify.admin.known import Known
from memonotify.admin.waits import wait_json
from memonotify.model import Node, Wait

NOW = ManualClock().now()
LATER = NOW + timedelta(minutes=5)
RUNS = Known(runs=True)


def node(lease="l1", name="one", alive=True):
    until = LATER if alive else NOW
    return Node(
        lease=lease, name=name, version="1", role="all", rules="", started_at=NOW, seen_at=NOW, lease_until=until,
        leads=True, events=0,
    )  # fmt: skip


GONE = node("l2", "two", alive=False)


@pytest.mark.parametrize(
    ("attempts", "wait", "known", "nodes", "reasons"),
    [
        (0, Wait(due_at=NOW), RUNS, (), ["it is its turn now"]),
        (0, Wait(due_at=NOW), Known(), (), ["no daemon is running: memonotify serve evaluates it"]),
        (
            1,
            Wait(due_at=LATER),
            Known(runs=True, away={"acme": "timeout"}),
            (),
            ["tried once, and the bank did not give what a rule needs", "the bank is away (timeout)"],
        ),
        (3, Wait(due_at=LATER), RUNS, (), ["tried 3 times, and the bank did not give what a rule needs"]),
        (
            0,
            Wait(due_at=LATER),
            RUNS,
            (),
            ["an earlier event of the same key waits, and they are evaluated in order of arrival"],
        ),
        (0, Wait(due_at=NOW), Known(), (node(),), ["no node has taken it yet"]),
        (0, Wait(due_at=NOW, in_order=True), Known(), (node(),), ["the node that leads takes it next"]),
        (0, Wait(due_at=NOW, lease="l1"), RUNS, (node(),), ["node one has it"]),
        (0, Wait(due_at=NOW, lease="l2"), RUNS, (node(), GONE), ["the node that had it is gone"]),
    ],
)  # fmt: skip
def test_what_an_event_waits_for_is_said(attempts, wait, known, nodes, reasons):
    told = wait_json(replace(event(), attempts=attempts), wait, known, nodes, NOW)
    assert told["reasons"] == reasons
    assert (told["due_at"] is None) == (wait.due_at == NOW)
    assert told["attempts"] == attempts
