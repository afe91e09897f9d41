"""A rule with `report:` is due by the clock, and says what it wants in words that are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

MAIL = "notify: [{channel: finance-mail}]"


def rule(body: str) -> str:
    """Return a rule file with one report; `body` stands 4 columns in, from line 3 on."""
    return "rules:\n  - name: morning\n" + "".join(f"    {line}\n" for line in body.split("\n"))


def test_a_report_needs_nothing_but_a_schedule_and_somebody_to_tell(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", rule(f'report: {{schedule: "0 8 * * mon-fri"}}\n{MAIL}'))
    (found,) = rules_folder.load().ruleset.rules
    assert found.report is not None
    assert (found.report.schedule, found.report.timezone) == ("0 8 * * mon-fri", "Europe/Paris")
    assert (found.report.days, found.report.accounts, found.report.business_days) == (None, (), "")
    assert {"text", "html", "subject"} <= {path[0] for path, _ in found.notify[0].message.parts}


def test_a_report_looks_at_no_event(rules_folder: RulesFolder) -> None:
    rules_folder.write("rules/a.yaml", rule(f'report: {{schedule: "0 8 * * *"}}\n{MAIL}'))
    ruleset = rules_folder.load().ruleset
    assert ruleset.candidates("transaction_confirmed", "transaction", "acme") == ()
    assert ruleset.rules[0].passes_over("transaction_confirmed", "transaction", "acme") == (
        "a report, which is due by the clock"
    )


def test_the_accounts_may_be_one_glob_or_several(rules_folder: RulesFolder) -> None:
    for given, expected in (("Main*", ("Main*",)), ("[Main*, FR76*]", ("Main*", "FR76*"))):
        rules_folder.write("rules/a.yaml", rule(f'report: {{schedule: "0 8 * * *", accounts: {given}}}\n{MAIL}'))
        (found,) = rules_folder.load().ruleset.rules
        assert found.report is not None
        assert found.report.accounts == expected


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (f"report: {{schedule: 0 8 * *}}\n{MAIL}", "3:24: a schedule has five fields: minute, hour, day of the month"),
        (f"report: {{schedule: 0 25 * * *}}\n{MAIL}", "3:24: the schedule cannot be read: bad hour (such as "),
        (f"report: {{}}\n{MAIL}", "3:5: `schedule` is missing in `report`"),
        (f"report: {{schedule: 0 8 * * *, timezone: Europe/Pari}}\n{MAIL}", "(did you mean `Europe/Paris`?)"),
        (f"report: {{schedule: 0 8 * * *, business_days: germany}}\n{MAIL}", "3:50: "),
        (f"report: {{schedule: 0 8 * * *, day: 1}}\n{MAIL}", "(did you mean `days`?)"),
        (f"report: {{schedule: 0 8 * * *, days: 0}}\n{MAIL}", "3:41: "),
        (
            f"report: {{schedule: 0 8 * * *}}\nwhen: resource.amount\n{MAIL}",
            "4:5: `when` has no place beside `report`: a report is due by the clock, not by an event",
        ),
        (f"report: {{schedule: 0 8 * * *}}\nfetch: false\n{MAIL}", "4:5: `fetch` has no place beside `report`"),
        (
            f"report: {{schedule: 0 8 * * *}}\nmatch: {{event_type: account_created}}\n{MAIL}",
            "4:13: `event_type` has no place beside `report`: a report looks at no event (`match` of a report has only",
        ),
        (
            "report: {schedule: 0 8 * * *}\nnotify: [{channel: finance-mail, attach: [proof]}]",
            "4:38: `attach` has no place beside `report`",
        ),
        (
            'report: {schedule: 0 8 * * *}\nnotify: [{channel: finance-mail, text: "{{ resource.id }}"}]',
            "4:44: there is nothing called `resource` here (known: `report`, `workspace`)",
        ),
        (
            'report: {schedule: 0 8 * * *}\nnotify: [{channel: finance-mail, text: "{{ report.acounts }}"}]',
            "4:44: `report` has no field `acounts` (did you mean `accounts`?)",
        ),
    ],
)
def test_what_is_wrong_in_a_report_is_told_at_its_place(rules_folder: RulesFolder, body: str, problem: str) -> None:
    assert problem in rules_folder.problem(rule(body))


def test_all_that_has_no_place_beside_a_report_is_told_and_nothing_that_follows_from_it(
    rules_folder: RulesFolder,
) -> None:
    body = f'report: {{schedule: "0 8 * * *"}}\nfire: on_change\nkey: "{{{{ resource.id }}}}"\nresolved: []\n{MAIL}'
    problems = rules_folder.problems({"rules/a.yaml": rule(body)})
    told = [problem for problem in problems if "has no place beside `report`" in problem]
    assert [problem.split("`")[1] for problem in told] == ["fire", "key", "resolved"]


def test_a_test_cannot_expect_a_report(rules_folder: RulesFolder) -> None:
    text = rule(f'report: {{schedule: "0 8 * * *"}}\n{MAIL}')
    text += "tests:\n  - name: t\n    event: {event_type: account_created}\n    expect: [{rule: morning}]\n"
    assert "`morning` is a report, which no event sets off" in rules_folder.problem(text)


def test_a_workspace_without_an_api_has_no_report(rules_folder: RulesFolder) -> None:
    from dataclasses import replace

    rules_folder.write("rules/a.yaml", rule(f'report: {{schedule: "0 8 * * *"}}\n{MAIL}'))
    from memonotify.errors import ConfigError

    (workspace,) = rules_folder.config().workspaces
    with pytest.raises(ConfigError, match="workspace `acme` has no `api`"):
        rules_folder.load(workspaces=(replace(workspace, api=None),))
