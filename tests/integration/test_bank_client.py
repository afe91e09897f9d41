"""The bank's client over real sockets: what only a real connection shows."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from memonotify.clock import SystemClock
from memonotify.config.values import BankApi
from memonotify.errors import FetchError, Reason
from memonotify.memobank.client import BankClient
from memonotify.metrics import Metrics
from memonotify.secret import Secret


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
async def connect(pem):
    clients = []

    def make(base_url, *, timeout_s=5.0):
        api = BankApi(
            base_url=base_url,
            thumbprint=Secret("t"),
            secret=Secret("s"),
            private_key=Secret(pem),
            timeout_s=timeout_s,
        )
        clients.append(BankClient("acme", api, clock=SystemClock(), metrics=Metrics()))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
async def serve():
    runners = []

    async def start(handler, tls=None):
        server = web.Server(handler)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        return f"{'https' if tls else 'http'}://127.0.0.1:{port}"

    yield start
    for runner in runners:
        await runner.cleanup()


async def reason(client):
    with pytest.raises(FetchError) as caught:
        await client.fetch("/v2/accounts/x")
    return caught.value.reason


async def test_the_signed_path_is_the_path_received(serve, connect):
    seen = []

    async def handler(request):
        seen.append(request.raw_path)
        return web.json_response({})

    await connect(await serve(handler)).fetch("/v2/transactions?custom_id=a b&x=é")
    assert seen == ["/v2/transactions?custom_id=a%20b&x=%C3%A9"]


async def test_a_redirect_is_refused_and_never_followed(serve, connect):
    paths = []

    async def handler(request):
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/v2/elsewhere"})

    assert await reason(connect(await serve(handler))) is Reason.REDIRECTED
    assert paths == ["/v2/accounts/x"]


async def test_a_server_that_does_not_answer_is_a_timeout(serve, connect):
    gate = asyncio.Event()

    async def handler(request):
        await gate.wait()
        return web.json_response({})

    assert await reason(connect(await serve(handler), timeout_s=0.05)) is Reason.TIMEOUT
    gate.set()


async def test_an_answer_without_an_end_stops_at_the_cap(serve, connect):
    async def handler(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    assert await reason(connect(await serve(handler))) is Reason.TOO_LARGE


async def test_a_connection_that_breaks_off_is_unreachable(serve, connect):
    async def handler(request):
        request.transport.abort()
        return web.Response()

    assert await reason(connect(await serve(handler))) is Reason.UNREACHABLE


async def test_an_answer_cut_short_is_unreachable(serve, connect):
    async def handler(request):
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{}")
        request.transport.close()
        return response

    assert await reason(connect(await serve(handler))) is Reason.UNREACHABLE


async def test_a_closed_port_is_unreachable(connect, unused_tcp_port):
    assert await reason(connect(f"http://127.0.0.1:{unused_tcp_port}")) is Reason.UNREACHABLE


async def test_a_name_that_does_not_resolve_is_unreachable(connect):
    assert await reason(connect("https://bank.invalid")) in {Reason.UNREACHABLE, Reason.TIMEOUT}


async def test_a_certificate_of_nobodys_is_a_tls_failure(serve, connect, key, tmp_path):
    async def handler(request):
        return web.json_response({})

    assert await reason(connect(await serve(handler, self_signed(key, tmp_path)))) is Reason.TLS


async def test_one_connection_serves_many_calls(serve, connect):
    ports = set()

    async def handler(request):
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.json_response({})

    client = connect(await serve(handler))
    for _ in range(5):
        await client.fetch("/v2/accounts/x")
    assert len(ports) == 1


def self_signed(key, folder):
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
    chain = folder / "server.pem"
    chain.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context
