"""What every channel promises, on real servers: one suite over mail, Slack and HTTP.

A Stage is one channel with its receiver; it says how that receiver expresses what the suite asks for.
"""

from __future__ import annotations

import email
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pytest
from aiohttp import web
from fakes import ManualClock
from receivers import SMTP_PASSWORD, MailServer, WebServer

from memonotify.channels.base import Channel
from memonotify.channels.registry import build
from memonotify.config.values import ChannelConfig, EmailConfig, HttpConfig, SlackConfig
from memonotify.errors import Reason, SendError
from memonotify.metrics import Metrics
from memonotify.secret import Secret

TOKEN = "T0KEN-in-the-path-9f8e7d"
HEADER_SECRET = "Bearer header-secret-1a2b3c"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS = (SMTP_PASSWORD, TOKEN, HEADER_SECRET, "header-secret-1a2b3c", SIGNING_SECRET, "query-s3cret")


class Stage(Protocol):
    """One channel and its receiver."""

    payload: dict[str, Any]
    config: ChannelConfig

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def temporary(self) -> None: ...
    def permanent(self) -> None: ...
    def gossip(self) -> None: ...
    def flood(self) -> None: ...
    def hang(self) -> None: ...
    def drop(self) -> None: ...
    def identities(self) -> list[str]: ...
    def connections(self) -> int: ...


@dataclass
class MailStage:
    config: EmailConfig
    server: MailServer
    payload: dict[str, Any]

    @classmethod
    def make(cls) -> MailStage:
        config = EmailConfig(
            name="receiver",
            type="email",
            concurrency=2,
            rate=None,
            timeout_s=5.0,
            host="127.0.0.1",
            port=0,
            security="none",
            from_="Treasury <notify@example.com>",
            to=("finance@example.com",),
            username="notify",
            password=Secret(SMTP_PASSWORD),
        )
        return cls(config, MailServer(), {"subject": "Paid", "text": "12 €"})

    async def start(self) -> None:
        await self.server.start(auth_require_tls=False)
        self.config = replace(self.config, port=self.server.port)

    async def stop(self) -> None:
        await self.server.stop()

    def temporary(self) -> None:
        self.server.on_data = lambda: "451 come again"

    def permanent(self) -> None:
        self.server.on_data = lambda: "554 no"

    def gossip(self) -> None:
        self.server.on_data = lambda: f"451 I know {SMTP_PASSWORD}"

    def flood(self) -> None:
        self.server.on_data = lambda: "554 " + "x" * 100_000

    def hang(self) -> None:
        self.server.hangs = True

    def drop(self) -> None:
        self.server.drops_after_data = True

    def identities(self) -> list[str]:
        return [email.message_from_bytes(mail.content)["Message-ID"] for mail in self.server.got]

    def connections(self) -> int:
        return len(self.server.sessions)


@dataclass
class WebStage:
    config: SlackConfig | HttpConfig
    server: WebServer
    payload: dict[str, Any]

    @classmethod
    def http(cls) -> WebStage:
        config = HttpConfig(
            name="receiver",
            type="http",
            concurrency=2,
            rate=None,
            timeout_s=5.0,
            url=Secret(""),
            headers={"Authorization": Secret(HEADER_SECRET)},
            signing_secret=Secret(SIGNING_SECRET),
        )
        return cls(config, WebServer(), {"json": {"cents": 12050}})

    @classmethod
    def slack(cls) -> WebStage:
        config = SlackConfig(name="receiver", type="slack", concurrency=1, rate=None, timeout_s=5.0, url=Secret(""))
        return cls(config, WebServer(), {"text": "hello"})

    async def start(self) -> None:
        await self.server.start()
        url = Secret(f"http://127.0.0.1:{self.server.port}/services/{TOKEN}?key=query-s3cret")
        self.config = replace(self.config, url=url)

    async def stop(self) -> None:
        await self.server.stop()

    def temporary(self) -> None:
        self.server.answer = lambda call: web.Response(status=503, text="come again")

    def permanent(self) -> None:
        self.server.answer = lambda call: web.Response(status=400, text="no")

    def gossip(self) -> None:
        self.server.answer = lambda call: web.Response(
            status=503, text=f"{call.path} {json.dumps(call.headers)} {SIGNING_SECRET} {TOKEN}\n{HEADER_SECRET}"
        )

    def flood(self) -> None:
        self.server.answer = lambda call: web.Response(status=400, body=b"x" * 8_000_000)

    def hang(self) -> None:
        self.server.hangs = True

    def drop(self) -> None:
        self.server.answer = lambda call: None

    def identities(self) -> list[str]:
        return [call.headers.get("webhook-id", "") for call in self.server.got]

    def connections(self) -> int:
        return len(self.server.peers)


