"""The webhook's server over real connections, with the store's seam in our hands."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from intakeparts import AUTH, EVENT, JSON, SERVER, FakeStore, answer_to, post, raw_connection, running_intake

from memonotify.config.values import Listen, Tls
from memonotify.errors import StoreUnavailable
from memonotify.intake.server import MAX_BODY_BYTES


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
async def client(store: FakeStore) -> AsyncIterator[httpx.AsyncClient]:
    async with running_intake(store) as intake, httpx.AsyncClient(base_url=f"http://{intake.address}") as client:
        yield client


async def _post(client: httpx.AsyncClient, path: str = "/webhooks/acme", **changes: Any) -> httpx.Response:
    return await client.post(path, **{"content": json.dumps(EVENT), "headers": AUTH | JSON} | changes)


async def test_an_event_is_answered_after_it_is_stored_and_is_handed_on(
    client: httpx.AsyncClient, store: FakeStore
) -> None:
    response = await _post(client)
    assert response.status_code == 204
    assert response.content == b""
    [event] = store.submitted
    assert (event.workspace, event.id, event.client) == ("acme", "e-1", "127.0.0.1")
    assert event.body == EVENT


async def test_a_duplicate_is_answered_alike_and_not_handed_on(client: httpx.AsyncClient, store: FakeStore) -> None:
    await _post(client)
    assert (await _post(client)).status_code == 204
    assert len(store.submitted) == 1


@pytest.mark.parametrize("token", ["old-token", "new-token"])
async def test_both_tokens_open_while_rotating(client: httpx.AsyncClient, token: str) -> None:
    response = await _post(client, headers=JSON | {"Authorization": f"bearer {token}"})
    assert response.status_code == 204


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic new-token", "Bearer beta-token", "new-token", "Bearer é"]
)
async def test_without_a_token_of_the_workspace_it_is_401(
    client: httpx.AsyncClient, store: FakeStore, authorization: str
) -> None:
    response = await _post(client, headers=[*JSON.items(), ("Authorization", authorization.encode())])
    assert response.status_code == 401
    assert response.json() == {"code": "unauthorized", "message": "The request carries no valid token."}
    assert not store.events


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/vnd.memo-bank.v1+json", "Application/JSON; charset=UTF-8"],
)
async def test_both_content_types_are_json(client: httpx.AsyncClient, content_type: str) -> None:
    assert (await _post(client, headers=AUTH | {"Content-Type": content_type})).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_anything_else_is_415(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await _post(client, headers=AUTH | headers)).status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/webhooks/nobody", 404),
        ("POST", "/", 404),
        ("GET", "/webhooks/nobody", 404),
        ("POST", "/webhooks/acme/", 404),
        ("GET", "/webhooks/acme", 405),
        ("PUT", "/webhooks/acme", 405),
    ],
)
async def test_a_wrong_path_or_method_is_said(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    response = await client.request(method, path, headers=AUTH | JSON, content=json.dumps(EVENT))
    assert response.status_code == status
    assert set(response.json()) == {"code", "message"}
    if status == 405:
        assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://hooks.example.com/webhooks/acme", b"204"),
        ("HTTPS://hooks.example.com:443/webhooks/acme?x=/y", b"204"),
        ("http://hooks.example.com/webhooks/nobody", b"404"),
        ("http://hooks.example.com", b"404"),
        ("http://hooks.example.com?x=/webhooks/acme", b"404"),
        ("http://hooks.example.com#/webhooks/acme", b"400"),
        ("http://hooks.example.com/http://hooks.example.com/webhooks/acme", b"404"),
        ("ftp://hooks.example.com/webhooks/acme", b"404"),
    ],
)
async def test_an_absolute_target_is_taken_like_its_path(store: FakeStore, target: str, status: bytes) -> None:
    async with running_intake(store) as intake:
        answer, _, _ = await answer_to(intake.address, post(target, "Connection: close"))
    assert answer.split()[1] == status


async def _answers_to_an_expectation(address: str, *headers: str, version: str = "1.1") -> list[bytes]:
    """Announce an event with these headers, send it once that is asked for, and return each answer's status line."""
    async with raw_connection(address) as (reader, writer), asyncio.timeout(5):
        writer.write(post("/webhooks/acme", *headers, body="", version=version))
        answers = [(await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]]
        if b" 100 " in answers[0]:
            writer.write(json.dumps(EVENT).encode())
            answers.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        return answers


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue", "100-continue ,"])
async def test_a_caller_that_asks_first_is_told_to_go_on(store: FakeStore, expect: str) -> None:
    async with running_intake(store) as intake:
        answers = await _answers_to_an_expectation(intake.address, f"Expect: {expect}")
    assert answers == [b"HTTP/1.1 100 Continue", b"HTTP/1.1 204 No Content"]
    assert len(store.submitted) == 1


