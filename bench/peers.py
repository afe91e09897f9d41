"""What stands around memonotify while it is measured, each a process of its own: `python -m bench.peers NAME …`.

`bare` answers webhooks with nothing behind it. `outside` is a bank that answers at once, an HTTP receiver and an SMTP
receiver. `loop-http` and `loop-mail` are the bare loops of one httpx GET and POST, and of one mail, per event.
`daemon` is memonotify itself, `rules` its loader and its matching alone. Each prints one line of JSON when it is ready,
and another at its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
import timeit
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any, cast

from bench.manyrules import NAMED, NAMING

TRANSACTION = {
    "id": "7ad37a52-8f48-4c70-bc38-269a1133ea2f",
    "link": "https://client.memo.bank/transactions/7ad37a52",
    "reference": "0f3f7f6c-6c0e-4c0a-8f5b-2a8a4b1f9d11",
    "account_id": "708683cb-60f6-464a-a62f-be2e339c34aa",
    "amount": 1_250_000,
    "currency": "EUR",
    "direction": "credit",
    "local_iban": "FR7617338000010109143651430",
    "request_date": "2026-03-02",
    "execution_date": "2026-03-02",
    "counterparty_name": "Boulangerie Martin",
    "status": "confirmed",
    "attachment_count": 0,
    "source": {"type": "transfer_incoming", "message": "Facture 2026-031"},
}


def tell(**what: Any) -> None:
    """Print one line of JSON for the parent."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _until_told() -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()