STAGES: dict[str, Callable[[], Stage]] = {"email": MailStage.make, "slack": WebStage.slack, "http": WebStage.http}


@pytest.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    stage = STAGES[request.param]()
    await stage.start()
    yield stage
    await stage.stop()


def open_channel(stage: Stage, **changes: Any) -> Channel:
    return build(replace(stage.config, **changes), clock=ManualClock(), metrics=Metrics())


@pytest.fixture
async def channel(stage: Stage) -> AsyncIterator[Channel]:
    channel = open_channel(stage)
    yield channel
    await channel.close()


async def failure(channel: Channel, stage: Stage) -> SendError:
    with pytest.raises(SendError) as caught:
        await channel.send(stage.payload, identity="dlv_1")
    return caught.value


async def test_a_message_that_is_taken_gives_a_receipt(stage: Stage, channel: Channel) -> None:
    receipt = await channel.send(stage.payload, identity="dlv_1")
    assert receipt.status in {200, 250}
    assert receipt.refusals == ()
    assert len(stage.identities()) == 1


async def test_the_channel_bears_the_name_and_type_of_its_configuration(stage: Stage, channel: Channel) -> None:
    assert (channel.name, channel.type) == ("receiver", stage.config.type)


async def test_what_fails_for_a_time_is_worth_another_try(stage: Stage, channel: Channel) -> None:
    stage.temporary()
    error = await failure(channel, stage)
    assert error.is_retried
    assert error.status in {451, 503}
    assert "come again" in error.detail


async def test_what_is_refused_for_good_is_not_tried_again(stage: Stage, channel: Channel) -> None:
    stage.permanent()
    error = await failure(channel, stage)
    assert error.reason is Reason.REJECTED
    assert not error.is_retried
    assert error.status in {554, 400}


async def test_a_receiver_that_does_not_answer_ends_in_a_timeout(stage: Stage) -> None:
    stage.hang()
    channel = open_channel(stage, timeout_s=0.1)
    error = await failure(channel, stage)
    assert error.reason is Reason.TIMEOUT
    await channel.close()


async def test_a_receiver_that_is_not_there_is_unreachable(stage: Stage, channel: Channel) -> None:
    await stage.stop()
    error = await failure(channel, stage)
    assert error.reason is Reason.UNREACHABLE


async def test_a_connection_that_breaks_before_the_answer_is_unreachable(stage: Stage, channel: Channel) -> None:
    stage.drop()
    error = await failure(channel, stage)
    assert error.reason is Reason.UNREACHABLE
    assert error.status is None


async def test_a_host_that_does_not_speak_the_protocol_fails_with_a_reason(stage: Stage) -> None:
    other = WebStage.http() if stage.config.type == "email" else MailStage.make()
    await other.start()
    port = other.server.port
    changes = {"port": port} if stage.config.type == "email" else {"url": Secret(f"http://127.0.0.1:{port}/")}
    channel = open_channel(stage, timeout_s=0.5, **changes)
    error = await failure(channel, stage)
    assert error.reason in {Reason.TIMEOUT, Reason.UNREACHABLE, Reason.INVALID_RESPONSE}
    await channel.close()
    await other.stop()


async def test_a_flood_of_an_answer_is_cut(stage: Stage, channel: Channel) -> None:
    stage.flood()
    error = await failure(channel, stage)
    assert not error.is_retried
    assert len(error.detail) <= 300


