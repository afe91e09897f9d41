"""What is no HTTP, on each listener: answered in JSON, counted, and not a word of it in the log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import ManualClock
from intakeparts import EVENT, FakeStore, answer_to, post, raw_connection, running_intake

from memonotify import logs
from memonotify.app import App
from memonotify.config.loader import load_config
from memonotify.metrics import Metrics
from memonotify.rules.loader import load_rules
from memonotify.templating import Templates

HIDDEN = b"SECRETTOK1"
START = b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\n"
MALFORMED = {
    "a control character in a header": START + b"Authorization: Bearer SECRETTOK1\x01\r\n\r\n",
    "a header over its limit": START + b"Authorization: Bearer " + HIDDEN * 900 + b"\r\n\r\n",
    "a blank before the colon": START + b"Authorization : Bearer SECRETTOK1\r\n\r\n",
    "too many headers": START + b"".join(b"X-%d: SECRETTOK1\r\n" % n for n in range(200)) + b"\r\n",
    "a header twice": START + b"Host: SECRETTOK1\r\n\r\n",
    "an unknown version": b"POST /webhooks/acme?t=SECRETTOK1 HTTP/9.9\r\nHost: x\r\n\r\n",
    "an unknown method": b"FOO /webhooks/acme?t=SECRETTOK1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a garbled method": b"P\x00ST-SECRETTOK1 /webhooks/acme HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS on a plain listener": b"\x16\x03\x01SECRETTOK1\r\n\r\n",
    "a target over its limit": b"POST /webhooks/acme?t=" + HIDDEN * 900 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target without a host": b"POST http:///SECRETTOK1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no Host": b"POST /webhooks/acme?t=SECRETTOK1 HTTP/1.1\r\n\r\n",
    "a bad chunk size": START + b"Transfer-Encoding: chunked\r\n\r\nSECRETTOK1\r\n",
    "a bad length": START + b"Content-Length: SECRETTOK1\r\n\r\n",
    "two ways to tell the length": START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nSECRETTOK1",
}


class Log:
    """All that is logged, as text and as lines."""

    def __init__(self, written: io.StringIO) -> None:
        self._written = written

    @property
    def text(self) -> str:
        return self._written.getvalue()

    def lines(self, word: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if line["event"] == word]


@pytest.fixture(params=["json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    kept, level = logging.root.handlers[:], logging.root.level
    logs.configure("debug", request.param)
    yield Log(written)
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)


both_forms = pytest.mark.parametrize("log", ["json", "text"], indirect=True)
each_malformed = pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())


def _is_the_refusal(answer: tuple[bytes, dict[bytes, bytes], bytes]) -> bool:
    status, headers, body = answer
    assert status == b"HTTP/1.1 400 Bad Request"
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/json"
    assert int(headers[b"content-length"]) == len(body)
    return bool(json.loads(body) == {"code": "bad_request", "message": "This is not a well-formed HTTP request."})


@both_forms
@each_malformed
async def test_a_malformed_request_is_refused_in_json_and_none_of_it_is_logged(sent: bytes, log: Log) -> None:
    metrics = Metrics()
    async with running_intake(FakeStore(), metrics=metrics) as intake:
        assert _is_the_refusal(await answer_to(intake.address, sent))
    assert log.text.count("webhook_refused") == 1
    assert "bad_request" in log.text
    assert "127.0.0.1" in log.text
    assert HIDDEN.decode() not in log.text
    assert 'memonotify_webhook_requests_total{status="400"} 1.0' in metrics.exposition().decode()


async def test_a_malformed_request_is_logged_by_the_class_of_its_error(log: Log) -> None:
    async with running_intake(FakeStore()) as intake:
        await answer_to(intake.address, MALFORMED["a header over its limit"])
    [line] = log.lines("webhook_refused")
    assert {name: line[name] for name in ("level", "code", "status", "peer", "error", "left_out")} == {
        "level": "warning",
        "code": "bad_request",
        "status": 400,
        "peer": "127.0.0.1",
        "error": "LineTooLong",
        "left_out": 0,
    }


async def test_a_flood_of_malformed_requests_does_not_flood_the_log(log: Log) -> None:
    clock = ManualClock()
    async with running_intake(FakeStore(), clock=clock) as intake:
        for _ in range(5):
            for sent in MALFORMED.values():
                await answer_to(intake.address, sent)
        clock.advance(1)
        await answer_to(intake.address, MALFORMED["no Host"])
    [_, second] = log.text.splitlines()
    assert json.loads(second)["left_out"] == 5 * len(MALFORMED) - 1


async def test_an_event_before_a_malformed_request_is_stored_and_answered(log: Log) -> None:
    store = FakeStore()
    async with running_intake(store) as intake, raw_connection(intake.address) as (reader, writer):
        writer.write(post())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"
        writer.write(MALFORMED["a blank before the colon"])
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert [event.id for event in store.submitted] == [EVENT["id"]]
    assert HIDDEN.decode() not in log.text


@pytest.mark.parametrize("method", ["PROPFIND", "M-SEARCH", "DELETE"])
async def test_a_method_that_is_merely_rare_goes_through_the_ordinary_checks(method: str) -> None:
    async with running_intake(FakeStore()) as intake:
        for target, status in (("/nowhere", b"404"), ("/webhooks/acme", b"405")):
            sent = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            assert (await answer_to(intake.address, sent))[0].split()[1] == status


async def test_a_caller_that_goes_away_in_the_middle_of_its_body_is_no_error(log: Log) -> None:
    metrics = Metrics()
    async with running_intake(FakeStore(), metrics=metrics) as intake:
        async with raw_connection(intake.address) as (_, writer):
            writer.write(post(body='{"id": "SECRETTOK1'))
            while intake.in_progress == 0:
                await asyncio.sleep(0)
        while intake.in_progress:
            await asyncio.sleep(0)
    assert [json.loads(line)["level"] for line in log.text.splitlines()] == ["debug"]
    assert HIDDEN.decode() not in log.text
    assert 'memonotify_webhook_requests_total{status="500"} 0.0' in metrics.exposition().decode()


@both_forms
async def test_a_fault_while_answering_is_told_by_class_and_place_and_seldom(log: Log) -> None:
    store, metrics = FakeStore(), Metrics()
    store.fault = ValueError(HIDDEN.decode())
    async with running_intake(store, metrics=metrics) as intake:
        for _ in range(5):
            status, headers, body = await answer_to(intake.address, post())
            assert status == b"HTTP/1.1 500 Internal Server Error"
            assert headers[b"connection"] == b"close"
            assert json.loads(body) == {"code": "internal_error", "message": "Something failed here. Come again."}
    assert log.text.count("webhook_error") == 1
    assert "ValueError" in log.text
    assert "intakeparts.py:" in log.text
    assert HIDDEN.decode() not in log.text
    assert 'memonotify_webhook_requests_total{status="500"} 5.0' in metrics.exposition().decode()


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    (tmp_path / "rules.yaml").write_text("rules: []\n")
    (tmp_path / "config.yaml").write_text(
        "server: {listen: '127.0.0.1:0', allowed_ips: [any]}\n"
        "admin: {listen: '127.0.0.1:0'}\n"
        "store: sqlite:///s.db\n"
        "workspaces: [{name: acme, tokens: [a-token]}]\n"
        "channels: {mail: {type: email, host: h.example, from: a@h.example}}\n"
        "rules: [rules.yaml]\n"
    )
    config = load_config(tmp_path / "config.yaml", environ={}).config
    templates = Templates(folder=config.templates, locale=config.locale, timezone=config.timezone)
    async with App(config, load_rules(config, templates).ruleset) as app:
        yield app


@both_forms
async def test_the_admin_listener_keeps_malformed_requests_to_itself(log: Log, app: App) -> None:
    for sent in MALFORMED.values():
        assert _is_the_refusal(await answer_to(app.admin_address, sent))
    assert log.text.count("admin_refused") == 1
    assert HIDDEN.decode() not in log.text


async def test_the_control_socket_keeps_a_malformed_request_to_itself(log: Log, app: App, tmp_path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s.db.sock"))
    writer.write(MALFORMED["a blank before the colon"])
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    [line] = log.lines("admin_refused")
    assert (line["peer"], line["error"]) == ("unknown", "BadHttpMessage")
    assert HIDDEN.decode() not in log.text
