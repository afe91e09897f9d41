"""The proof of a payment, all the way: the stand-in's webhook, its API, the store, the mail that a mailbox takes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from memonotify.app import App
from memonotify.cli import root
from memonotify.clock import SystemClock
from memonotify.config.loader import load_config
from memonotify.memobank.client import MAX_DOCUMENT_BYTES
from memonotify.rules.loader import load_rules
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import Credentials, make_credentials
from memonotify.standin.mailbox import Arrival, Mailbox
from memonotify.standin.proof import proof_of
from memonotify.templating import Templates

WITHIN_S = 20.0

CONFIG = """
server: {{listen: "127.0.0.1:0", allowed_ips: [127.0.0.1]}}
admin: {{listen: "127.0.0.1:0"}}
store: sqlite:///store.db
workspaces:
  - name: acme
    tokens: [letmein]
    api:
      base_url: {bank}
      thumbprint: ${{env:THUMBPRINT}}
      secret: ${{env:SECRET}}
      private_key: ${{file:key.pem}}
      timeout: {timeout}
channels:
  mail: {{type: email, host: 127.0.0.1, port: {smtp_port}, security: none, from: a@example.com, to: [b@example.com]}}
retry: {{first: 10ms, max: 50ms, give_up_after: {give_up_after}}}
rules: [rules.yaml]
"""

RULES = """
rules:
  - name: paid
    match: {event_type: ["transfer_*", "wire_transfer_*"]}
    notify:
      - channel: mail
        subject: "{{ event.event_type }}"
        text: "see the file"
        html: "<p>see the file</p>"
        attach: [proof]
"""

NEEDS_RESOURCE = RULES.replace("{{ event.event_type }}", "{{ resource.reference }}")


@pytest.fixture(scope="module")
def credentials() -> Credentials:
    return make_credentials()


@pytest.fixture
async def bank(credentials: Credentials) -> AsyncIterator[StandInBank]:
    made = StandInBank(clock=SystemClock(), random=random.Random(7), quota=100_000, credentials=credentials)
    async with made:
        yield made


class Post:
    """A mailbox that can be waited for."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Arrival] = asyncio.Queue()
        self.box = Mailbox(clock=SystemClock(), on_arrival=self.arrived.put_nowait)

    async def next(self) -> Arrival:
        async with asyncio.timeout(WITHIN_S):
            return await self.arrived.get()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    await made.box.start()
    yield made
    await made.box.stop()


class House:
    """A folder with a configuration; `app` makes a daemon on it."""

    def __init__(self, folder: Path, bank: StandInBank) -> None:
        self.folder = folder
        self.bank = bank
        self.environ = {
            "THUMBPRINT": bank.credentials.thumbprint.reveal(),
            "SECRET": bank.credentials.secret.reveal(),
        }
        (folder / "key.pem").write_text(bank.credentials.private_key.reveal())

    def write(
        self, smtp_port: int, *, rules: str = RULES, timeout: str = "5s", give_up_after: str = "1h", bank: str = ""
    ) -> None:
        text = CONFIG.format(
            bank=bank or self.bank.url, smtp_port=smtp_port, timeout=timeout, give_up_after=give_up_after
        )
        (self.folder / "config.yaml").write_text(text)
        (self.folder / "rules.yaml").write_text(rules)

    def app(self) -> App:
        config = load_config(self.folder / "config.yaml", environ=self.environ).config
        templates = Templates(folder=None, locale=config.locale, timezone=config.timezone)
        return App(config, load_rules(config, templates).ruleset)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[App]:
        app = self.app()
        await app.start()
        try:
            webhook = self.bank.add_webhook(f"http://{app.webhook_address}/webhooks/acme", "letmein")
            yield app
            self.bank.webhooks.pop(webhook.id, None)
        finally:
            await app.stop(0)

    async def run(self, *arguments: str) -> Result:
        """Run a command as a person would, beside this loop."""
        runner = CliRunner()
        words = [*arguments, "-c", str(self.folder / "config.yaml")]
        return await asyncio.to_thread(runner.invoke, root, words, env=self.environ)


@pytest.fixture
def house(tmp_path: Path, bank: StandInBank) -> House:
    return House(tmp_path, bank)


def files(arrival: Arrival) -> list[tuple[str | None, str, bytes]]:
    """Return the files of a mail, read from its bytes by the standard library."""
    message: Any = message_from_bytes(arrival.body, policy=policy.default)
    return [(part.get_filename(), part.get_content_type(), part.get_content()) for part in message.iter_attachments()]


