"""The demo: stand-in bank, mailbox and daemon in one process, on the shipped rules, with events flowing.

Comes in: nothing but ports; goes out: mails, Slack messages and HTTP notifications in the mailbox, and a line on the
terminal for each. It loads a configuration like a user's, from a folder of its own, as `serve` does.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from memonotify.app import App
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.errors import ConfigError, ListenError, MemonotifyError
from memonotify.rules.inforce import load
from memonotify.standin.bank import StandInBank
from memonotify.standin.demofiles import DemoFiles, Surroundings
from memonotify.standin.mailbox import Arrival, Mailbox

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
        files: where configuration, rules and store are.
        ports: where to listen.
        again: the command that starts it with these files again; empty where they do not stay.
        say: prints a line.
        on_arrival: called with each message that the mailbox takes.
    """

    def __init__(
        self,
        *,
        files: DemoFiles,
        ports: Ports,
        again: str,
        say: Callable[[str], None],
        on_arrival: Callable[[Arrival], None],
        random_source: random.Random | None = None,
    ) -> None:
        self._files = files
        self._ports = ports
        self._again = again
        self._say = say
        self._on_arrival = on_arrival
        self._random = random_source or random.Random()  # noqa: S311 - a show, not secrecy
        self._clock = SystemClock()
        self._seen: set[str] = set()
        self._all_kinds = asyncio.Event()

    async def run(self, *, once: bool) -> None:
        """Run until cancelled; with `once`, until a first message of each kind has come in.

        Raises:
            ConfigError: the rules in the folder are wrong.
            MemonotifyError: a port is taken, the folder is no demo's, or with `once` the messages did not come in time.
        """
        self._files.demand_ours()
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
        self._files.write(
            Surroundings(
                webhook_port=self._ports.webhook,
                admin_port=self._ports.admin,
                smtp_port=mailbox.smtp_port,
                bank_url=bank.url,
                mailbox_url=mailbox.url,
                private_key=bank.credentials.private_key.reveal(),
            )
        )
        environ = {
            "MEMONOTIFY_ADMIN_TOKEN": secrets.token_urlsafe(18),
            "ACME_WEBHOOK_TOKEN": token,
            "ACME_THUMBPRINT": bank.credentials.thumbprint.reveal(),
            "ACME_SECRET": bank.credentials.secret.reveal(),
            "ERP_SIGNING_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
        }
        config = load_config(self._files.config, environ=environ).config
        in_force = load(config)
        if in_force.refused:
            raise ConfigError(in_force.problems)
        return App(config, in_force, clock=self._clock)

    def _introduce(self, bank: StandInBank, mailbox: Mailbox, app: App) -> None:
        self._say(f"Mailbox    {mailbox.url}   open this page: mails, Slack messages, HTTP calls")
        self._say(f"Bank       {bank.url}")
        self._say(f"Webhook    http://{app.webhook_address}/webhooks/acme")
        self._say(f"Metrics    http://{app.admin_address}/metrics")
        if self._again:
            self._say(f"Files      {self._files.folder}   edit the rules, then start again with them:")
            self._say(f"           {self._again}")
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
