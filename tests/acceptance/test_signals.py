"""How the commands that serve end: by a first signal in good order with 0, by a second one at once."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from daemonparts import WITHIN_S, MakeDaemon, Received, Receivers, until

from memonotify.standin.bank import StandInBank

pytestmark = pytest.mark.acceptance

RULE = """
rules:
  - name: told
    match: {event_type: iban_created}
    fetch: false
    notify: [{channel: slack, text: told}]
"""
BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])


@BOTH
async def test_a_second_signal_ends_serve_at_once_with_the_signals_own_status(
    make_daemon: MakeDaemon, bank: StandInBank, receivers: Receivers, number: signal.Signals
) -> None:
    free = asyncio.Event()

    async def hang(_: Received) -> web.Response | None:
        await free.wait()
        return None

    receivers.http_script["/slack"] = [hang]
    daemon = await make_daemon(RULE)
    assert daemon.process is not None
    await bank.raise_event("iban_created")
    await until(lambda: bool(receivers.http.get("/slack")), "a message on its way")
    daemon.process.send_signal(signal.SIGTERM)
    await until(lambda: bool(daemon.events("daemon_stopping")), "the begin of the end")
    assert await daemon.stop(number) == 128 + number
    assert daemon.events("daemon_ended_at_once")
    free.set()


async def test_a_port_that_is_taken_is_told_in_one_sentence_and_nothing_else(make_daemon: MakeDaemon) -> None:
    first = await make_daemon(RULE)
    other = await make_daemon(RULE, start=False)
    config = other.folder / "config.yaml"
    config.write_text(config.read_text().replace(str(other.webhook_port), str(first.webhook_port)))
    status, out, err = await other.run("serve", "--log-level", "warning")
    lines = [line for line in err.splitlines() if '"note"' not in line]
    assert (status, out, len(lines)) == (1, "", 1), err
    assert "something listens there already" in lines[0]


@contextmanager
def _started(folder: Path, *arguments: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command in a folder; give the process, and what it printed up to a line with that word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "memonotify", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = ""
        while until not in printed:
            line = process.stdout.readline()
            assert line, printed + process.communicate(timeout=WITHIN_S)[1]
            printed += line
        yield process, printed
    finally:
        process.kill()
        process.communicate()


def _end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out, err


@BOTH
def test_the_stand_in_ends_in_good_order_and_its_hint_reaches_it(tmp_path: Path, number: signal.Signals) -> None:
    with _started(tmp_path, "bank", "--port", "0", until="Raise one") as (process, printed):
        (hint,) = re.findall(r"Raise one: memonotify (.+)", printed)
        command = [sys.executable, "-m", "memonotify", *hint.split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        assert done.returncode == 0, done.stderr
        assert _end(process, number) == (0, "", "")


@BOTH
def test_the_demo_ends_in_good_order_and_starts_again_with_edited_rules_by_the_command_it_prints(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _started(tmp_path, "demo", "--any-port", "--dir", "files", until="Files") as (process, _):
        assert process.stdout is not None
        again = process.stdout.readline().split()
        assert again[-4:] == ["demo", "--dir", str(tmp_path / "files"), "--any-port"]
        status, out, err = _end(process, number)
        assert (status, err) == (0, "")
        assert "The demo has ended" in out
    assert [file for file in tmp_path.rglob("*") if file.is_socket()] == []
    rules = tmp_path / "files" / "rules" / "payments.yaml"
    rules.write_text(rules.read_text().replace("paid {{", "has paid {{"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with _started(elsewhere, *again[-4:], until="has paid"):
        pass


def test_a_demo_without_a_folder_leaves_only_what_was_edited(tmp_path: Path) -> None:
    with _started(tmp_path, "demo", "--any-port", until="Files") as (process, _):
        assert _end(process, signal.SIGTERM)[0] == 0
    assert list(tmp_path.iterdir()) == []
    with _started(tmp_path, "demo", "--any-port", until="Files") as (process, _):
        (folder,) = tmp_path.iterdir()
        (folder / "rules" / "unknown.yaml").unlink()
        status, out, _ = _end(process, signal.SIGTERM)
        assert status == 0
        assert f"--dir {folder}" in out.splitlines()[-1]
    assert folder.is_dir()


def test_a_demo_that_was_to_end_by_itself_has_failed_where_a_signal_ends_it(tmp_path: Path) -> None:
    with _started(tmp_path, "demo", "--once", until="Mailbox") as (process, _):
        status, out, err = _end(process, signal.SIGTERM)
    assert (status, err) == (1, "memonotify: ended before it was done\n")
    assert "have arrived" not in out
