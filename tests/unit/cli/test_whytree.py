"""The tree that tells an event's story, from plain data."""

from __future__ import annotations

import pytest

from memonotify.cli.messagetree import message_node
from memonotify.cli.moments import Moments
from memonotify.cli.trees import plain_lines
from memonotify.cli.unspokentree import rule_tree
from memonotify.cli.whytree import MAX_SILENT, Telling, event_tree

AT = "2026-03-02T09:00:05.000Z"
TELLING = Telling(timezone="Europe/Paris", recipients={"mail": ("finance@example.com",)})


def story(*rules, **changes):
    event = {
        "id": "e1", "workspace": "acme", "event_type": "transaction_confirmed", "resource_type": "transaction",
        "resource_id": "r1", "date": "2026-03-02T09:00:00+00:00", "received_at": AT, "evaluated_at": AT,
        "state": "evaluated", "client": "35.181.64.230", "attempts": 0,
    }  # fmt: skip
    return {
        "event": event | changes.pop("event", {}),
        "also_in": [], "late_s": 5.0, "waiting": None, "fetched": [], "rules": list(rules),
        "other_rules": {"elsewhere": 0, "off": [], "not_then": [], "to_come": [], "gone": []}, "told": [], "notes": [],
        **changes,
    }  # fmt: skip


def a_rule(name="big", outcome="not_matched", **changes):
    return {
        "rule": name, "outcome": outcome, "why": "", "condition": "", "values": {}, "key": "", "file": "rules/a.yaml",
        "line": 4, "messages": [], **changes,
    }  # fmt: skip


def silent(name="big", condition="resource.amount > 5", amount="3", **changes):
    return a_rule(name, condition=condition, values={"resource.amount": amount}, **changes)


def message(**changes):
    return {
        "id": "dlv_1", "channel": "mail", "branch": "notify", "state": "sent", "attempts": 1, "due_at": AT,
        "settled_at": AT, "reason": None, "detail": "", "to": [], "gist": "Paid", "severity": "info",
        "tries": [a_try()], "lost": [], "under_way": None,
        "waits": None, "told_in": None, "told_by": None, "tells": None, "silenced_by": None, **changes,
    }  # fmt: skip


def a_try(number=1, **changes):
    return {
        "number": number, "started_at": AT, "ended_at": "2026-03-02T09:00:05.400Z", "ok": True, "reason": None,
        "status": 250, "detail": "", **changes,
    }  # fmt: skip


def failed_try(number):
    return a_try(number, ok=False, reason="server_error", status=503, detail="come again")


def told(made, telling=TELLING):
    return list(plain_lines(event_tree(made, telling)))


def below(made, telling=TELLING):
    """Return the lines of the rules, without their indentation."""
    lines = told(made, telling)
    start = next(number for number, line in enumerate(lines) if line.startswith("  evaluated"))
    return [line.strip() for line in lines[start + 1 :]]


def test_a_story_goes_from_the_receipt_to_each_try():
    fetched = {"path": "/v2/transactions/r1", "fetched_at": AT, "status": 200, "reason": None, "found": True}
    assert told(story(a_rule(outcome="matched", messages=[message()]), silent("small"), fetched=[fetched])) == [
        "transaction_confirmed e1",
        "  about transaction r1, in workspace acme",
        "  received 2026-03-02 10:00:05 (Europe/Paris) from 35.181.64.230, 5 s after the bank's own date, 10:00:00",
        "  fetched /v2/transactions/r1 10:00:05: 200",
        "  evaluated 10:00:05: 2 rules looked at it, 1 spoke, 1 stayed silent",
        "    big spoke",
        "      → mail to finance@example.com: Paid — sent 10:00:05",
        "        try 1: 10:00:05, taken (250) after 0.4 s",
        "    small silent: resource.amount > 5 is false (resource.amount is 3)",
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (silent(), "big silent: resource.amount > 5 is false (resource.amount is 3)"),
        (a_rule(why="when is false"), "big silent: when is false"),
        (
            a_rule(outcome="unchanged", key="acc-1", why="nothing changed"),
            "big silent: nothing new for the key acc-1, its condition was true before and still is",
        ),
        (
            a_rule(outcome="unchanged", key="acc-1", condition="x > 6", values={"x": "5"}, why="it is not over"),
            "big silent: not over yet for the key acc-1: x > 6 is false (x is 5)",
        ),
        (a_rule(outcome="failed", why="when: x is missing"), "big failed: when: x is missing"),
        (a_rule(outcome="matched", why="none of its messages was due"), "big silent: none of its messages was due"),
        (
            a_rule(outcome="suppressed", why="mode: shadow, so nothing is sent"),
            "big would have spoken, suppressed by mode: shadow, so nothing is sent",
        ),
        (a_rule(outcome=None, why="match: workspace is a"), "big silent: match: workspace is a"),
    ],
)
def test_what_a_rule_concluded_is_told_with_its_reason(rule, line):
    assert below(story(rule)) == [line]