async def bare() -> None:
    """A bare aiohttp handler that reads the body and answers 204."""
    from aiohttp import web

    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    app = web.Application()
    app.add_routes([web.post("/webhooks/acme", handle)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tell(port=runner.addresses[0][1])
    await _until_told()
    await runner.cleanup()
    tell(memory_mb=_memory_mb())


async def outside() -> None:
    """A bank, an HTTP receiver and an SMTP receiver that do next to nothing, and count."""
    from aiohttp import web
    from aiohttp.web_request import BaseRequest

    counts = {"http": 0, "mail": 0}
    answer = json.dumps(TRANSACTION).encode()
    stalls = os.environ.get("BENCH_SMTP_STALLS") == "1"

    async def handle(request: BaseRequest) -> web.Response:
        if request.method == "GET":
            if request.path == "/counts":
                return web.Response(body=json.dumps(counts).encode(), content_type="application/json")
            return web.Response(body=answer, content_type="application/json")
        await request.read()
        counts["http"] += 1
        return web.Response(status=204)

    loop = asyncio.get_running_loop()
    protocol = web.Server(handle, access_log=None)
    server = await loop.create_server(protocol, "127.0.0.1", 0)
    mail = await loop.create_server(lambda: _Smtp(counts, stalls), "127.0.0.1", 0)
    tell(port=server.sockets[0].getsockname()[1], smtp=mail.sockets[0].getsockname()[1])
    await _until_told()


class _Smtp(asyncio.Protocol):
    """Enough of an SMTP server to take mails; a stalling one greets and then says nothing."""

    def __init__(self, counts: dict[str, int], stalls: bool) -> None:
        self._counts = counts
        self._stalls = stalls
        self._buffer = b""
        self._in_data = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 bench ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer each command."""
        if self._stalls or self._transport is None:
            return
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._in_data else b"\r\n"
            head, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            self._transport.write(self._answer(head))

    def _answer(self, line: bytes) -> bytes:
        if self._in_data:
            self._in_data = False
            self._counts["mail"] += 1
            return b"250 taken\r\n"
        word = line[:4].upper()
        if word == b"EHLO":
            return b"250-bench\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
        if word == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if word == b"QUIT":
            return b"221 bye\r\n"
        return b"250 ok\r\n"


async def loop_http(base: str, events: int, concurrency: int) -> None:
    """One httpx GET and one httpx POST per event, and nothing else."""
    import httpx

    left = iter(range(events))
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10) as client:

        async def work() -> None:
            for number in left:
                resource_ = (await client.get("/v2/transactions/7ad37a52-8f48-4c70-bc38-269a1133ea2f")).json()
                message = {"id": number, "amount": resource_["amount"], "who": resource_["counterparty_name"]}
                await client.post("/hook", json=message)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(concurrency)))
        tell(seconds=time.perf_counter() - began, memory_mb=_memory_mb())


async def loop_mail(port: int, events: int, concurrency: int) -> None:
    """One mail per event through aiosmtplib over kept connections, and nothing else."""
    import aiosmtplib

    left = iter(range(events))

    async def work() -> None:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False)
        await client.connect()
        for number in left:
            message = MIMEText(f"Boulangerie Martin paid 12 500,00 € ({number})", "plain", "utf-8")
            message["From"] = "notify@example.com"
            message["To"] = "finance@example.com"
            message["Subject"] = "Boulangerie Martin paid"
            await client.sendmail("notify@example.com", ["finance@example.com"], message.as_bytes())
        await client.quit()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    tell(seconds=time.perf_counter() - began, memory_mb=_memory_mb())


async def daemon(config: str) -> None:
    """memonotify on this configuration."""
    from memonotify import logs
    from memonotify.app import App, keep_what_is_loaded, prepare_process
    from memonotify.config.loader import load_config
    from memonotify.rules.inforce import load

    logs.configure("error", "json")
    prepare_process()
    loaded = load_config(Path(config), environ=os.environ).config
    app = App(loaded, load(loaded))
    await app.start()
    keep_what_is_loaded()
    tell(port=int(app.webhook_address.rpartition(":")[2]), admin=int(app.admin_address.rpartition(":")[2]))
    await _until_told()
    await app.stop(1.0)
    tell(memory_mb=_memory_mb())


def rules(config: str) -> None:
    """Load rules as the commands do, match one event, then load as the daemon does, before and after an edit."""
    import jsonschema  # noqa: F401 - what is imported anyway is not the rules' time

    from memonotify.config.loader import load_config
    from memonotify.rules.inforce import load
    from memonotify.rules.loader import load_rules
    from memonotify.rules.values import Ruleset
    from memonotify.templating import Templates

    loaded = load_config(Path(config), environ=os.environ).config
    templates = Templates(folder=loaded.templates, locale=loaded.locale, timezone=loaded.timezone)
    # The processor's time: what else the machine does is not the rules'.
    began = time.process_time()
    ruleset: Ruleset = load_rules(loaded, templates).ruleset
    load_s = time.process_time() - began
    memory_mb = _memory_mb()
    match_us = _match_us(ruleset)
    del ruleset, templates
    in_force = load(loaded)
    (path, *_) = sorted((Path(config).parent / "rules").iterdir())
    path.write_text(path.read_text() + "# edited\n")
    began = time.process_time()
    load(loaded, in_force)
    tell(load_s=load_s, again_s=time.process_time() - began, match_us=match_us, memory_mb=memory_mb)


def _match_us(ruleset: Any) -> float:
    """Return the least time of many to find the rules for one event and ask each whether it fires, in microseconds."""
    event = {"id": "1", "event_type": NAMED, "resource_type": "transaction", "resource_id": TRANSACTION["id"]}
    context = {"event": event, "resource": TRANSACTION, "workspace": {"name": "acme"}}

    def match() -> None:
        found = ruleset.candidates(NAMED, "transaction", "acme")
        assert len(found) == NAMING, len(found)
        for rule in found:
            rule.when.holds(context)

    return min(timeit.repeat(match, timer=time.process_time, number=100, repeat=30)) / 100 * 1e6


def main(name: str, *arguments: str) -> None:
    """Run one peer."""
    import uvloop

    if name == "bare":
        uvloop.run(bare())
    elif name == "outside":
        uvloop.run(outside())
    elif name == "loop-http":
        uvloop.run(loop_http(arguments[0], int(arguments[1]), int(arguments[2])))
    elif name == "loop-mail":
        uvloop.run(loop_mail(int(arguments[0]), int(arguments[1]), int(arguments[2])))
    elif name == "rules":
        rules(arguments[0])
    else:
        uvloop.run(daemon(arguments[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
