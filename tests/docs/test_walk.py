"""The walk of `stand-in.md` and the calls of the other pages, against real processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
import yaml

from .conftest import ROOT, Block, blocks

pytestmark = pytest.mark.acceptance

_WITHIN_S = 30.0
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The folder of the walk, its environment, and which free port stands for each port of the pages."""

    folder: Path
    environ: dict[str, str]
    ports: dict[str, str]

    def here(self, text: str) -> str:
        """Return what a page shows, with this machine's free ports."""
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        return text

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a page."""
        return subprocess.run(
            ["bash", "-c", self.here(command)],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )

    @contextlib.contextmanager
    def running(self, command: str, ready: str, stream: str) -> Iterator[str]:
        """Run a command that serves, and give what it printed until `ready`; afterwards SIGTERM ends it."""
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self.here(command)}"],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            source = process.stdout if stream == "stdout" else process.stderr
            assert source is not None
            yield _until(source, ready)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_WITHIN_S)


def _until(source: IO[str], word: str) -> str:
    read = []
    for line in source:
        read.append(line)
        if word in line:
            return "".join(read)
    raise AssertionError("".join(read))


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _marked(page: str, reason: str) -> list[str]:
    """Return the commands of a page's blocks that are marked as not run for this reason."""
    found = [block for block in blocks(ROOT / "docs" / page) if block.mark == "not run" and block.value == reason]
    return [line[2:] for block in found for line in block.body.splitlines() if line.startswith("$ ")]


@pytest.fixture
def walk(alerts: Path) -> Walk:
    # The walk begins with an empty store.
    shutil.rmtree(alerts / "var")
    ports = {port: _free_port() for port in ("7700", "8080", "9280")}
    environ = {
        **os.environ,
        "PATH": f"{_BIN}:{os.environ['PATH']}",
        "MEMONOTIFY_ADMIN_TOKEN": "adm",
        "ACME_WEBHOOK_TOKEN": "letmein",
        "PYTHONUNBUFFERED": "1",
    }
    return Walk(folder=alerts, environ=environ, ports=ports)


def _configure(walk: Walk, printed: str) -> None:
    """Put the page's `server` and `workspaces` into the configuration, with what the stand-in printed; nothing is sent
    to a machine that is not this one."""
    page = ROOT / "docs" / "stand-in.md"
    (shown,) = [block for block in blocks(page) if block.language == "yaml"]
    given = yaml.safe_load(walk.here(shown.body))
    api = yaml.safe_load(re.search(r"( +api:\n(?: {6}.+\n)+)", printed)[1])["api"]  # type: ignore[index]
    written = given["workspaces"][0]["api"]
    assert {name for name, value in written.items() if value == "as-printed"} == {"thumbprint", "secret"}
    assert written["base_url"] == api["base_url"]
    assert (walk.folder / written["private_key"].removeprefix("${file:").removesuffix("}")).is_file()
    given["workspaces"][0]["api"] = {**written, "thumbprint": api["thumbprint"], "secret": api["secret"]}
    config = yaml.safe_load((walk.folder / "config.yaml").read_text(encoding="utf-8")) | given
    closed = _free_port()
    config["server"] |= {"listen": f"127.0.0.1:{walk.ports['8080']}"}
    config["admin"]["listen"] = f"127.0.0.1:{walk.ports['9280']}"
    config["channels"] = {
        "finance-mail": {
            "type": "email",
            "host": "127.0.0.1",
            "port": int(closed),
            "security": "none",
            "from": "a@example.com",
            "to": ["b@example.com"],
        },
        "treasury-slack": {"type": "slack", "url": f"http://127.0.0.1:{closed}/slack"},
        "erp": {"type": "http", "url": f"http://127.0.0.1:{closed}/hooks"},
    }
    # JSON is YAML with every text in quotes; PyYAML would leave out those of "08:00".
    (walk.folder / "config.yaml").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")


def test_the_walk_with_the_stand_in_leads_from_an_event_to_its_messages(walk: Walk) -> None:
    demo, bank, serve = _marked("stand-in.md", "serves forever")
    assert demo == "memonotify demo"
    triggers = _marked("stand-in.md", "needs the stand-in")
    with walk.running(f"{bank} --port 7700", "Raise one", "stdout") as printed:
        _configure(walk, printed)
        with walk.running(f"{serve} --log-format json", "daemon_started", "stderr"):
            for command in triggers:
                done = walk.run(f"{command} --bank http://127.0.0.1:7700")
                assert done.returncode == 0, done.stderr
            _wait_for(walk, len(triggers))
            rules = {row["rule"] for row in _json(walk, "memonotify deliveries --json")}
            assert {"big-incoming-payment", "low-balance", "returned-collection", "unknown-event-type"} <= rules
            _check_calls(walk)


def _wait_for(walk: Walk, events: int) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while len(found := _json(walk, "memonotify events --state evaluated --json")) != events:
        assert time.monotonic() < deadline, found


def _json(walk: Walk, command: str) -> list[dict[str, str]]:
    done = walk.run(command)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, str]] = json.loads(done.stdout)
    return rows


def _check_calls(walk: Walk) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the calls of webhook.md and api.md were not made")
    (event,) = [block for block in _files("commands.md") if block.value == "event.json"]
    (walk.folder / "event.json").write_text(event.body, encoding="utf-8")
    (post,) = _marked("webhook.md", "needs the daemon")
    assert "HTTP/1.1 204 No Content" in walk.run(post).stdout
    (get,) = _marked("api.md", "needs the daemon")
    assert walk.run(f"{get} -sf").returncode == 0


def _files(page: str) -> list[Block]:
    return [block for block in blocks(ROOT / "docs" / page) if block.mark == "file"]
