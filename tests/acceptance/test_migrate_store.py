"""`memonotify migrate-store` as it is started: what it prints, how it ends, and what a daemon says of its target."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import a_server, database
from moveparts import an_event_row, content, fill, path_of, run, tables_of, writing

from memonotify.store import bulk
from memonotify.store.tables import metadata

pytestmark = pytest.mark.acceptance

_COMMAND = [str(Path(sys.executable).parent / "memonotify"), "migrate-store"]

# The command, which signals itself when the first batch is written: no test can hit that moment from outside.
_SIGNALLED = """
import os, sys
from memonotify.cli import main
from memonotify.store import bulk
number, whole = int(sys.argv.pop(1)), bulk.put
def put(connection, table, rows):
    whole(connection, table, rows)
    if table.name == "events":
        os.kill(os.getpid(), number)
bulk.put = put
main()
"""


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with a_server() as server, database(server) as url:
        yield url


def migrate(*arguments: str, folder: Path, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(command or _COMMAND), *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_store_is_moved_to_postgresql_and_compared(tmp_path: Path, postgres_url: str) -> None:
    fill(f"sqlite:///{tmp_path}/var/store.db", 30)
    secret = postgres_url.replace("postgres@", "postgres:s3cret@")
    done = migrate("sqlite:///var/store.db", secret, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "events\t30\t30\t" in done.stdout
    assert "All is there, compared row by row." in done.stdout
    assert "copying events: 30 rows" in done.stderr
    assert "comparing attempts: 30 rows" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    again = migrate("sqlite:///var/store.db", secret, folder=tmp_path)
    assert again.returncode == 1
    assert "not empty, there are deliveries" in again.stderr
    assert "s3cret" not in again.stderr
    same = migrate("--verify-only", "sqlite:///var/store.db", secret, folder=tmp_path)
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "Both stores hold the same.")


def test_json_has_counts_and_checksums_of_every_table(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/a.db", 8)
    done = migrate("sqlite:///a.db", f"sqlite:///{tmp_path}/b.db", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["equal"] is True
    tables = {table["table"]: table for table in result["tables"]}
    assert set(tables) == {table.name for table in bulk.MOVED}
    assert (tables["events"]["rows"], tables["events"]["copied"]) == (8, 8)
    assert len(tables["events"]["digest"]) == 64


def test_a_difference_is_told_and_ends_with_one(tmp_path: Path) -> None:
    one, other = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    fill(one, 8)
    assert migrate(one, other, folder=tmp_path).returncode == 0
    run(other, "UPDATE events SET resource_id = 'r2' WHERE seq >= 5")
    done = migrate("--verify-only", one, other, "--json", folder=tmp_path)
    assert done.returncode == 1
    assert "events: seq=5 differs in resource_id (8 rows in FROM, 8 in TO)" in done.stderr
    (wrong,) = [table for table in json.loads(done.stdout)["tables"] if "difference" in table]
    assert (wrong["table"], wrong["difference"]) == ("events", "seq=5 differs in resource_id")
    assert wrong["digest"] != wrong["digest_there"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_sentence_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    one, other = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    fill(one, 5_000)
    program = [sys.executable, "-c", _SIGNALLED, str(int(number)), "migrate-store"]
    done = migrate(one, other, folder=tmp_path, command=program)
    assert done.returncode == 1, done.stderr
    assert "ended before it was done; what was copied stays, and the same command goes on from there" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert "unfinished_move" in tables_of(other)
    again = migrate(one, other, "--json", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    copied = {table["table"]: table["copied"] for table in json.loads(again.stdout)["tables"]}
    # The batch that was under way when the signal came is there.
    assert (copied["deliveries"], copied["events"], copied["attempts"]) == (0, 3_000, 5_000)
    assert content(other) == content(one)


_CONFIG = """
store: sqlite:///b.db
server: {listen: 127.0.0.1:0}
admin: {listen: 127.0.0.1:0}
workspaces: [{name: acme, tokens: [letmein]}]
channels: {erp: {type: http, url: "http://127.0.0.1:1/"}}
rules: [rules.yaml]
"""


@pytest.mark.parametrize("command", ["serve", "status", "events", "retry"])
def test_no_command_uses_an_unfinished_store(tmp_path: Path, command: str) -> None:
    (tmp_path / "config.yaml").write_text(_CONFIG, encoding="utf-8")
    (tmp_path / "rules.yaml").write_text("rules: []\n", encoding="utf-8")
    fill(f"sqlite:///{tmp_path}/a.db", 10)
    program = [sys.executable, "-c", _SIGNALLED, str(int(signal.SIGINT)), "migrate-store"]
    assert migrate("sqlite:///a.db", "sqlite:///b.db", folder=tmp_path, command=program).returncode == 1
    more = ["--dead"] if command == "retry" else []
    done = migrate(*more, folder=tmp_path, command=[_COMMAND[0], command])
    assert done.returncode == 1
    assert f"{tmp_path}/b.db: unfinished: it is being filled from {tmp_path}/a.db; start" in done.stderr


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("mysql://h/db", "`mysql` is no kind of store"),
        ("store.db", "is not the address of a store"),
        ("postgres://h/db", "begins with postgresql://"),
        ("sqlite:///", "needs a file"),
        ("postgresql://u:s3cret@h", "is no address of a PostgreSQL database"),
    ],
)
def test_what_is_no_store_is_refused_without_repeating_it(tmp_path: Path, source: str, sentence: str) -> None:
    done = migrate(source, "sqlite:///b.db", folder=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "s3cret" not in done.stderr


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    with writing(f"sqlite:///{tmp_path}/a.db") as connection:
        bulk.put(connection, metadata.tables["events"], [an_event_row(1)])
    done = migrate("sqlite:///a.db", "postgresql://nobody@127.0.0.1:1/nothing", folder=tmp_path)
    assert done.returncode == 1
    assert "postgresql://127.0.0.1/nothing: the store cannot be used now" in done.stderr
    assert "when that is over, the same command goes on where this one was" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_last_line_says_what_to_do_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    config = tmp_path / "folder" / "own.yaml"
    config.write_text(_CONFIG, encoding="utf-8")
    (config.parent / "rules.yaml").write_text("rules: []\n", encoding="utf-8")
    fill(f"sqlite:///{tmp_path}/a.db", 1)
    for target, sentence in (
        ("sqlite:///folder/c.db", f"Now write the new address into {config} under `store`"),
        ("sqlite:///folder/b.db", f"{config} names it already: start `memonotify serve`."),
    ):
        done = migrate("-c", "folder/own.yaml", "sqlite:///a.db", target, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert sentence in done.stdout
    done = migrate("sqlite:///a.db", "sqlite:///d.db", folder=tmp_path)
    assert "Now write the new address into config.yaml under `store`" in done.stdout


def test_a_named_configuration_that_is_not_there_is_told_before_anything_is_done(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path}/a.db", 1)
    done = migrate("-c", "nowhere.yaml", "sqlite:///a.db", "sqlite:///b.db", folder=tmp_path)
    assert done.returncode == 2
    assert "nowhere.yaml" in done.stderr
    assert not path_of(f"sqlite:///{tmp_path}/b.db").exists()
