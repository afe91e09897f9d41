"""SIGHUP puts edited rules in force, and a broken edit leaves the running ones alone."""

from __future__ import annotations

import json
import signal

import pytest
from daemonparts import MakeDaemon, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

RULE = """
rules:
  - name: NAME
    match: {event_type: iban_created}
    fetch: false
    notify: [{channel: erp, json: {rule: NAME}}]
"""


async def test_an_edit_takes_effect_and_a_broken_one_does_not(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers
) -> None:
    daemon = await make_daemon(RULE.replace("NAME", "first"))
    assert daemon.process is not None
    (daemon.folder / "rules.yaml").write_text(RULE.replace("NAME", "second"))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: bool(daemon.events("rules_reloaded")), "a reload")
    # A channel that the file names by now and the daemon does not have: its messages would never be sent.
    config = daemon.folder / "config.yaml"
    config.write_text(config.read_text().replace("  erp:", "  new: {type: http, url: 'http://127.0.0.1:1/'}\n  erp:"))
    (daemon.folder / "rules.yaml").write_text(RULE.replace("erp", "new"))
    daemon.process.send_signal(signal.SIGHUP)
    await until(lambda: bool(daemon.events("rule_file_refused")), "a refused file")
    assert [line["file"] for line in daemon.events("config_changed")] == [str(config)]
    await bank.raise_event("iban_created")
    await until(lambda: bool(receivers.http.get("/hook")), "a message")
    assert [received.json for received in receivers.http["/hook"]] == [{"rule": "second"}]
    assert await daemon.stop() == 0


TWO = RULE.replace("NAME", "first") + RULE.replace("NAME", "second").replace("\nrules:\n", "")


async def test_the_command_prints_what_changed_by_rule_with_its_place(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon(TWO)
    rules = daemon.folder / "rules.yaml"
    changed = TWO.replace("second", "third").replace("{rule: first}", "{rule: other}")
    rules.write_text(changed.replace("name: third\n", "name: third\n    severity: critical\n"))
    status, out, err = await daemon.run("reload")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"added    third   {rules}:7 (critical)",
        f"changed  first   {rules}:3",
        f"removed  second  {rules}:7",
        "2 rules in force.",
    ]
    assert (await daemon.run("reload"))[:2] == (0, "2 rules in force, as before.\n")


async def test_the_command_prints_every_problem_with_its_place_and_exits_with_2(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon(TWO)
    rules = daemon.folder / "rules.yaml"
    rules.write_text(TWO.replace("    fetch: false", "    ftech: false").replace("erp", "epr"))
    status, out, err = await daemon.run("reload")
    assert (status, out) == (2, "2 rules in force, as before.\n")
    *problems, last = err.splitlines()
    assert [line.split(": ")[0] for line in problems] == [f"{rules}:{line}" for line in ("5:5", "6:24", "9:5", "10:24")]
    assert "(did you mean `fetch`?)" in problems[0]
    assert last == f"{rules}: its last good version stays in force"
    status, out, _ = await daemon.run("reload", "--json")
    answer = json.loads(out)
    assert (status, answer["ok"], answer["code"], len(answer["problems"])) == (2, False, "files_wrong", 4)
    status, out, _ = await daemon.run("status")
    assert status == 1
    assert f"- {rules} is wrong, its last good version is in force: {rules}:5:5: unknown key `ftech`" in out
    (daemon.folder / "config.yaml").write_text((daemon.folder / "config.yaml").read_text() + "locale: en_GB\n")
    rules.write_text(TWO)
    status, _, err = await daemon.run("reload")
    assert (status, err) == (0, "config.yaml has changed since the start: restart to use it\n")
    assert (await daemon.run("status"))[0] == 0


async def test_without_a_daemon_the_command_says_so_and_fails(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon(TWO, start=False)
    status, out, err = await daemon.run("reload")
    assert (status, out) == (1, "")
    assert err.startswith("memonotify: no daemon listens on ")


async def test_nothing_starts_where_a_file_has_no_good_version_and_every_problem_is_printed(
    make_daemon: MakeDaemon,
) -> None:
    daemon = await make_daemon(TWO.replace("notify", "ntify"), start=False)
    status, _, err = await daemon.run("serve")
    assert status == 2
    assert len([line for line in err.splitlines() if f"{daemon.folder}/rules.yaml:" in line]) == 2


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_broken_file_starts_in_its_last_good_version_and_is_told_once(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, kind: str, request: pytest.FixtureRequest
) -> None:
    on = {} if kind == "sqlite" else {"store": request.getfixturevalue("postgres_url"), "serve": ("--node", "n1")}
    daemon = await make_daemon(RULE.replace("NAME", "first"), extra="on_failure: {channel: slack}\n", **on)
    (daemon.folder / "rules.yaml").write_text("rules: [")
    for _ in range(2):
        await daemon.run("reload")
    await daemon.kill()
    if on:
        # A node under another name, such as a new pod, takes what another has kept.
        daemon._serve = ("--node", "n2")
    await daemon.start()
    await bank.raise_event("iban_created")
    await until(lambda: bool(receivers.http.get("/hook")), "a message")
    assert receivers.http["/hook"][0].json == {"rule": "first"}
    await until(lambda: bool(receivers.http.get("/slack")), "a word on the broken file")
    assert await daemon.stop() == 0
    (told,) = receivers.http["/slack"]
    assert "rules.yaml is wrong" in told.json["text"]
    assert "rules.yaml:1:9: " in told.json["text"]
    # Each start says it once, in its own log.
    assert len(daemon.events("rule_file_refused")) == 2
