"""Starts and ends the peers, and writes the configurations they run on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load import TOKEN

_START_S = 30.0


@dataclass
class Peer:
    """A child process: what it said when it was ready, and at its end."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    end: dict[str, Any] = field(default_factory=dict)

    async def said(self, within_s: float) -> dict[str, Any]:
        """Return its next line.

        Raises:
            RuntimeError: it ended without one.
        """
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), within_s)
        if not line:
            raise RuntimeError("a process of the bench ended early; its own words are above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def peer(
    name: str, *arguments: object, environ: dict[str, str] | None = None, start_s: float = _START_S
) -> AsyncIterator[Peer]:
    """Run a peer that serves until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.peers",
        name,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | (environ or {}),
    )
    running = Peer(process, {})
    try:
        running.ready = await running.said(start_s)
        yield running
        process.terminate()
        assert process.stdout is not None
        last = await asyncio.wait_for(process.stdout.readline(), _START_S)
        running.end = json.loads(last) if last else {}
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(name: str, *arguments: object, within_s: float) -> dict[str, Any]:
    """Run a peer that ends by itself and return what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.peers", name, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    try:
        return await Peer(process, {}).said(within_s)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def write_config(
    folder: Path,
    *,
    outside: dict[str, Any] | None,
    channel: str,
    concurrency: int,
    rules: str,
    store: str = "sqlite:///store.db",
) -> tuple[Path, dict[str, str]]:
    """Write a configuration into `folder`; return its path and the environment it names."""
    from memonotify.standin.credentials import make_credentials

    folder.mkdir(parents=True, exist_ok=True)
    credentials = make_credentials()
    (folder / "key.pem").write_text(credentials.private_key.reveal())
    port = outside["port"] if outside else 9
    smtp = outside["smtp"] if outside else 9
    channels = {
        "http": f'erp: {{type: http, url: "http://127.0.0.1:{port}/hook", concurrency: {concurrency}}}',
        "mail": f"erp: {{type: email, host: 127.0.0.1, port: {smtp}, security: none, from: notify@example.com, "
        f"to: [finance@example.com], concurrency: {concurrency}, timeout: 30s}}",
    }
    (folder / "rules.yaml").write_text(rules)
    path = folder / "config.yaml"
    path.write_text(
        f"""
server: {{listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:0"}}
store: {store}
workspaces:
  - name: acme
    tokens: ["${{env:BENCH_TOKEN}}"]
    api:
      base_url: http://127.0.0.1:{port}
      thumbprint: ${{env:BENCH_THUMBPRINT}}
      secret: ${{env:BENCH_SECRET}}
      private_key: ${{file:key.pem}}
channels:
  {channels[channel]}
rules: [rules.yaml]
"""
    )
    return path, {
        "BENCH_TOKEN": TOKEN,
        "BENCH_THUMBPRINT": credentials.thumbprint.reveal(),
        "BENCH_SECRET": credentials.secret.reveal(),
    }


# Twenty rules that look at other types: an event of the flood is looked up, found to concern none, and marked done.
QUIET_RULES = "rules:\n" + "".join(
    f"""  - name: quiet-{number}
    match: {{event_type: collection_returned}}
    when: resource.amount > {number}
    notify: [{{channel: erp, json: {{n: {number}}}}}]
"""
    for number in range(20)
)

HTTP_RULES = """
rules:
  - name: big-incoming-payment
    match: {event_type: transaction_confirmed}
    when: resource.direction == "credit" and (resource | amount) >= 10000
    notify:
      - channel: erp
        json: {id: "{{ event.id }}", amount: "{{ resource.amount }}", who: "{{ resource.counterparty_name }}"}
"""

MAIL_RULES = """
rules:
  - name: big-incoming-payment
    match: {event_type: transaction_confirmed}
    when: event.resource_type == "transaction"
    notify:
      - channel: erp
        subject: "{{ event.event_type }}"
        text: "A payment came in: {{ event.resource_id }}"
"""

UNFETCHED_RULES = """
rules:
  - name: everything
    match: {event_type: transaction_confirmed}
    fetch: false
    notify: [{channel: erp, json: {event: "{{ event }}"}}]
"""
