"""The installed command as a child process, between a stand-in bank and real receivers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from memonotify.clock import SystemClock
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import Credentials, make_credentials

TOKEN = "acceptance-token"
WITHIN_S = 30.0


def free_port() -> int:
    """Return a port nobody listens on; the child process takes it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Wait for something a child process does; the failure names what did not come."""
    try:
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"within {within_s:g} s there was not: {what}")


class Daemon:
    """`memonotify serve` on a configuration, started, killed and started again."""

    def __init__(self, folder: Path, config: str, environ: dict[str, str], serve: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._serve = serve
        self.webhook_port = free_port()
        self.admin_port = free_port()
        (folder / "config.yaml").write_text(
            config.replace("WEBHOOK_PORT", str(self.webhook_port)).replace("ADMIN_PORT", str(self.admin_port))
        )
        self._environ = {
            **{name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")},
            **environ,
        }
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.webhook_port}/webhooks/acme"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    async def start(self, *, again: bool = False) -> None:
        """Start it and wait until it is ready; with `again`, once more where it ends, as systemd would."""
        with (self.folder / "log.jsonl").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "memonotify",
                "serve",
                "-c",
                str(self.folder / "config.yaml"),
                *self._serve,
                stderr=log,
                env=self._environ,
            )
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(WITHIN_S):
            while True:
                if again and self.process.returncode is not None:
                    await asyncio.sleep(0.5)
                    return await self.start(again=True)
                if self.process.returncode is not None:
                    pytest.fail(f"the daemon ended with {self.process.returncode}:\n{self.log()}")
                try:
                    if (await client.get(f"{self.admin}/readyz")).status_code == 200:
                        return None
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def send(self, number: int) -> None:
        """Send it a signal and do not wait: SIGSTOP and SIGCONT."""
        assert self.process is not None
        self.process.send_signal(number)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; return its exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(WITHIN_S):
            return await self.process.wait()

    def log(self) -> str:
        return (self.folder / "log.jsonl").read_text()

    def events(self, word: str) -> list[dict[str, Any]]:
        """Return its log lines of one event word."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == word]

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run another command on the same configuration; return its exit status, output and errors."""
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "memonotify",
            *arguments,
            "-c",
            str(self.folder / "config.yaml"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environ,
        )
        out, err = await asyncio.wait_for(child.communicate(), WITHIN_S)
        return child.returncode or 0, out.decode(), err.decode()


@dataclass
class Received:
    """One HTTP request or mail that a receiver took or refused."""

    identity: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    taken: bool = True

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def mail(self) -> Message:
        return message_from_bytes(self.body)


Answer = Callable[[Received], Awaitable[web.Response | None]]


class Receivers:
    """A real HTTP server and a real SMTP server. A test scripts their next answers; without a script they take all."""

    def __init__(self) -> None:
        self.http: dict[str, list[Received]] = {}
        self.mails: list[Received] = []
        self.http_script: dict[str, list[Answer]] = {}
        self.mail_script: list[str | None] = []
        self.refused_recipients: dict[str, str] = {}
        self.http_port = self.smtp_port = 0
        self._sessions: set[asyncio.Transport] = set()

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.post("/{path:.*}", self._take)])
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.http_port = self._runner.addresses[0][1]
        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(lambda: SMTP(self, hostname="receiver", loop=loop), "127.0.0.1", 0)
        self.smtp_port = self._smtp.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._smtp.close()
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        path = "/" + request.match_info["path"]
        received = Received(
            identity=request.headers.get("webhook-id", ""), body=await request.read(), headers=dict(request.headers)
        )
        self.http.setdefault(path, []).append(received)
        script = self.http_script.get(path, [])
        if script and (answer := await script.pop(0)(received)) is not None:
            received.taken = answer.status < 300
            return answer
        return web.Response(text="ok")

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content)
        answer = self.mail_script.pop(0) if self.mail_script else None
        self.mails.append(
            Received(
                identity=str(mail["Message-ID"]),
                body=content,
                recipients=tuple(envelope.rcpt_tos),
                taken=answer is None,
            )
        )
        if answer == "drop":
            assert server.transport is not None
            server.transport.abort()
        return answer or "250 taken"


@pytest.fixture
async def receivers() -> AsyncIterator[Receivers]:
    made = Receivers()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="session")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture
async def bank(credentials: Credentials) -> AsyncIterator[StandInBank]:
    # A retry after three minutes comes after 0.3 s here.
    standin = StandInBank(
        clock=SystemClock(), random=random.Random(7), speed=600, quota=100_000, credentials=credentials
    )
    async with standin:
        yield standin


CONFIG = """
server: {listen: "127.0.0.1:WEBHOOK_PORT", allowed_ips: [127.0.0.1]}
admin: {listen: "127.0.0.1:ADMIN_PORT", token: "${env:ADMIN_TOKEN}"}
store: STORE
workspaces:
  - name: acme
    tokens: ["${env:WEBHOOK_TOKEN}"]
    api:
      base_url: BANK_URL
      thumbprint: ${env:BANK_THUMBPRINT}
      secret: ${env:BANK_SECRET}
      private_key: ${file:key.pem}
channels:
  mail: {type: email, host: 127.0.0.1, port: SMTP_PORT, security: none, from: notify@example.com,
         to: [finance@example.com]}
  slack: {type: slack, url: "http://127.0.0.1:HTTP_PORT/slack", rate: {count: 100, per: 1s}}
  erp: {type: http, url: "http://127.0.0.1:HTTP_PORT/hook", timeout: 500ms}
MORE_CHANNELSretry: {first: 200ms, max: 1s, give_up_after: 1h}
rules: [rules.yaml]
"""


MakeDaemon = Callable[..., Awaitable[Daemon]]


@pytest.fixture
async def make_daemon(tmp_path: Path, bank: StandInBank, receivers: Receivers) -> AsyncIterator[MakeDaemon]:
    made: list[Daemon] = []

    async def make(
        rules: str,
        *,
        channels: str = "",
        extra: str = "",
        start: bool = True,
        store: str = "sqlite:///var/store.db",
        serve: tuple[str, ...] = (),
        webhook: bool = True,
    ) -> Daemon:
        folder = tmp_path / f"daemon-{len(made)}"
        folder.mkdir()
        (folder / "rules.yaml").write_text(rules)
        (folder / "key.pem").write_text(bank.credentials.private_key.reveal())
        config = (CONFIG + extra).replace("MORE_CHANNELS", channels).replace("BANK_URL", bank.url)
        config = (
            config.replace("STORE", store)
            .replace("SMTP_PORT", str(receivers.smtp_port))
            .replace("HTTP_PORT", str(receivers.http_port))
        )
        daemon = Daemon(
            folder,
            config,
            {
                "WEBHOOK_TOKEN": TOKEN,
                "ADMIN_TOKEN": "admin-token",
                "BANK_THUMBPRINT": bank.credentials.thumbprint.reveal(),
                "BANK_SECRET": bank.credentials.secret.reveal(),
            },
            serve,
        )
        made.append(daemon)
        if webhook:
            bank.add_webhook(daemon.url, TOKEN)
        if start:
            await daemon.start()
        return daemon

    yield make
    for daemon in made:
        if daemon.process is not None and daemon.process.returncode is None:
            await daemon.kill()