async def test_a_caller_that_asks_but_sends_at_once_gets_one_answer(store: FakeStore) -> None:
    async with running_intake(store) as intake:
        sent = post("/webhooks/acme", "Expect: 100-continue", "Connection: close")
        assert (await answer_to(intake.address, sent))[0] == b"HTTP/1.1 204 No Content"


async def test_a_caller_that_asks_is_refused_before_its_body_and_the_connection_ends(store: FakeStore) -> None:
    async with running_intake(store) as intake:
        for target, headers, status in (
            ("/webhooks/nobody", (), b"404"),
            ("/webhooks/beta", (), b"401"),
            ("/webhooks/acme", ("Content-Encoding: gzip",), b"415"),
        ):
            answer, fields, _ = await answer_to(intake.address, post(target, "Expect: 100-continue", *headers, body=""))
            assert answer.split()[1] == status
            assert fields[b"connection"] == b"close"
        big = post(body="").replace(b"Content-Length: ", b"Expect: 100-continue\r\nContent-Length: 99")
        assert (await answer_to(intake.address, big))[0].split()[1] == b"413"


@pytest.mark.parametrize("expect", ["200-ok", "100-continue, 200-ok", "100-continue;q=1"])
@pytest.mark.parametrize("body", [None, ""])
async def test_an_unknown_expectation_is_417(store: FakeStore, expect: str, body: str | None) -> None:
    async with running_intake(store) as intake:
        answer, headers, content = await answer_to(
            intake.address, post("/webhooks/acme", f"Expect: {expect}", body=body)
        )
        assert answer.split()[1] == b"417"
        assert headers[b"connection"] == b"close"
        assert json.loads(content)["code"] == "expectation_failed"
        wrong = post("/webhooks/beta", f"Expect: {expect}", body=body)
        assert (await answer_to(intake.address, wrong))[0].split()[1] == b"401"
    assert not store.events


async def test_an_expectation_of_http_1_0_is_not_heard(store: FakeStore) -> None:
    async with running_intake(store) as intake:
        for expect in ("100-continue", "200-ok"):
            sent = post("/webhooks/acme", f"Expect: {expect}", version="1.0")
            assert (await answer_to(intake.address, sent))[0].split()[1] == b"204"


async def test_the_checks_stand_in_the_contracts_order(store: FakeStore) -> None:
    elsewhere = replace(SERVER, allowed_ips=(ip_network("35.181.64.230/32"),))
    async with (
        running_intake(store, elsewhere) as intake,
        httpx.AsyncClient(base_url=f"http://{intake.address}") as client,
    ):
        assert (await client.get("/nowhere")).status_code == 403
    async with running_intake(store) as intake, httpx.AsyncClient(base_url=f"http://{intake.address}") as client:
        assert (await client.get("/nowhere")).status_code == 404
        assert (await client.get("/webhooks/acme")).status_code == 405
        assert (await client.post("/webhooks/acme", content=b"x" * 70_000)).status_code == 401
        assert (await client.post("/webhooks/acme", content=b"x" * 70_000, headers=AUTH)).status_code == 415
        big = await client.post("/webhooks/acme", content=b"x" * 70_000, headers=AUTH | JSON)
        assert big.status_code == 413
        assert (await client.post("/webhooks/acme", content=b"x", headers=AUTH | JSON)).status_code == 400


async def test_a_body_of_the_largest_size_is_read_and_one_byte_more_is_not(client: httpx.AsyncClient) -> None:
    padding = MAX_BODY_BYTES - len(json.dumps(EVENT | {"x": ""}))
    fits = json.dumps(EVENT | {"x": "a" * padding})
    assert len(fits) == MAX_BODY_BYTES
    assert (await _post(client, content=fits)).status_code == 204
    assert (await _post(client, content=fits + " ")).status_code == 413