def test_a_long_condition_is_cut_but_for_the_one_rule_that_was_asked_for():
    condition = "event.event_type not in (\n" + '  "account_created",' * 50 + ")"
    (line,) = below(story(silent(condition=condition)))
    assert line.startswith('big silent: event.event_type not in ( "account_created", ')
    assert line.endswith("… is false (resource.amount is 3)")
    assert len(line) < 250
    asked = Telling(timezone="Europe/Paris", recipients={}, about="big")
    assert told(story(silent(condition=condition), other_rules=None), asked)[3].count("account_created") == 50


def test_rules_that_spoke_or_failed_stand_before_the_silent_ones_in_their_own_order():
    rules = (silent("a"), a_rule("b", "failed", why="no"), silent("c"), a_rule("d", "matched", messages=[message()]))
    names = [line.split()[0] for line in below(story(*rules)) if not line.startswith(("→", "try"))]
    assert names == ["b", "d", "a", "c"]


def test_as_many_silent_rules_as_can_be_read_have_a_line_each():
    assert len(below(story(*(silent(f"r{number}") for number in range(MAX_SILENT))))) == MAX_SILENT


def test_more_silent_rules_are_folded_by_reason_and_unfolded_on_demand():
    rules = [silent(f"r{number}") for number in range(30)] + [silent("alone", "resource.amount > 9")]
    assert below(story(*rules)) == [
        "30 rules silent (r0, r1, r2, …): resource.amount > 5 is false (resource.amount is 3)",
        "alone silent: resource.amount > 9 is false (resource.amount is 3)",
        "--all shows each silent rule",
    ]
    unfolded = Telling(timezone="Europe/Paris", recipients={}, unfold=True)
    assert len(below(story(*rules), unfolded)) == 31


def test_five_hundred_rules_with_a_threshold_each_are_folded_by_what_stood_in_their_conditions():
    rules = [silent(f"r{number}", f"resource.amount > {number}") for number in range(500)]
    assert below(story(*rules)) == [
        "500 rules silent (r0, r1, r2, …): their conditions are false, where resource.amount is 3",
        "--all shows each silent rule",
    ]


def test_reasons_beyond_what_can_be_read_are_counted():
    rules = [silent(f"r{number}", f"resource.amount > {number}", str(number)) for number in range(50)]
    assert below(story(*rules))[-2:] == ["30 more rules silent", "--all shows each silent rule"]


def test_rules_that_the_trace_does_not_speak_of_are_told_by_why():
    others = {"elsewhere": 12, "off": ["o"], "not_then": ["n"], "to_come": [], "gone": ["g"]}
    assert below(story(other_rules=others)) == [
        "12 rules look at other events",
        "off now: o",
        "not asked: it did not exist, was off, or matched something else then: n",
        "not among the rules any more: g",
    ]
    assert "evaluated 10:00:05: no rule looked at it" in told(story(other_rules=others))[3]


def test_one_rule_is_told_with_the_place_where_it_stands():
    asked = Telling(timezone="Europe/Paris", recipients={}, about="big")
    assert told(story(silent(), other_rules=None), asked)[3:] == [
        "  big silent: resource.amount > 5 is false (resource.amount is 3)",
        "    it stands in rules/a.yaml:4",
    ]


