"""The demo: stand-in bank, mailbox and daemon in one process, on the shipped rules, with events flowing.

Comes in: nothing but ports; goes out: mails, Slack messages and HTTP notifications in the mailbox, and a line on the
terminal for each. It writes a configuration like a user's into a folder of its own and loads it as `serve` does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memonotify.app import App
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.defaults import shipped
from memonotify.errors import ListenError, MemonotifyError
from memonotify.rules.loader import load_rules
from memonotify.standin.bank import StandInBank
from memonotify.standin.mailbox import Arrival, Mailbox
from memonotify.templating import Templates

FIRST_MESSAGES_WITHIN_S: Final = 30.0
_KINDS: Final = frozenset({"mail", "slack", "http"})
_EVERY_S: Final = 4.0
_BETWEEN_FIRST_S: Final = 0.5

# One of each thing a finance team looks at first, then chance decides.
_STORY: Final[tuple[tuple[str, Mapping[str, Any]], ...]] = (
    (
        "transaction_confirmed",
        {
            "resource.amount": 1_250_000,
            "resource.direction": "credit",
            "resource.source.type": "transfer_incoming",
            "resource.counterparty_name": "Boulangerie Martin & Fils <Paris>",
            "resource.source.message": "Facture 2026-031",
        },
    ),
    ("transfer_confirmed", {"resource.amount": 4_200_000, "resource.message": "Facture F-117"}),
    ("collection_returned", {"resource.amount": 12_050, "resource.failure_code": "debtor_bank_insufficient_funds"}),
    (
        "wire_transfer_attachment_required",
        {"resource.instructed_amount": 2_500_000, "resource.instructed_currency": "USD"},
    ),
    ("transfer_returned", {"resource.amount": 84_050, "resource.failure_code": "beneficiary_bank_account_closed"}),
    ("mandate_signature_request_completed", {}),
    (
        "bulk_collections_completed",
        {
            "resource.collections_total": 300,
            "resource.collections_confirmed": 297,
            "resource.collections_canceled": 1,
            "resource.collections_failed": 2,
        },
    ),
    ("transfer_failed", {"resource.amount": 420_000, "resource.failure_code": "insufficient_funds"}),
    ("iban_updated", {}),
    ("collection_failed", {"resource.amount": 7_900}),
    ("account_closed", {}),
    ("mandate_signature_request_expired", {}),
    ("loan_repaid", {"event.resource_type": "loan"}),
)

_CONFIG: Final = """\
# What the demo runs on. A configuration of your own looks the same: see config.example.yaml.
server: {{listen: "127.0.0.1:{webhook_port}", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:{admin_port}", token: "${{env:MEMONOTIFY_ADMIN_TOKEN}}"}}
store: sqlite:///var/memonotify.db
workspaces:
  - name: acme
    tokens: ["${{env:ACME_WEBHOOK_TOKEN}}"]
    api:
      base_url: {bank}
      thumbprint: ${{env:ACME_THUMBPRINT}}
      secret: ${{env:ACME_SECRET}}
      private_key: ${{file:secrets/acme.pem}}
channels:
  finance-mail:
    type: email
    host: 127.0.0.1
    port: {smtp_port}
    security: none
    from: Treasury <notify@example.com>
    to: [finance@example.com]
  treasury-slack: {{type: slack, url: "{mailbox}/slack"}}
  erp: {{type: http, url: "{mailbox}/hooks/bank", signing_secret: "${{env:ERP_SIGNING_SECRET}}"}}
retry: {{first: 1s, max: 30s, give_up_after: 1h}}
on_failure: {{channel: finance-mail, to: [ops@example.com]}}
rules: [rules/*.yaml]
templates: rules/templates
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the demo listens; 0 is any free port."""

    webhook: int = 8080
    admin: int = 9280
    mailbox: int = 8025
    bank: int = 7700


class Demo:
    """Bank, mailbox and daemon together.

    Args:
        folder: where configuration, rules and store are written.
        ports: where to listen.
        language: what the messages speak, `en` or `fr`.
        say: prints a line.
        on_arrival: called with each message that the mailbox takes.
    """

    def __init__(
        self,
        *,
        folder: Path,
        ports: Ports,
        language: str,
        say: Callable[[str], None],
        on_arrival: Callable[[Arrival], None],
        random_source: random.Random | None = None,
    ) -> None:
        self._folder = folder
        self._ports = ports
        self._language = language
        self._say = say
        self._on_arrival = on_arrival
        self._random = random_source or random.Random()  # noqa: S311 - a show, not secrecy
        self._clock = SystemClock()
        self._seen: set[str] = set()
        self._all_kinds = asyncio.Event()

    async def run(self, *, once: bool) -> None:
        """Run until cancelled; with `once`, until a first message of each kind has come in.

        Raises:
            MemonotifyError: a port is taken, or with `once` the messages did not come in time.
        """
        bank = StandInBank(clock=self._clock, random=self._random, port=self._ports.bank, quota=6000)
        mailbox = Mailbox(clock=self._clock, http_port=self._ports.mailbox, on_arrival=self._arrived)
        async with contextlib.AsyncExitStack() as stack:
            await self._start("the stand-in bank", self._ports.bank, bank.start)
            stack.push_async_callback(bank.stop)
            await self._start("the mailbox", self._ports.mailbox, mailbox.start)
            stack.push_async_callback(mailbox.stop)
            token = secrets.token_urlsafe(18)
            app = self._app(bank, mailbox, token)
            await self._start("the daemon", self._ports.webhook, app.start)
            stack.push_async_callback(app.stop, 2.0)
            bank.add_webhook(f"http://{app.webhook_address}/webhooks/acme", token)
            self._introduce(bank, mailbox, app)
            flow = asyncio.create_task(self._flow(bank), name="demo-events")
            try:
                await self._wait(once, flow)
            finally:
                flow.cancel()
                await asyncio.gather(flow, return_exceptions=True)

    async def _wait(self, once: bool, flow: asyncio.Task[None]) -> None:
        if not once:
            await flow
            return
        try:
            async with asyncio.timeout(FIRST_MESSAGES_WITHIN_S):
                await self._all_kinds.wait()
        except TimeoutError:
            missing = ", ".join(sorted(_KINDS - self._seen))
            raise MemonotifyError(
                f"no message of these kinds within {FIRST_MESSAGES_WITHIN_S:g} s: {missing}"
            ) from None

    async def _start(self, what: str, port: int, start: Callable[[], Any]) -> None:
        try:
            await start()
        except ListenError as error:
            raise MemonotifyError(f"{what} {error}. Or try memonotify demo --any-port") from None
        except OSError as error:
            raise MemonotifyError(
                f"{what} cannot listen near port {port}: {error.strerror or error}. Something else may use it: "
                "try memonotify demo --any-port"
            ) from None

    def _app(self, bank: StandInBank, mailbox: Mailbox, token: str) -> App:
        self._write(bank, mailbox)
        environ = {
            "MEMONOTIFY_ADMIN_TOKEN": secrets.token_urlsafe(18),
            "ACME_WEBHOOK_TOKEN": token,
            "ACME_THUMBPRINT": bank.credentials.thumbprint.reveal(),
            "ACME_SECRET": bank.credentials.secret.reveal(),
            "ERP_SIGNING_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        }
        config = load_config(self._folder / "config.yaml", environ=environ).config
        templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
        return App(config, load_rules(config, templates).ruleset, clock=self._clock)

    def _write(self, bank: StandInBank, mailbox: Mailbox) -> None:
        rules = shipped("rules")
        chosen = rules if self._language == "en" else rules / self._language
        (self._folder / "rules").mkdir(parents=True, exist_ok=True)
        for file in chosen.glob("*.yaml"):
            shutil.copyfile(file, self._folder / "rules" / file.name)
        shutil.copytree(rules / "templates", self._folder / "rules" / "templates", dirs_exist_ok=True)
        secrets_folder = self._folder / "secrets"
        secrets_folder.mkdir(mode=0o700, exist_ok=True)
        key = secrets_folder / "acme.pem"
        key.touch(mode=0o600)
        key.write_text(bank.credentials.private_key.reveal(), encoding="utf-8")
        text = _CONFIG.format(
            webhook_port=self._ports.webhook,
            admin_port=self._ports.admin,
            bank=bank.url,
            smtp_port=mailbox.smtp_port,
            mailbox=mailbox.url,
        )
        (self._folder / "config.yaml").write_text(text, encoding="utf-8")

    def _introduce(self, bank: StandInBank, mailbox: Mailbox, app: App) -> None:
        self._say(f"Mailbox    {mailbox.url}   open this page: mails, Slack messages, HTTP calls")
        self._say(f"Bank       {bank.url}")
        self._say(f"Webhook    http://{app.webhook_address}/webhooks/acme")
        self._say(f"Metrics    http://{app.admin_address}/metrics")
        self._say(f"Files      {self._folder}   edit the rules, then start again")
        self._say("")

    def _arrived(self, arrival: Arrival) -> None:
        self._on_arrival(arrival)
        self._seen.add(arrival.kind)
        if self._seen >= _KINDS:
            self._all_kinds.set()

    async def _flow(self, bank: StandInBank) -> None:
        for event_type, overrides in _STORY:
            await bank.raise_event(event_type, overrides)
            await asyncio.sleep(_BETWEEN_FIRST_S)
        while True:
            await asyncio.sleep(_EVERY_S)
            event_type, overrides = self._random.choice(_STORY)
            varied = {
                path: self._random.randrange(5_000, 3_000_000) if path.endswith("amount") else value
                for path, value in overrides.items()
                if path.endswith("amount") or not path.startswith("resource.counterparty")
            }
            await bank.raise_event(event_type, varied)
