"""What `check` says of `attach`: impossible is a problem, doubtful a note, each with a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from memonotify.config.values import Workspace
from memonotify.rules.attachments import proof_doubt
from memonotify.rules.match import Match
from memonotify.secret import Secret

if TYPE_CHECKING:
    from tests.unit.rules.conftest import RulesFolder

MAIL = "notify:\n  - channel: finance-mail\n    text: x\n    attach: [proof]"


def rule(body: str) -> str:
    """Return a rule file with one rule; `body` stands 4 columns in, from line 3 on."""
    return "rules:\n  - name: one\n" + "\n".join(f"    {line}" for line in body.split("\n")) + "\n"


def loaded(rules_folder: RulesFolder, body: str):
    rules_folder.write("rules/a.yaml", rule(body))
    found = rules_folder.load()
    return found.ruleset.rules[0], [note for note in found.notes if "proof" in note.message or "transfer" in note.hint]


NEVER = "the rule never sees a transfer or a wire transfer, so there is no proof"
HINT = "there is a proof of `transfer_confirmed` and `wire_transfer_confirmed`"


@pytest.mark.parametrize(
    "match",
    [
        {"event_type": ("transaction_confirmed",)},
        {"event_type": ("collection_*", "account_closed")},
        {"resource_type": ("transaction",)},
        {"resource_type": ("collection*",), "event_type": ("*",)},
        {"resource_type": ("transfer",), "event_type": ("transaction_*",)},
        {"event_type": ("transfer_confirmed",), "resource_type": ("wire_transfer",)},
        {"event_type": ("bulk_transfers_completed",)},
        {"event_type": ("novelty",), "resource_type": ("loan",)},
    ],
)
def test_a_proof_that_there_can_never_be_is_a_problem(match: dict[str, tuple[str, ...]]) -> None:
    doubt = proof_doubt(Match(**match))
    assert doubt is not None
    assert (doubt.severity, doubt.message, doubt.hint) == ("error", NEVER, HINT)


@pytest.mark.parametrize(
    "match",
    [
        {"event_type": ("transfer_confirmed",)},
        {"event_type": ("transfer_confirmed", "wire_transfer_confirmed")},
        {"event_type": ("*transfer_confirmed",)},
        {"event_type": ("*_confirmed",), "resource_type": ("wire_transfer",)},
        {"event_type": ("wire_transfer_confirm*",), "workspace": ("acme",)},
    ],
)
def test_a_proof_that_the_bank_makes_is_no_matter(match: dict[str, tuple[str, ...]]) -> None:
    assert proof_doubt(Match(**match)) is None


ONLY = "the bank makes a proof of confirmed payments only"


@pytest.mark.parametrize(
    ("match", "message"),
    [
        (
            {"event_type": ("transfer_failed", "wire_transfer_returned")},
            f"{ONLY}: none at `transfer_failed`, `wire_transfer_returned`",
        ),
        (
            {"event_type": ("transfer_*",)},
            f"{ONLY}: the mail goes without at `transfer_returned`, `transfer_canceled`, `transfer_failed`",
        ),
        ({"event_type": ("*_confirmed",)}, f"{ONLY}: the mail goes without at `transaction_confirmed`, "),
        ({}, f"{ONLY}: the mail goes without at `account_created`, `account_updated`, "),
        (
            {"event_type": ("instant_transfer_*",)},
            "no event that is known here and that the rule looks at is one of a ",
        ),
    ],
)
def test_a_proof_that_some_events_or_all_go_without_is_a_note(match: dict[str, tuple[str, ...]], message: str) -> None:
    doubt = proof_doubt(Match(**match))
    assert doubt is not None
    assert doubt.severity == "note"
    assert doubt.message.startswith(message)


def test_many_events_that_go_without_are_counted() -> None:
    doubt = proof_doubt(Match())
    assert doubt is not None
    assert doubt.message.endswith(" and 28 more")


def test_an_entry_knows_what_it_attaches(rules_folder: RulesFolder) -> None:
    found, notes = loaded(rules_folder, f"match: {{event_type: transfer_confirmed}}\n{MAIL}")
    assert found.notify[0].attach == ("proof",)
    assert found.attaches
    assert not found.needs_resource
    assert notes == []


def test_the_problem_stands_at_the_key(rules_folder: RulesFolder) -> None:
    problem = rules_folder.problem(rule(f"match: {{event_type: 'collection_*'}}\n{MAIL}"))
    assert problem == f"rules/a.yaml:7:9: {NEVER} ({HINT})"


def test_each_message_that_attaches_has_its_note(rules_folder: RulesFolder) -> None:
    second = "\n  - channel: finance-mail\n    text: y\n    attach: [proof]"
    _, notes = loaded(rules_folder, f"match: {{event_type: 'transfer_*'}}\n{MAIL}{second}")
    assert [(note.line, note.column, note.severity) for note in notes] == [(7, 9, "note"), (10, 9, "note")]


@pytest.mark.parametrize(
    "body",
    [
        f"when: event.event_type == 'transfer_confirmed'\n{MAIL}",
        f"when: resource.status == 'confirmed'\n{MAIL}",
        f"{MAIL}\n    when: event.event_type == 'transfer_confirmed'",
    ],
)
def test_a_condition_that_tells_the_events_apart_is_trusted(rules_folder: RulesFolder, body: str) -> None:
    assert loaded(rules_folder, f"match: {{event_type: 'transfer_*'}}\n{body}")[1] == []


@pytest.mark.parametrize(
    "body",
    [
        f"match: {{event_type: 'transfer_*'}}\nwhen: resource.amount > 0\n{MAIL}",
        f"match: {{event_type: transfer_failed}}\nwhen: event.event_type == 'transfer_failed'\n{MAIL}",
    ],
)
def test_another_condition_and_a_hopeless_one_are_noted_all_the_same(rules_folder: RulesFolder, body: str) -> None:
    assert len(loaded(rules_folder, body)[1]) == 1


@pytest.mark.parametrize("channel", ["treasury-slack", "erp"])
def test_a_channel_that_is_no_mail_carries_nothing(rules_folder: RulesFolder, channel: str) -> None:
    body = f"match: {{event_type: account_closed}}\nnotify: [{{channel: {channel}, attach: [proof]}}]"
    problem = rules_folder.problem(rule(body))
    assert problem.startswith("rules/a.yaml:4:")
    assert "`attach` is no field of a message to " in problem


def test_a_proof_with_fetch_false_is_a_problem(rules_folder: RulesFolder) -> None:
    body = f"match: {{event_type: transfer_confirmed}}\nfetch: false\n{MAIL}"
    assert rules_folder.problem(rule(body)) == (
        "rules/a.yaml:4:12: `fetch: false`, but `attach` asks the bank at rules/a.yaml:8 (remove one of the two)"
    )


def test_a_proof_in_a_workspace_without_api_is_a_problem(rules_folder: RulesFolder) -> None:
    closed = (Workspace(name="beta", tokens=(Secret("token"),)),)
    problem = rules_folder.problem(rule(f"match: {{event_type: transfer_confirmed}}\n{MAIL}"), workspaces=closed)
    assert problem.startswith("rules/a.yaml:2:11: the rule asks the bank, but workspace `beta` has no `api`")


@pytest.mark.parametrize("name", ["prof", "proofs", "Proof"])
def test_a_name_that_there_is_not_is_refused_with_the_one_that_was_meant(rules_folder: RulesFolder, name: str) -> None:
    body = f"match: {{event_type: transfer_confirmed}}\n{MAIL.replace('[proof]', f'[{name}]')}"
    problem = rules_folder.problem(rule(body))
    assert problem.startswith(f"rules/a.yaml:7:18: item 1 of `attach` is `{name}`, which is not one of `proof`")
    assert "did you mean `proof`?" in problem


def test_a_test_may_expect_the_proof_or_nothing_but_no_other_name(rules_folder: RulesFolder) -> None:
    text = rule(f"match: {{event_type: transfer_confirmed}}\n{MAIL}") + (
        "tests:\n"
        "  - {name: a, event: {event_type: transfer_confirmed}, expect: [{attach: [proof]}, {attach: []}]}\n"
        "  - {name: b, event: {event_type: transfer_confirmed}, expect: [{attach: [prof]}]}\n"
    )
    problem = rules_folder.problem(text)
    assert problem.startswith("rules/a.yaml:10:")
    assert "did you mean `proof`?" in problem