@pytest.mark.parametrize("kind", ["transfer", "wire_transfer"])
async def test_a_confirmed_payment_is_told_with_the_proof_that_the_bank_made(
    house: House, bank: StandInBank, post: Post, kind: str
) -> None:
    house.write(post.box.smtp_port, rules=NEEDS_RESOURCE)
    async with house.running() as app:
        event = await bank.raise_event(f"{kind}_confirmed")
        mail = await post.next()
        payment = bank.books.get(kind, event["resource_id"])
        assert payment is not None
        assert mail.title == payment["reference"]
        assert files(mail) == [(f"proof-{payment['reference']}.pdf", "application/pdf", proof_of(payment))]
        assert "see the file" in mail.text
        assert "see the file" in mail.html
        (delivery,) = await app.store.deliveries()
        assert len(json.dumps(dict(delivery.payload))) < 1000


@pytest.mark.parametrize("event_type", ["transfer_failed", "wire_transfer_returned"])
async def test_a_payment_without_a_proof_is_told_without_it(
    house: House, bank: StandInBank, post: Post, event_type: str
) -> None:
    house.write(post.box.smtp_port)
    async with house.running():
        await bank.raise_event(event_type)
        mail = await post.next()
        assert files(mail) == []
        assert "the bank did not give the proof: rejected" in mail.text
        assert "the bank did not give the proof: rejected" in mail.html


async def test_a_payment_that_the_bank_does_not_know_any_more_is_told_without_its_proof(
    house: House, bank: StandInBank, post: Post
) -> None:
    house.write(post.box.smtp_port)
    async with house.running() as app:
        await bank.raise_event("transfer_confirmed", {"event.resource_id": "gone"})
        mail = await post.next()
        assert files(mail) == []
        assert "the bank has no proof of it: /v2/transfers/gone/proof" in mail.text
        (event,) = await app.store.events()
        assert event.attempts == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"%PDF-".ljust(MAX_DOCUMENT_BYTES + 1, b" "), "too_large"),
        (b"<html>maintenance</html>", "invalid_response"),
        (b'{"status": "soon"}', "invalid_response"),
    ],
)
async def test_what_is_no_proof_or_too_large_is_not_attached(
    house: House, bank: StandInBank, post: Post, body: bytes, reason: str
) -> None:
    house.write(post.box.smtp_port)
    bank.answer_next(200, body, content_type="application/octet-stream")
    async with house.running():
        await bank.raise_event("transfer_confirmed")
        mail = await post.next()
        assert files(mail) == []
        assert f"the bank did not give the proof: {reason}" in mail.text


async def test_a_bank_that_is_slow_for_a_while_delays_the_mail_and_the_proof_is_there(
    house: House, bank: StandInBank, post: Post
) -> None:
    house.write(post.box.smtp_port)
    bank.fail_next(503, times=2)
    async with house.running() as app:
        await bank.raise_event("transfer_confirmed")
        assert len(files(await post.next())) == 1
        (event,) = await app.store.events()
        assert event.attempts == 2


async def test_a_bank_that_answers_too_late_until_the_end_lets_the_mail_go_without(
    house: House, bank: StandInBank, post: Post
) -> None:
    house.write(post.box.smtp_port, timeout="20ms", give_up_after="100ms")
    bank.delay(60)
    async with house.running():
        await bank.raise_event("transfer_confirmed")
        mail = await post.next()
        assert files(mail) == []
        assert "the bank did not give the proof: timeout" in mail.text
    bank.delay(0)


async def test_a_proof_survives_the_daemon_and_is_not_asked_for_again(
    house: House, bank: StandInBank, post: Post, unused_tcp_port: int
) -> None:
    house.write(unused_tcp_port)
    async with house.running() as app:
        event = await bank.raise_event("transfer_confirmed")
        async with asyncio.timeout(WITHIN_S):
            while not (await app.store.counts()).deliveries:
                await asyncio.sleep(0)
    payment = bank.books.get("transfer", event["resource_id"])
    assert payment is not None
    proof = proof_of(payment)
    house.write(post.box.smtp_port)
    bank.go_away()
    async with house.running() as app:
        ((name, _, content),) = files(await post.next())
        assert (name, content) == (f"proof-{event['resource_id']}.pdf", proof)
        async with asyncio.timeout(WITHIN_S):
            while not await app.store.release_documents():
                await asyncio.sleep(0)
        path = f"/v2/transfers/{event['resource_id']}/proof"
        assert await app.store.document("acme", event["id"], path) is None