async def test_a_chunked_body_over_the_limit_is_413(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b" " * 1000

    assert (await _post(client, content=chunks())).status_code == 413


async def test_a_chunked_event_is_read(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for byte in json.dumps(EVENT).encode():
            yield bytes([byte])

    assert (await _post(client, content=chunks())).status_code == 204


async def test_a_body_that_is_no_event_says_why(client: httpx.AsyncClient) -> None:
    response = await _post(client, content=json.dumps(EVENT | {"date": "yesterday"}))
    assert response.status_code == 400
    assert response.json() == {
        "code": "invalid_event",
        "message": "The event was refused: date is not an ISO 8601 moment with a zone.",
    }


async def test_a_store_that_cannot_write_is_503_and_the_bank_comes_again(
    client: httpx.AsyncClient, store: FakeStore
) -> None:
    store.fault = StoreUnavailable("disk full")
    response = await _post(client)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert not store.submitted
    store.fault = None
    assert (await _post(client)).status_code == 204


async def test_a_backlog_over_its_limit_is_503(store: FakeStore) -> None:
    async with running_intake(store, replace(SERVER, max_backlog=2)) as intake:
        async with httpx.AsyncClient(base_url=f"http://{intake.address}") as client:
            store.backlog = 2
            assert (await _post(client)).status_code == 503
            store.backlog = 1
            assert (await _post(client)).status_code == 204


async def test_a_body_that_does_not_come_is_given_up(store: FakeStore) -> None:
    async with running_intake(store, replace(SERVER, body_timeout_s=0.05)) as intake:
        host, _, port = intake.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer new-token\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_connection_that_never_finishes_its_headers_is_closed(store: FakeStore) -> None:
    async with running_intake(store, replace(SERVER, keep_alive_s=0.05)) as intake:
        host, _, port = intake.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /webhooks/acme HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_headers_over_their_limit_are_refused(client: httpx.AsyncClient, store: FakeStore) -> None:
    assert (await _post(client, headers=AUTH | JSON | {"X-Long": "a" * 20_000})).status_code == 400
    assert not store.events


async def test_a_unix_socket_serves_what_a_local_proxy_forwards(store: FakeStore, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    server = replace(SERVER, listen=Listen(unix=path), allowed_ips=(ip_network("35.181.64.230/32"),))
    async with running_intake(store, server) as intake:
        assert intake.address == f"unix:{path}"
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            assert (await _post(client)).status_code == 403
            forwarded = AUTH | JSON | {"X-Forwarded-For": "35.181.64.230"}
            assert (await _post(client, headers=forwarded)).status_code == 204
    assert not path.exists()


async def test_a_socket_file_of_a_dead_process_is_replaced(store: FakeStore, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    loop = asyncio.get_running_loop()
    dead = await loop.create_unix_server(asyncio.Protocol, str(path))
    dead.close()
    await dead.wait_closed()
    async with running_intake(store, replace(SERVER, listen=Listen(unix=path))):
        assert path.is_socket()


def _certificate(folder: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(certificate=folder / "cert.pem", key=folder / "key.pem")


async def test_tls_is_spoken_where_a_certificate_is_given(store: FakeStore, tmp_path: Path) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    async with running_intake(store, replace(SERVER, tls=_certificate(tmp_path))) as intake:
        async with httpx.AsyncClient(base_url=f"https://{intake.address}", verify=context) as client:
            assert (await _post(client)).status_code == 204


async def test_answers_and_events_are_counted(store: FakeStore) -> None:
    async with running_intake(store) as intake:
        async with httpx.AsyncClient(base_url=f"http://{intake.address}") as client:
            await _post(client)
            await _post(client)
            await _post(client, headers=JSON)
        text = intake._metrics.exposition().decode()
    assert 'memonotify_webhook_requests_total{status="204"} 2.0' in text
    assert 'memonotify_webhook_requests_total{status="401"} 1.0' in text
    assert 'memonotify_events_total{result="duplicate",workspace="acme"} 1.0' in text
    assert "new-token" not in text
