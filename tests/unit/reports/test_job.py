"""Reports as jobs: one for each rule and workspace, due as the rule says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fakes import ManualClock

from memonotify.metrics import Metrics
from memonotify.model import Mode
from memonotify.openitems import OpenItems
from memonotify.policies.calendar import is_business_day
from memonotify.reports.job import ReportJobs
from memonotify.rules.match import Match
from memonotify.rules.reports import Report
from memonotify.rules.values import Rule, Ruleset

REPORT = Report(schedule="0 8 * * *", timezone="Europe/Paris")


class NoStore:
    async def open_items(self, workspace: str, since: datetime) -> OpenItems:
        raise AssertionError(f"{workspace} was asked for since {since}")


def a_rule(report: Report | None = REPORT, **fields: Any) -> Rule:
    match = Match(event_type=None, resource_type=None, workspace=fields.pop("workspace", None))
    base = Rule(
        name="morning",
        description="",
        file="rules.yaml",
        line=1,
        match=match,
        when=None,
        lookups={},
        notify=(),
        resolved=(),
        on_change=False,
        key=None,
        needs_resource=False,
        digest="",
        report=report,
    )
    return replace(base, **fields)


def jobs(*rules: Rule, of: list[Ruleset] | None = None) -> ReportJobs:
    sets = of if of is not None else [Ruleset(rules=rules)]
    return ReportJobs(
        ruleset=lambda: sets[-1],
        banks={"acme": None, "zeta": None},  # type: ignore[dict-item]
        store=NoStore(),
        is_business_day=is_business_day,
        clock=ManualClock(),
        metrics=Metrics(),
        locale="en_GB",
    )


def test_there_is_a_job_for_each_workspace_that_a_report_is_of() -> None:
    assert [(job.rule, job.workspace) for job in jobs(a_rule())()] == [("morning", "acme"), ("morning", "zeta")]
    assert [job.workspace for job in jobs(a_rule(workspace=("z*",)))()] == ["zeta"]


def test_what_is_off_or_no_report_is_no_job() -> None:
    assert jobs(a_rule(mode=Mode.OFF), a_rule(None, name="other"))() == ()


def test_jobs_are_made_anew_where_the_rules_in_force_are_others() -> None:
    sets = [Ruleset(rules=(a_rule(),))]
    made = jobs(of=sets)
    assert made() is made()
    sets.append(Ruleset(rules=()))
    assert made() == ()


def test_closing_days_of_the_calendar_are_left_out() -> None:
    thursday = datetime(2026, 4, 2, 12, tzinfo=UTC)
    due = {
        calendar: jobs(a_rule(replace(REPORT, business_days=calendar)))()[0].next_after(thursday)
        for calendar in ("", "france", "target2")
    }
    assert due == {
        "": datetime(2026, 4, 3, 6, tzinfo=UTC),
        "france": datetime(2026, 4, 3, 6, tzinfo=UTC),
        "target2": datetime(2026, 4, 7, 6, tzinfo=UTC),
    }


def test_the_digest_is_of_what_decides_the_moments_alone() -> None:
    first = jobs(a_rule())()[0].digest
    assert jobs(a_rule(replace(REPORT, days=7, accounts=("Main*",)), digest="other"))()[0].digest == first
    for report in (
        replace(REPORT, schedule="0 9 * * *"),
        replace(REPORT, timezone="UTC"),
        replace(REPORT, business_days="france"),
    ):
        assert jobs(a_rule(report))()[0].digest != first