@pytest.mark.parametrize(
    ("waiting", "line"),
    [
        ({"due_at": None, "attempts": 0, "reasons": ["it is its turn now"]}, "it is its turn now"),
        (
            {"due_at": "2026-03-02T09:05:00Z", "attempts": 2, "reasons": ["tried 2 times", "the bank is away"]},
            "put off until 10:05:00: tried 2 times; the bank is away",
        ),
    ],
)
def test_an_event_that_is_not_evaluated_says_why_it_waits(waiting, line):
    others = {"elsewhere": 3, "off": [], "not_then": [], "to_come": ["big"], "gone": []}
    assert told(story(waiting=waiting, other_rules=others, event={"evaluated_at": None}))[3:] == [
        f"  not evaluated yet: {line}",
        "    3 rules look at other events",
        "    to be asked: big",
    ]


GIVEN = {"path": "/v2/x", "fetched_at": AT, "status": 200, "reason": None, "found": True}
ANSWERED = {"status": 200, "reason": None, "detail": "", "found": True}


@pytest.mark.parametrize(
    ("fetched", "lines"),
    [
        (
            GIVEN | {"status": 404, "reason": "not_found", "found": False},
            ["fetched /v2/x 10:00:05: the bank has no such resource (404)"],
        ),
        (
            GIVEN | {"status": None, "reason": "timeout", "found": False},
            ["fetched /v2/x 10:00:05: the bank did not give it: timeout"],
        ),
        (GIVEN | {"now": None}, ["fetched /v2/x 10:00:05: 200"]),
        (GIVEN | {"now": ANSWERED | {"changes": []}}, ["fetched /v2/x 10:00:05: 200", "now: the same as then"]),
        (
            GIVEN | {"now": ANSWERED | {"changes": [{"field": "status", "old": '"pending"', "new": '"done"'}]}},
            ["fetched /v2/x 10:00:05: 200", "now: 1 field changed since", 'status: "pending" → "done"'],
        ),
        (
            GIVEN | {"now": {"status": None, "reason": "unreachable", "detail": "no route", "found": False}},
            ["fetched /v2/x 10:00:05: 200", "now: the bank did not give it: unreachable: no route"],
        ),
        (
            GIVEN | {"fetched_at": None, "now": ANSWERED},
            ["not fetched so far: /v2/x", "now: the bank gives it (200)"],
        ),
    ],
)
def test_what_was_fetched_is_told_and_what_the_bank_says_now(fetched, lines):
    assert [line.strip() for line in told(story(fetched=[fetched]))[3:-1]] == lines


def lines_of(made, *, unfold=False):
    node = message_node(made, Moments("Europe/Paris", AT), TELLING.recipients, unfold=unfold)
    return [line.strip() for line in plain_lines(node)]


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (
            message(state="pending", attempts=0, settled_at=None, tries=[]),
            ["→ mail to finance@example.com: Paid — waits to be sent", "try 1: due 10:00:05"],
        ),
        (
            message(state="pending", settled_at=None, due_at="2026-03-03T09:00:00Z", tries=[failed_try(1)]),
            [
                "→ mail to finance@example.com: Paid — waits to be tried again",
                "try 1: 10:00:05, server_error (503) after 0.4 s: come again",
                "try 2: due 2026-03-03 10:00:00",
            ],
        ),
        (
            message(state="sending", attempts=2, settled_at=None, tries=[], lost=[1], under_way=2),
            [
                "→ mail to finance@example.com: Paid — on its way",
                "try 1: lost, the daemon ended in the middle of it",
                "try 2: under way",
            ],
        ),
        (
            message(channel="erp", state="dead", gist="{}", tries=[failed_try(1)]),
            [
                "→ erp: {} — dead letter 10:00:05",
                "try 1: 10:00:05, server_error (503) after 0.4 s: come again",
                "memonotify retry dlv_1 sends it again",
            ],
        ),
        (
            message(state="dead", reason="configuration", detail="no such channel", tries=[], to=["a@x"]),
            [
                "→ mail to a@x: Paid — dead letter 10:00:05",
                "configuration: no such channel",
                "memonotify retry dlv_1 sends it again",
            ],
        ),
        (
            message(state="suppressed", branch="resolved", attempts=0, settled_at=None, tries=[], detail="shadow"),
            ["→ mail to finance@example.com (it is over): Paid — not sent, shadow"],
        ),
        (
            message(severity="critical", branch="resolved", tries=[]),
            ["→ mail to finance@example.com (it is over, critical): Paid — sent 10:00:05"],
        ),
        (
            message(to=[f"p{number}@x" for number in range(7)], tries=[]),
            ["→ mail to p0@x, p1@x, p2@x, p3@x, p4@x and 2 more: Paid — sent 10:00:05"],
        ),
    ],
)
def test_a_message_is_told_with_its_state_and_each_try(made, lines):
    assert lines_of(made) == lines


