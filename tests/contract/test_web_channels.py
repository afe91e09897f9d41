"""Slack and HTTP against a real web server: statuses, headers, signatures, what stays on the address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fakes import ManualClock
from receivers import WebServer, make_certificate
from standardwebhooks import Webhook

from memonotify.channels.http import HttpChannel
from memonotify.channels.slack import SlackChannel
from memonotify.config.values import HttpConfig, SlackConfig
from memonotify.errors import Reason, SendError
from memonotify.model import Receipt
from memonotify.secret import Secret

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    server = WebServer()
    await server.start()
    yield server
    await server.stop()


def http(server: WebServer, *, path: str = "/hooks/bank", clock: ManualClock | None = None, **more: Any) -> HttpChannel:
    values: dict[str, Any] = {
        "name": "erp",
        "type": "http",
        "concurrency": 8,
        "rate": None,
        "timeout_s": 5.0,
        "url": Secret(f"http://127.0.0.1:{server.port}{path}"),
    }
    return HttpChannel(HttpConfig(**{**values, **more}), clock=clock or ManualClock())


def slack(server: WebServer, *, clock: ManualClock | None = None) -> SlackChannel:
    url = Secret(f"http://127.0.0.1:{server.port}/services/T0/B0/xyz")
    config = SlackConfig(name="slack", type="slack", concurrency=1, rate=None, timeout_s=5.0, url=url)
    return SlackChannel(config, clock=clock or ManualClock())


async def send(channel: HttpChannel | SlackChannel, payload: dict[str, Any]) -> Receipt:
    try:
        return await channel.send(payload, identity="dlv_1")
    finally:
        await channel.close()


async def refused(channel: HttpChannel | SlackChannel, payload: dict[str, Any]) -> SendError:
    with pytest.raises(SendError) as caught:
        await send(channel, payload)
    return caught.value


def answer_with(server: WebServer, status: int, text: str = "", **headers: str) -> None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server.answer = lambda call: web.Response(status=status, text=text, headers=named)


STATUSES = [
    (301, Reason.REDIRECTED, False),
    (400, Reason.REJECTED, False),
    (401, Reason.AUTH, False),
    (403, Reason.AUTH, False),
    (404, Reason.NOT_FOUND, False),
    (408, Reason.TIMEOUT, True),
    (409, Reason.CONFLICT, True),
    (410, Reason.NOT_FOUND, False),
    (413, Reason.TOO_LARGE, False),
    (422, Reason.REJECTED, False),
    (425, Reason.TOO_EARLY, True),
    (429, Reason.RATE_LIMITED, True),
    (500, Reason.SERVER_ERROR, True),
    (503, Reason.SERVER_ERROR, True),
]


@pytest.mark.parametrize(("status", "reason", "retried"), STATUSES)
async def test_a_status_gives_its_reason(server: WebServer, status: int, reason: Reason, retried: bool) -> None:
    answer_with(server, status, Location="http://127.0.0.1:1/elsewhere")
    for channel, payload in ((http(server), {"json": 1}), (slack(server), {"text": "x"})):
        error = await refused(channel, payload)
        assert (error.reason, error.status, error.is_retried) == (reason, status, retried)
    assert len(server.got) == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_understood_as_seconds_and_as_a_date(server: WebServer, status: int) -> None:
    clock = ManualClock()
    answer_with(server, status, Retry_After="17")
    assert (await refused(slack(server, clock=clock), {"text": "x"})).retry_after_s == 17.0
    answer_with(server, status, Retry_After=format_datetime(clock.now() + timedelta(seconds=90), usegmt=True))
    assert (await refused(http(server, clock=clock), {"json": 1})).retry_after_s == 90.0


class TestHttp:
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_any_2xx_is_success(self, server: WebServer, status: int) -> None:
        answer_with(server, status)
        assert (await send(http(server), {"json": 1})).status == status

    async def test_json_goes_out_compact_in_utf_8(self, server: WebServer) -> None:
        await send(http(server), {"json": {"name": "Société", "cents": 12050, "none": None}})
        (call,) = server.got
        assert call.body == '{"name":"Société","cents":12050,"none":null}'.encode()
        assert call.headers["content-type"] == "application/json"
        assert call.headers["user-agent"].startswith("memonotify/")
        assert call.method == "POST"

    async def test_a_body_goes_out_as_text(self, server: WebServer) -> None:
        await send(http(server, method="PUT"), {"body": "payé"})
        (call,) = server.got
        assert (call.method, call.body) == ("PUT", "payé".encode())
        assert call.headers["content-type"] == "text/plain; charset=utf-8"

    async def test_a_header_names_another_content_type(self, server: WebServer) -> None:
        await send(http(server), {"body": "<a/>", "headers": {"Content-Type": "application/xml"}})
        assert server.got[0].headers["content-type"] == "application/xml"

    async def test_the_messages_headers_win_over_the_channels(self, server: WebServer) -> None:
        channel = http(server, headers={"X-Source": Secret("channel"), "X-Kept": Secret("kept")})
        await send(channel, {"json": 1, "headers": {"x-source": "message"}})
        headers = server.got[0].headers
        assert (headers["x-source"], headers["x-kept"]) == ("message", "kept")

    async def test_no_header_of_a_message_touches_identity_host_or_framing(self, server: WebServer) -> None:
        await send(
            http(server, signing_secret=Secret(SIGNING_SECRET)),
            {
                "json": 1,
                "headers": {
                    "Webhook-Id": "forged",
                    "webhook-signature": "v1,forged",
                    "Host": "elsewhere.example",
                    "Content-Length": "0",
                    "Transfer-Encoding": "chunked",
                },
            },
        )
        (call,) = server.got
        assert call.headers["webhook-id"] == "dlv_1"
        assert "forged" not in call.headers["webhook-signature"]
        assert call.headers["host"] == f"127.0.0.1:{server.port}"
        assert call.body == b"1"

    async def test_a_line_break_in_a_header_adds_no_header(self, server: WebServer) -> None:
        await send(http(server), {"json": 1, "headers": {"X-Payer": "Evil\r\nX-Injected: 1\x00\u2028é"}})
        headers = server.got[0].headers
        assert "x-injected" not in headers
        assert headers["x-payer"].startswith("Evil X-Injected: 1")

    async def test_a_headers_name_that_is_none_is_refused_here(self, server: WebServer) -> None:
        error = await refused(http(server), {"json": 1, "headers": {"X-A: b\r\nX-B": "1"}})
        assert error.reason is Reason.TEMPLATE
        assert server.got == []

    async def test_the_reference_library_verifies_the_signature(self, server: WebServer) -> None:
        clock = ManualClock(datetime.now(UTC))
        await send(http(server, clock=clock, signing_secret=Secret(SIGNING_SECRET)), {"json": {"é": [1, 2.5, None]}})
        (call,) = server.got
        assert Webhook(SIGNING_SECRET).verify(call.body, call.headers) == {"é": [1, 2.5, None]}

    async def test_without_a_secret_the_identity_and_the_moment_go_along_unsigned(self, server: WebServer) -> None:
        clock = ManualClock()
        await send(http(server, clock=clock), {"json": 1})
        headers = server.got[0].headers
        assert headers["webhook-id"] == "dlv_1"
        assert headers["webhook-timestamp"] == str(int(clock.now().timestamp()))
        assert "webhook-signature" not in headers

    async def test_a_path_is_appended_and_the_query_stays(self, server: WebServer) -> None:
        await send(http(server, path="/hooks/bank?key=1"), {"json": 1, "path": "/invoices/été 1?x#y"})
        assert server.got[0].path == "/hooks/bank/invoices/%C3%A9t%C3%A9%201%3Fx%23y?key=1"

    async def test_a_path_cannot_leave_the_address(self, server: WebServer) -> None:
        error = await refused(http(server), {"json": 1, "path": "/%2e%2e/admin"})
        assert error.reason is Reason.TEMPLATE
        assert server.got == []

    async def test_user_and_password_in_the_url_become_basic_credentials(self, server: WebServer) -> None:
        url = Secret(f"http://erp:pässword@127.0.0.1:{server.port}/")
        await send(http(server, url=url), {"json": 1})
        assert server.got[0].headers["authorization"] == "Basic ZXJwOnDDpHNzd29yZA=="

    @pytest.mark.parametrize("value", [float("nan"), object()])
    async def test_a_value_json_cannot_carry_is_the_templates_fault(self, server: WebServer, value: Any) -> None:
        assert (await refused(http(server), {"json": {"a": value}})).reason is Reason.TEMPLATE

    async def test_a_message_without_content_is_the_templates_fault(self, server: WebServer) -> None:
        assert (await refused(http(server), {"path": "/x"})).reason is Reason.TEMPLATE

    async def test_a_long_answer_does_not_undo_a_success(self, server: WebServer) -> None:
        server.answer = lambda call: web.Response(body=b"x" * 5_000_000)
        receipt = await send(http(server), {"json": 1})
        assert receipt.status == 200
        assert len(receipt.detail) <= 200

    async def test_tls_is_verified_against_the_configured_file(self, tmp_path: Path) -> None:
        certificate = make_certificate(tmp_path)
        server = WebServer()
        await server.start(tls=certificate.context)
        url = Secret(f"https://127.0.0.1:{server.port}/")
        error = await refused(http(server, url=url), {"json": 1})
        assert error.reason is Reason.TLS
        assert server.got == []
        assert (await send(http(server, url=url, ca_file=certificate.file), {"json": 1})).status == 200
        await server.stop()

    @pytest.mark.parametrize("url", ["", "erp.example.com", "ftp://erp.example.com/", "https:///x", "http://[::"])
    async def test_a_url_that_is_none_is_a_matter_of_configuration(self, server: WebServer, url: str) -> None:
        with pytest.raises(SendError) as caught:
            http(server, url=Secret(url))
        assert caught.value.reason is Reason.CONFIGURATION

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    async def test_a_signing_secret_that_is_none_is_a_matter_of_configuration(
        self, server: WebServer, secret: str
    ) -> None:
        with pytest.raises(SendError) as caught:
            http(server, signing_secret=Secret(secret))
        assert caught.value.reason is Reason.CONFIGURATION


class TestSlack:
    async def test_text_and_blocks_are_posted_and_nothing_else(self, server: WebServer) -> None:
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "*12 €*"}}]
        await send(slack(server), {"text": "12 €", "blocks": blocks, "note": "internal"})
        (call,) = server.got
        assert json.loads(call.body) == {"text": "12 €", "blocks": blocks}
        assert call.headers["content-type"] == "application/json; charset=utf-8"

    @pytest.mark.parametrize("text", ["ok", "ok\n", "", '{"ok": true}', '{"success":true}'])
    async def test_ok_is_success(self, server: WebServer, text: str) -> None:
        answer_with(server, 200, text)
        assert (await send(slack(server), {"text": "x"})).status == 200

    @pytest.mark.parametrize("text", ["<html>Sign in</html>", '{"ok": false}', "invalid_payload", "[]"])
    async def test_a_success_that_is_not_slacks_is_none(self, server: WebServer, text: str) -> None:
        answer_with(server, 200, text)
        error = await refused(slack(server), {"text": "x"})
        assert error.reason is Reason.INVALID_RESPONSE
        assert not error.is_retried

    async def test_what_slack_says_of_an_error_is_shown(self, server: WebServer) -> None:
        answer_with(server, 404, "no_service")
        assert "no_service" in (await refused(slack(server), {"text": "x"})).detail

    async def test_a_text_over_the_limit_arrives_cut(self, server: WebServer) -> None:
        await send(slack(server), {"text": "x" * 50_000})
        text = json.loads(server.got[0].body)["text"]
        assert len(text) == 40_000
        assert text.endswith("x…")

    async def test_blocks_json_cannot_carry_are_the_templates_fault(self, server: WebServer) -> None:
        assert (await refused(slack(server), {"blocks": [{"x": float("inf")}]})).reason is Reason.TEMPLATE