async def test_the_mailboxs_page_shows_the_file_and_lets_one_save_it(
    house: House, bank: StandInBank, post: Post
) -> None:
    house.write(post.box.smtp_port)
    async with house.running(), httpx.AsyncClient(base_url=post.box.url, trust_env=False) as browser:
        event = await bank.raise_event("transfer_confirmed")
        mail = await post.next()
        page = (await browser.get(f"/messages/{mail.number}")).text
        name = f"proof-{event['resource_id']}.pdf"
        assert name in page
        assert f'href="/messages/{mail.number}/files/0"' in page
        assert " Bytes)" in page or " kB)" in page
        assert "carries a file" in (await browser.get("/arrivals")).text
        answer = await browser.get(f"/messages/{mail.number}/files/0")
        assert answer.content == mail.files[0].content
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert [(await browser.get(f"/messages/{mail.number}/files/{no}")).status_code for no in ("1", "x")] == [
            404
        ] * 2


async def test_what_a_mail_says_of_its_file_is_not_believed_by_the_page(post: Post) -> None:
    arrival = (
        b"Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nt\r\n"
        b"--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename*=utf-8''a%22%0D%0AX%3A%20y.html"
        b"\r\n\r\n<script>alert(1)</script>\r\n"
        b"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment\r\n\r\n<html>\r\n--b--\r\n"
    )
    await post.box.handle_DATA(None, None, _Envelope(arrival))  # type: ignore[arg-type]
    mail = await post.next()
    async with httpx.AsyncClient(base_url=post.box.url, trust_env=False) as browser:
        for number in range(2):
            answer = await browser.get(f"/messages/{mail.number}/files/{number}")
            assert answer.headers["Content-Type"] == "application/octet-stream"
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
            assert "X" not in answer.headers
        page = (await browser.get(f"/messages/{mail.number}")).text
        assert "unnamed" in page
        assert "<script>alert" not in page


class _Envelope:
    rcpt_tos = ("b@example.com",)

    def __init__(self, content: bytes) -> None:
        self.content = content


class TestTry:
    """`memonotify try` shows the proof, and fetches it with --send or where the bank is asked anyway."""

    @staticmethod
    async def event(house: House, bank: StandInBank) -> str:
        event = await bank.raise_event("transfer_confirmed")
        (house.folder / "event.json").write_text(json.dumps(event))
        return str(event["resource_id"])

    async def test_without_a_reason_to_ask_the_bank_the_proof_is_named_and_not_fetched(
        self, house: House, bank: StandInBank, post: Post
    ) -> None:
        house.write(post.box.smtp_port, bank="http://127.0.0.1:1")
        resource_id = await self.event(house, bank)
        done = await house.run("try", str(house.folder / "event.json"))
        assert done.exit_code == 0, done.output
        assert f"attach: proof-{resource_id}.pdf (not fetched without --send)" in done.output
        assert "Note" not in done.output
        told = json.loads((await house.run("try", str(house.folder / "event.json"), "--json")).output)
        (file,) = told[0]["messages"][0]["payload"]["attach"]
        assert (file["what"], file["size"]) == ("proof", None)

    async def test_where_the_bank_is_asked_anyway_the_proof_is_fetched_and_its_size_shown(
        self, house: House, bank: StandInBank, post: Post
    ) -> None:
        house.write(post.box.smtp_port, rules=NEEDS_RESOURCE)
        resource_id = await self.event(house, bank)
        payment = bank.books.get("transfer", resource_id)
        assert payment is not None
        done = await house.run("try", str(house.folder / "event.json"))
        assert f"proof-{payment['reference']}.pdf ({len(proof_of(payment))} bytes)" in done.output
        assert post.arrived.empty()

    async def test_with_send_the_proof_is_fetched_and_sent(self, house: House, bank: StandInBank, post: Post) -> None:
        house.write(post.box.smtp_port)
        resource_id = await self.event(house, bank)
        payment = bank.books.get("transfer", resource_id)
        assert payment is not None
        done = await house.run("try", str(house.folder / "event.json"), "--send")
        assert done.exit_code == 0, done.output
        mail = await post.next()
        assert files(mail) == [(f"proof-{resource_id}.pdf", "application/pdf", proof_of(payment))]

    async def test_with_send_a_proof_that_the_bank_does_not_give_is_said(
        self, house: House, bank: StandInBank, post: Post
    ) -> None:
        house.write(post.box.smtp_port)
        await self.event(house, bank)
        bank.fail_next(500)
        done = await house.run("try", str(house.folder / "event.json"), "--send")
        assert "the bank did not give the proof: server_error" in done.output
        mail = await post.next()
        assert files(mail) == []
        assert "the bank did not give the proof: server_error" in mail.text