def test_many_tries_are_told_by_the_first_and_the_last():
    made = message(attempts=50, tries=[failed_try(number) for number in range(1, 51)])
    told_tries = lines_of(made)[1:]
    assert [line.partition(":")[0] for line in told_tries] == [
        "try 1", "try 2", "… 45 more tries (--all shows them)", "try 48", "try 49", "try 50",
    ]  # fmt: skip
    assert len(lines_of(made, unfold=True)) == 51


def test_a_rules_silences_are_told_with_the_newest_case_of_each():
    counts = {
        "rule": "big", "since": AT, "looked_at": 14, "spoke": 1, "cut": False, "mode": "live", "severity": "info",
        "match": {},
        "is_due_by_clock": False, "schedules": [], "deadlines": [], "suppressed": {"once": 2, "quiet": 1},
        "waiting": [{"policy": "group", "count": 1, "first_at": AT}], "told": {"messages": 4, "in": 2},
        "reasons": [
            {
                "outcome": "not_matched", "reason": "resource.amount > 5 is false", "count": 12,
                "latest_event_id": "e9", "latest_at": "2026-03-03T09:00:00Z", "values": {"resource.amount": "3"},
            },
            {
                "outcome": "failed", "reason": "when: x is missing", "count": 1, "latest_event_id": "e2",
                "latest_at": AT, "values": {},
            },
        ],
    }  # fmt: skip
    assert list(plain_lines(rule_tree(counts, timezone="Europe/Paris"))) == [
        "rule big",
        "  since 2026-03-02 10:00:05 (Europe/Paris)",
        "  it looked at 14 events and spoke for 1",
        "  1 message waits now",
        "    1 by group, the first until 2026-03-02 10:00:05",
        "  4 messages were told in 2 others",
        "  kept back for 3 events: 2 by once, 1 by quiet",
        "  12 × silent: resource.amount > 5 is false",
        "    latest 2026-03-03 10:00:00, event e9: resource.amount is 3",
        "  1 × failed: when: x is missing",
        "    latest 10:00:05, event e2",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"mode": "off"}, "it is off now, and looks at no event"),
        ({"mode": "shadow"}, "it is in the shadow: nothing is sent"),
        ({"severity": "critical"}, "its messages are critical"),
        ({"mode": None, "severity": None, "match": None}, "it is not among the rules now"),
        ({"cut": True}, "only the newest 0 events are counted: give a shorter --since"),
        ({}, "no event since then is one that it looks at: event_type iban_*, account_*; workspace acme"),
        ({"is_due_by_clock": True}, "no daemon has run it yet"),
        (
            {
                "is_due_by_clock": True,
                "schedules": [
                    {"workspace": "acme", "due_at": AT, "try_at": AT, "attempts": 2, "last_at": "2026-03-01T07:00:00Z"}
                ],
            },
            "acme: due 2026-03-02 10:00:05, last 2026-03-01 08:00:00; tried in vain 2 times, again 2026-03-02 10:00:05",
        ),
    ],
)
def test_a_rule_that_looked_at_nothing_says_what_it_looks_at_and_how_it_is(changes, line):
    counts = {
        "rule": "big", "since": AT, "looked_at": 0, "spoke": 0, "cut": False, "mode": "live", "severity": "info",
        "match": {"event_type": ["iban_*", "account_*"], "workspace": ["acme"]}, "reasons": [],
        "suppressed": {}, "waiting": [], "told": {"messages": 0, "in": 0},
        "is_due_by_clock": False, "schedules": [], "deadlines": [], **changes,
    }  # fmt: skip
    assert f"  {line}" in list(plain_lines(rule_tree(counts, timezone="Europe/Paris")))
