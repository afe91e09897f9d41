"""The mail channel against real SMTP servers: recipients, encryption, log-in, connections."""

from __future__ import annotations

import asyncio
import email
import email.message
import email.policy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock
from receivers import SMTP_PASSWORD, Certificate, MailServer, make_certificate

from memonotify.channels.email import EmailChannel
from memonotify.channels.smtp_connections import IDLE_S
from memonotify.config.values import EmailConfig
from memonotify.errors import Reason, SendError
from memonotify.metrics import Metrics
from memonotify.secret import Secret

PAYLOAD = {"subject": "Dupont a payé", "text": "12 €", "html": "<p>12 €</p>"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    server = MailServer()
    yield server
    await server.stop()


Opener = Callable[..., EmailChannel]


@pytest.fixture
async def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def open_channel(server: MailServer, clock: ManualClock) -> AsyncIterator[Opener]:
    opened: list[EmailChannel] = []

    def opener(**changes: Any) -> EmailChannel:
        values: dict[str, Any] = {
            "name": "finance-mail",
            "type": "email",
            "concurrency": 2,
            "rate": None,
            "timeout_s": 5.0,
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "from_": "Treasury <notify@example.com>",
            "to": ("finance@example.com",),
        }
        channel = EmailChannel(EmailConfig(**{**values, **changes}), clock=clock, metrics=Metrics())
        opened.append(channel)
        return channel

    yield opener
    for channel in opened:
        await channel.close()


async def refused(channel: EmailChannel, payload: dict[str, Any] = PAYLOAD) -> SendError:
    with pytest.raises(SendError) as caught:
        await channel.send(payload, identity="dlv_1")
    return caught.value


def refuse(address: str, answer: str) -> Callable[[str], str | None]:
    return lambda recipient: answer if recipient == address else None


async def test_a_mail_arrives_as_it_was_meant(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    receipt = await open_channel().send(PAYLOAD, identity="dlv_1")
    (mail,) = server.got
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert message["Subject"] == "Dupont a payé"
    assert message.get_body(("plain",)).get_content().rstrip() == "12 €"
    assert message.get_body(("html",)).get_content().rstrip() == "<p>12 €</p>"
    assert message["Message-ID"] == "<dlv_1@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (mail.sender, mail.recipients) == ("notify@example.com", ["finance@example.com"])
    assert receipt.detail == "queued as 4711"


PDF = b"%PDF-1.4\n\0\xff\r\n.\r\nthe proof"
FILE = {"what": "proof", "name": "proof-7.pdf", "type": "application/pdf", "content": PDF}


def received(server: MailServer) -> email.message.EmailMessage:
    (mail,) = server.got
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    return message


@pytest.mark.parametrize("content", [PDF, b"%PDF-" + bytes(range(256)) * 20_000])
async def test_a_file_arrives_byte_for_byte_beside_text_and_html(
    server: MailServer, open_channel: Opener, content: bytes
) -> None:
    await server.start()
    await open_channel().send({**PAYLOAD, "attach": [{**FILE, "content": content}]}, identity="dlv_1")
    message = received(server)
    assert message.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in message.iter_parts()] == ["multipart/alternative", "application/pdf"]
    (part,) = message.iter_attachments()
    assert (part.get_filename(), part.get_content_disposition()) == ("proof-7.pdf", "attachment")
    assert part.get_content() == content
    assert message.get_body(("plain",)).get_content().rstrip() == "12 €"
    assert message.get_body(("html",)).get_content().rstrip() == "<p>12 €</p>"
    assert (message["Message-ID"], message["Subject"]) == ("<dlv_1@example.com>", "Dupont a payé")


async def test_a_server_that_takes_no_mail_of_that_size_gets_it_without_the_file(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start(data_size_limit=20_000)
    receipt = await open_channel().send({**PAYLOAD, "attach": [{**FILE, "content": PDF * 1000}]}, identity="dlv_1")
    assert receipt.refusals == ()
    message = received(server)
    assert list(message.iter_attachments()) == []
    assert "proof-7.pdf was left out" in message.get_body(("plain",)).get_content()
    assert message["Message-ID"] == "<dlv_1@example.com>"


async def test_a_file_goes_again_to_a_recipient_who_is_tried_alone(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    payload = {**PAYLOAD, "to": ["a@example.com", "b@example.com"], "recipients": ["b@example.com"], "attach": [FILE]}
    await open_channel().send(payload, identity="dlv_1")
    assert server.got[0].recipients == ["b@example.com"]
    assert [part.get_content() for part in received(server).iter_attachments()] == [PDF]


async def test_a_refused_recipient_does_not_keep_the_mail_from_the_others(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    server.on_recipient = refuse("gone@example.com", "550 no such user")
    payload = {**PAYLOAD, "to": ["a@example.com", "gone@example.com"], "cc": ["c@example.com"]}
    receipt = await open_channel().send(payload, identity="dlv_1")
    assert server.got[0].recipients == ["a@example.com", "c@example.com"]
    (refusal,) = receipt.refusals
    assert (refusal.recipient, refusal.reason, refusal.status) == ("gone@example.com", Reason.REJECTED, 550)
    assert refusal.detail == "550 no such user"


async def test_a_recipient_who_is_to_come_again_is_deferred(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    server.on_recipient = refuse("full@example.com", "452 mailbox full")
    receipt = await open_channel().send({**PAYLOAD, "to": ["a@example.com", "full@example.com"]}, identity="dlv_1")
    assert [refusal.reason for refusal in receipt.refusals] == [Reason.DEFERRED]


async def test_recipients_name_the_envelope_alone_and_the_headers_stay(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    payload = {**PAYLOAD, "to": ["a@example.com", "b@example.com"], "recipients": ["b@example.com"]}
    await open_channel().send(payload, identity="dlv_1")
    (mail,) = server.got
    assert mail.recipients == ["b@example.com"]
    assert email.message_from_bytes(mail.content)["To"].split() == ["a@example.com,", "b@example.com"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["550 no", "550 no"], Reason.REJECTED),
        (["450 later", "550 no"], Reason.DEFERRED),
        (["550 no", "450 later"], Reason.DEFERRED),
    ],
)
async def test_when_all_are_refused_the_mail_waits_if_one_of_them_may_take_it_later(
    server: MailServer, open_channel: Opener, answers: list[str], reason: Reason
) -> None:
    await server.start()
    left = iter(answers)
    server.on_recipient = lambda address: next(left)
    channel = open_channel()
    error = await refused(channel, {**PAYLOAD, "to": ["a@example.com", "b@example.com"]})
    assert error.reason is reason
    server.on_recipient = lambda address: None
    await channel.send(PAYLOAD, identity="dlv_2")
    assert len(server.sessions) == 1


async def test_an_address_that_is_none_is_refused_for_itself(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    payload = {**PAYLOAD, "to": ["a@example.com", "b@example.com, c@example.com", ""]}
    receipt = await open_channel().send(payload, identity="dlv_1")
    assert server.got[0].recipients == ["a@example.com"]
    assert [refusal.reason for refusal in receipt.refusals] == [Reason.REJECTED]


async def test_a_mail_without_any_recipient_is_a_matter_of_configuration(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    error = await refused(open_channel(to=()))
    assert error.reason is Reason.CONFIGURATION
    assert server.sessions == []


async def test_a_refused_sender_is_told(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    server.on_mail = lambda: "553 not yours"
    error = await refused(open_channel())
    assert (error.reason, error.status) == (Reason.REJECTED, 553)


async def test_a_connection_lost_after_the_data_is_tried_again_with_the_same_identity(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    server.drops_after_data = True
    channel = open_channel()
    error = await refused(channel)
    assert error.reason is Reason.UNREACHABLE
    assert error.is_retried
    server.drops_after_data = False
    await channel.send(PAYLOAD, identity="dlv_1")
    first, second = (email.message_from_bytes(mail.content)["Message-ID"] for mail in server.got)
    assert first == second


async def test_a_reused_connection_lost_after_the_data_is_not_tried_again_at_once(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    channel = open_channel()
    await channel.send(PAYLOAD, identity="dlv_0")
    server.drops_after_data = True
    await refused(channel)
    assert len(server.got) == 2


@pytest.mark.parametrize("last_words", [b"", b"421 idle for too long\r\n"])
async def test_a_connection_that_the_server_closed_is_replaced_without_a_failure(
    server: MailServer, open_channel: Opener, last_words: bytes
) -> None:
    await server.start()
    channel = open_channel()
    await channel.send(PAYLOAD, identity="dlv_1")
    server.hang_up(last_words)
    await channel.send(PAYLOAD, identity="dlv_2")
    assert len(server.got) == 2
    assert len(server.sessions) == 2


async def test_a_server_that_dismisses_a_reused_connection_is_asked_on_a_new_one(
    server: MailServer, open_channel: Opener
) -> None:
    await server.start()
    channel = open_channel()
    await channel.send(PAYLOAD, identity="dlv_1")
    answers = iter(["421 too many mails on one connection"])
    server.on_mail = lambda: next(answers, None)
    await channel.send(PAYLOAD, identity="dlv_2")
    assert len(server.got) == 2


async def test_a_new_connection_that_is_dismissed_is_a_failure(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    server.on_mail = lambda: "421 not now"
    error = await refused(open_channel())
    assert (error.reason, error.status) == (Reason.DEFERRED, 421)
    assert len(server.sessions) == 1


async def test_an_idle_connection_is_left_after_half_a_minute(
    server: MailServer, open_channel: Opener, clock: ManualClock
) -> None:
    await server.start()
    channel = open_channel()
    await channel.send(PAYLOAD, identity="dlv_1")
    clock.advance(IDLE_S)
    await channel.send(PAYLOAD, identity="dlv_2")
    assert len(server.sessions) == 2


async def test_no_more_connections_are_open_than_the_channel_may_use(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    channel = open_channel(concurrency=2)
    await asyncio.gather(*(channel.send(PAYLOAD, identity=f"dlv_{number}") for number in range(8)))
    assert len(server.got) == 8
    assert len(server.sessions) == 2


async def test_a_message_over_the_servers_size_is_not_sent(server: MailServer, open_channel: Opener) -> None:
    await server.start(data_size_limit=2000)
    error = await refused(open_channel(), {**PAYLOAD, "text": "x" * 3000})
    assert error.reason is Reason.TOO_LARGE


async def test_a_message_over_ten_mebibytes_is_not_sent(server: MailServer, open_channel: Opener) -> None:
    await server.start()
    error = await refused(open_channel(), {**PAYLOAD, "text": "x\n" * (6 * 1024 * 1024)})
    assert error.reason is Reason.TOO_LARGE
    assert server.got == []


class TestEncryption:
    async def test_starttls_encrypts_the_mail(
        self, server: MailServer, open_channel: Opener, certificate: Certificate
    ) -> None:
        await server.start(tls_context=certificate.context, require_starttls=True)
        channel = open_channel(security="starttls", ca_file=certificate.file)
        await channel.send(PAYLOAD, identity="dlv_1")
        assert server.got[0].encrypted

    async def test_implicit_tls_encrypts_the_mail(
        self, server: MailServer, open_channel: Opener, certificate: Certificate
    ) -> None:
        await server.start(tls=certificate.context)
        channel = open_channel(security="tls", ca_file=certificate.file)
        await channel.send(PAYLOAD, identity="dlv_1")
        assert server.got[0].encrypted

    async def test_a_server_without_starttls_gets_neither_mail_nor_password(
        self, server: MailServer, open_channel: Opener
    ) -> None:
        await server.start(auth_require_tls=False)
        channel = open_channel(security="starttls", username="notify", password=Secret(SMTP_PASSWORD))
        error = await refused(channel)
        assert error.reason is Reason.TLS
        assert server.got == []
        assert server.logins == []

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_a_certificate_nobody_vouches_for_is_not_accepted(
        self, server: MailServer, open_channel: Opener, certificate: Certificate, security: str
    ) -> None:
        if security == "tls":
            await server.start(tls=certificate.context)
        else:
            await server.start(tls_context=certificate.context)
        error = await refused(open_channel(security=security))
        assert error.reason is Reason.TLS
        assert "certificate" in error.detail
        assert server.got == []

    async def test_tls_with_a_server_that_speaks_in_the_clear_is_a_tls_failure(
        self, server: MailServer, open_channel: Opener
    ) -> None:
        await server.start()
        error = await refused(open_channel(security="tls", timeout_s=1.0))
        assert error.reason in {Reason.TLS, Reason.TIMEOUT}
        assert server.got == []

    async def test_a_ca_file_that_is_none_is_a_matter_of_configuration(
        self, server: MailServer, open_channel: Opener, tmp_path: Path
    ) -> None:
        await server.start()
        error = await refused(open_channel(security="starttls", ca_file=tmp_path / "missing.pem"))
        assert error.reason is Reason.CONFIGURATION
        assert "missing.pem" in error.detail


class TestLogIn:
    async def test_the_configured_name_and_password_are_used(self, server: MailServer, open_channel: Opener) -> None:
        await server.start(auth_require_tls=False)
        channel = open_channel(username="notify", password=Secret(SMTP_PASSWORD))
        await channel.send(PAYLOAD, identity="dlv_1")
        assert server.logins == [(b"notify", SMTP_PASSWORD.encode())]

    async def test_a_refused_log_in_is_no_matter_of_time(self, server: MailServer, open_channel: Opener) -> None:
        await server.start(auth_require_tls=False)
        server.on_login = lambda login, password: f"535 5.7.8 {password.decode()} is wrong"
        error = await refused(open_channel(username="notify", password=Secret(SMTP_PASSWORD)))
        assert (error.reason, error.status) == (Reason.AUTH, 535)
        assert SMTP_PASSWORD not in error.detail
        assert server.got == []

    async def test_a_log_in_that_fails_for_now_is_tried_again(self, server: MailServer, open_channel: Opener) -> None:
        await server.start(auth_require_tls=False)
        server.on_login = lambda login, password: "454 4.7.0 ask again"
        error = await refused(open_channel(username="notify", password=Secret(SMTP_PASSWORD)))
        assert error.reason is Reason.DEFERRED

    async def test_a_server_that_knows_no_log_in_is_told(self, server: MailServer, open_channel: Opener) -> None:
        await server.start(auth_exclude_mechanism=["LOGIN", "PLAIN"], auth_require_tls=False)
        error = await refused(open_channel(username="notify", password=Secret(SMTP_PASSWORD)))
        assert error.reason is Reason.AUTH


class TestAddressesOutsideAscii:
    async def test_smtputf8_carries_them_where_the_server_offers_it(
        self, server: MailServer, open_channel: Opener
    ) -> None:
        await server.start(enable_SMTPUTF8=True)
        receipt = await open_channel().send({**PAYLOAD, "to": ["hélène@exämple.com"]}, identity="dlv_1")
        (mail,) = server.got
        assert mail.recipients == ["hélène@xn--exmple-cua.com"]
        assert "SMTPUTF8" in mail.options
        assert receipt.refusals == ()

    async def test_elsewhere_they_are_refused_and_the_others_served(
        self, server: MailServer, open_channel: Opener
    ) -> None:
        await server.start(enable_SMTPUTF8=False)
        payload = {**PAYLOAD, "to": ["hélène@example.com", "a@example.com"]}
        receipt = await open_channel().send(payload, identity="dlv_1")
        assert server.got[0].recipients == ["a@example.com"]
        assert server.got[0].content.isascii()
        assert [refusal.recipient for refusal in receipt.refusals] == ["hélène@example.com"]

    async def test_a_mail_for_nobody_else_is_rejected(self, server: MailServer, open_channel: Opener) -> None:
        await server.start(enable_SMTPUTF8=False)
        error = await refused(open_channel(), {**PAYLOAD, "to": ["hélène@example.com"]})
        assert error.reason is Reason.REJECTED