async def test_no_secret_reaches_an_error_its_traceback_or_a_log(
    stage: Stage, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stage.gossip()
    gossip = await failure(channel, stage)
    stage.drop()
    dropped = await failure(channel, stage)
    await stage.stop()
    gone = await failure(channel, stage)
    ours = [record for record in caplog.records if record.name.split(".")[0] not in {"mail", "aiohttp", "asyncio"}]
    for error in (gossip, dropped, gone):
        shown = "".join(traceback.format_exception(error)) + error.detail
        for secret in SECRETS:
            assert secret not in shown
    for record in ours:
        for secret in SECRETS:
            assert secret not in record.getMessage()
    assert "********" in gossip.detail


async def test_the_connection_is_reused(stage: Stage, channel: Channel) -> None:
    for number in range(5):
        await channel.send(stage.payload, identity=f"dlv_{number}")
    assert stage.connections() == 1


async def test_the_channel_works_again_after_its_receiver_failed(stage: Stage, channel: Channel) -> None:
    stage.temporary()
    await failure(channel, stage)
    fresh = STAGES[stage.config.type]()
    stage.server.answer = getattr(fresh.server, "answer", None)  # type: ignore[attr-defined]
    stage.server.on_data = getattr(fresh.server, "on_data", None)  # type: ignore[attr-defined]
    receipt = await channel.send(stage.payload, identity="dlv_1")
    assert receipt.status in {200, 250}


async def test_the_same_message_has_the_same_identity_on_every_try(stage: Stage, channel: Channel) -> None:
    for identity in ("dlv_1", "dlv_1", "dlv_2"):
        await channel.send(stage.payload, identity=identity)
    first, again, other = stage.identities()
    assert first == again
    if stage.config.type != "slack":
        assert first
        assert other != first


async def test_a_channel_that_was_never_used_closes(stage: Stage) -> None:
    channel = open_channel(stage)
    await channel.close()
    await channel.close()


async def test_lone_surrogates_and_controls_in_a_message_do_not_keep_it_from_going(
    stage: Stage, channel: Channel
) -> None:
    odd = "a\ud800b\x00c\r\n.\r\nd\u2028e"
    payload = {
        "email": {"subject": odd, "text": odd, "html": odd},
        "slack": {"text": odd, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": odd}}]},
        "http": {"json": {odd: odd}, "headers": {"X-Odd": odd}},
    }[stage.config.type]
    receipt = await channel.send(payload, identity="dlv_1")
    assert receipt.status in {200, 250}


async def test_a_probe_reaches_the_receiver_and_sends_nothing(stage: Stage, channel: Channel) -> None:
    await channel.probe()
    assert stage.identities() == []


async def test_a_probe_of_a_receiver_that_is_not_there_is_unreachable_and_shows_no_secret(
    stage: Stage, channel: Channel
) -> None:
    await stage.stop()
    with pytest.raises(SendError) as caught:
        await channel.probe()
    assert caught.value.reason is Reason.UNREACHABLE
    assert not any(secret in "".join(traceback.format_exception(caught.value)) for secret in SECRETS)


@pytest.mark.parametrize("severity", [None, "warning", "critical"])
async def test_a_receiver_learns_how_much_a_message_matters(
    stage: Stage, channel: Channel, severity: str | None
) -> None:
    payload = stage.payload if severity is None else {**stage.payload, "severity": severity}
    await channel.send(payload, identity="dlv_1")
    (got,) = stage.server.got  # type: ignore[attr-defined]
    if stage.config.type == "email":
        message = email.message_from_bytes(got.content)
        wanted = ("high", "1") if severity == "critical" else (None, None)
        assert (message["Importance"], message["X-Priority"]) == wanted
    elif stage.config.type == "slack":
        posted = json.loads(got.body)
        assert posted["text"] == "hello"
        colours = [one["color"] for one in posted.get("attachments", ())]
        assert colours == {None: [], "warning": ["warning"], "critical": ["danger"]}[severity]
    else:
        assert got.headers.get("x-memonotify-severity") == severity
        assert json.loads(got.body) == {"cents": 12050}
