"""The stand-in and the real client face to face, and the webhooks it posts."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from aiohttp import web
from fakes import ManualClock

from memonotify.catalogue import EVENT_TYPES, RESOURCE_PATHS, WEBHOOK_RETRY_WAITS_S, resource_path
from memonotify.errors import FetchError, ListenError, Reason, StandInError
from memonotify.memobank.client import BankClient
from memonotify.metrics import Metrics
from memonotify.standin.bank import StandInBank
from memonotify.standin.credentials import make_credentials


@pytest.fixture(scope="module")
def credentials():
    return make_credentials()


@pytest.fixture
def clock():
    return ManualClock()


class Pause:
    """Waits without time: notes how long, moves the clock, and lets others run."""

    def __init__(self, clock):
        self.clock = clock
        self.waited = []

    async def __call__(self, seconds):
        self.waited.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def pause(clock):
    return Pause(clock)


@pytest.fixture
async def open_bank(clock, credentials, pause):
    opened = []

    async def start(**settings):
        settings = {"clock": clock, "random": random.Random(7), "credentials": credentials, "pause": pause} | settings
        opened.append(StandInBank(**settings))
        await opened[-1].start()
        return opened[-1]

    yield start
    for bank in opened:
        await bank.stop()


@pytest.fixture
async def bank(open_bank):
    return await open_bank()


@pytest.fixture
async def connect(clock, pause):
    clients = []

    def make(bank, *, clock=clock, pause=pause, timeout_s=5.0):
        api = bank.credentials.api(bank.url, timeout_s=timeout_s)
        clients.append(BankClient("acme", api, clock=clock, metrics=Metrics(), pause=pause))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def client(bank, connect):
    return connect(bank)


class Receiver:
    """A webhook's other end: notes what came and answers as told, then 204."""

    def __init__(self):
        self.answers = []
        self.bodies = []
        self.headers = []

    async def handle(self, request):
        self.headers.append(request.headers.copy())
        self.bodies.append(await request.json())
        status = self.answers.pop(0) if self.answers else 204
        if status is None:
            request.transport.abort()
            return web.Response()
        return web.Response(status=status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def listening(handler):
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/acme"
    await runner.cleanup()


@pytest.fixture
async def receiver(bank):
    made = Receiver()
    async with listening(made.handle) as url:
        made.url = url
        made.webhook = bank.add_webhook(url, "a-token")
        yield made
        await bank.stop()


async def refused(client, path="/v2/accounts/x"):
    with pytest.raises(FetchError) as caught:
        await client.fetch(path)
    return caught.value


class TestTheApi:
    @pytest.mark.parametrize("event_type", EVENT_TYPES)
    async def test_the_resource_of_every_event_type_is_fetched(self, bank, client, event_type):
        event = await bank.raise_event(event_type)
        snapshot = await client.fetch(resource_path(event["resource_type"], event["resource_id"]))
        assert snapshot.body["id"] == event["resource_id"]

    async def test_a_resource_of_a_type_nobody_knows_is_found_under_any_path(self, bank, client):
        event = await bank.raise_event("invoice_paid", {"resource.total": 5})
        snapshot = await client.fetch(f"/v2/billing/invoices/{event['resource_id']}")
        assert snapshot.body["total"] == 5

    @pytest.mark.parametrize("path", RESOURCE_PATHS.values())
    async def test_an_id_nobody_knows_is_not_found(self, client, path):
        error = await refused(client, path.replace("{id}", "7ad37a52-8f48-4c70-bc38-269a1133ea2f"))
        assert (error.reason, error.status) == (Reason.NOT_FOUND, 404)

    @pytest.mark.parametrize(
        "path", ["transactions", "accounts", "ibans", "attachments", "mandate_signature_requests", "webhooks"]
    )
    async def test_every_list_is_a_page(self, client, path):
        page = (await client.fetch(f"/v2/{path}?size=2")).body
        assert len(page["results"]) <= 2
        assert {"has_next", "has_prev"} <= page.keys()

    async def test_page_tokens_lead_through_all_transactions_newest_first(self, bank, client):
        seen, path = [], "/v2/transactions?size=50"
        while path:
            page = (await client.fetch(path)).body
            seen += page["results"]
            token = page.get("next_page_token")
            path = token and f"/v2/transactions?size=50&page_token={token}"
        assert len(seen) == len(bank.books.all("transaction")) > 100
        dates = [row["execution_date"] for row in seen]
        assert dates == sorted(dates, reverse=True)

    async def test_transactions_are_filtered_by_date_and_account(self, bank, client, clock):
        account = bank.books.all("account")[1]["id"]
        start = (clock.now() - timedelta(days=30)).isoformat()
        page = (await client.fetch(f"/v2/transactions?size=100&account_id={account}&start_date={start}")).body
        assert page["results"]
        assert all(row["account_id"] == account and row["execution_date"] >= start for row in page["results"])

    async def test_a_query_out_of_bounds_is_rejected(self, client):
        assert (await refused(client, "/v2/transactions?size=101")).reason is Reason.REJECTED

    @pytest.mark.parametrize("kind", ["transfer", "collection"])
    async def test_the_items_of_a_bulk_are_listed_by_status(self, bank, client, kind):
        event = await bank.raise_event(f"bulk_{kind}s_completed")
        path = f"/v2/{kind}s/bulks/{event['resource_id']}"
        bulk = (await client.fetch(path)).body
        failed = (await client.fetch(f"{path}/{kind}s?status=failed&size=100")).body["results"]
        assert len(failed) == bulk[f"{kind}s_failed"]
        assert (await client.fetch(f"/v2/{kind}s/{failed[0]['id']}")).body["status"] == "failed"

    async def test_deleted_ibans_are_listed_only_when_asked_for(self, bank, client):
        event = await bank.raise_event("iban_deleted")
        plain = (await client.fetch("/v2/ibans?size=100")).body["results"]
        with_deleted = (await client.fetch("/v2/ibans?size=100&include_deleted=true")).body["results"]
        assert event["resource_id"] not in {row["id"] for row in plain}
        assert event["resource_id"] in {row["id"] for row in with_deleted}

    @pytest.mark.parametrize("kind", ["transfer", "wire_transfer"])
    async def test_a_proof_is_a_pdf_of_a_confirmed_payment_only(self, bank, connect, kind):
        confirmed = await bank.raise_event(f"{kind}_confirmed")
        failed = await bank.raise_event(f"{kind}_failed")
        answer = await signed(bank, "GET", f"/v2/{kind}s/{confirmed['resource_id']}/proof")
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.content.startswith(b"%PDF-1.4")
        assert answer.content.endswith(b"%%EOF\n")
        assert (await signed(bank, "GET", f"/v2/{kind}s/{failed['resource_id']}/proof")).status_code == 400

    async def test_a_method_that_a_path_does_not_have_is_told_in_the_banks_shape(self, client, bank):
        answer = await signed(bank, "DELETE", "/v2/accounts")
        assert answer.status_code == 405
        assert set(answer.json()) == {"code", "message"}

    async def test_webhooks_are_made_read_listed_and_removed(self, client):
        made = await client.request("POST", "/v2/webhooks", json={"name": "é", "url": "https://example.com/hook"})
        assert set(made) == {"id", "name", "url", "bearer_token"}
        assert (await client.fetch(f"/v2/webhooks/{made['id']}")).body == made
        assert (await client.fetch("/v2/webhooks")).body["results"] == [made]
        assert await client.request("DELETE", f"/v2/webhooks/{made['id']}") is None
        assert (await refused(client, f"/v2/webhooks/{made['id']}")).reason is Reason.NOT_FOUND

    @pytest.mark.parametrize(
        "body",
        [None, [], {}, {"name": "x"}, {"name": "x", "url": "ftp://x"}, {"name": 1, "url": "http://x"}]
        + [{"name": "x", "url": url} for url in ("http://", "http://x:99999", "http://[", "x")],
    )
    async def test_a_webhook_without_name_or_address_is_rejected(self, client, body):
        with pytest.raises(FetchError) as caught:
            await client.request("POST", "/v2/webhooks", json=body)
        assert caught.value.reason is Reason.REJECTED


async def signed(bank, method, path):
    """Make one signed call by hand, for what the client does not show."""
    from memonotify.memobank.signer import Signer

    credentials = bank.credentials
    signer = Signer(credentials.thumbprint, credentials.secret, credentials.private_key, "127.0.0.1")
    token = signer.token(method, path, None, bank._clock.now())
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(method, bank.url + path, headers={"Authorization": f"Bearer {token}"})


class TestWhatGoesWrong:
    @pytest.mark.parametrize("apart_s", [-3600, -10, 10, 3600])
    async def test_a_wrong_clock_is_measured_and_corrected(self, bank, connect, clock, apart_s):
        client = connect(bank, clock=ManualClock(clock.now() + timedelta(seconds=apart_s)))
        account = bank.books.all("account")[0]
        assert (await client.fetch(f"/v2/accounts/{account['id']}")).body == account
        assert client.clock_offset_s == pytest.approx(-apart_s, abs=1)
        # Corrected once is corrected for good: one refused call, and two that were taken.
        await client.fetch("/v2/accounts")
        assert client.quota.remaining == 600 - 3

    async def test_a_wrong_secret_is_not_explained_by_the_clock(self, open_bank, connect):
        bank = await open_bank()
        client = connect(bank)
        bank._gate._verifier._credentials = make_credentials()
        error = await refused(client)
        assert (error.reason, error.status) == (Reason.AUTH, 401)
        assert client.quota.remaining == 599

    async def test_a_call_without_a_token_is_refused_in_the_banks_shape(self, bank):
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{bank.url}/v2/accounts")
        assert answer.status_code == 401
        assert set(answer.json()) == {"code", "message"}
        assert answer.headers["RateLimit-Remaining"] == "599"

    async def test_the_quota_is_obeyed_before_the_bank_refuses(self, open_bank, connect, pause):
        bank = await open_bank(quota=10, quota_window_s=8)
        client = connect(bank)
        for _ in range(35):
            await client.fetch("/v2/accounts")
        assert pause.waited
        assert client._metrics.fetches.labels("acme", "rate_limited")._value.get() == 0

    async def test_many_calls_at_once_do_not_overrun_a_small_quota(self, open_bank, connect, clock):
        async def pause(seconds):
            # Those who wait together wait for the same moment; a short look-again just lets answers come in.
            until = clock.monotonic() + seconds
            await asyncio.sleep(0)
            if seconds > 0.1:
                clock.advance(max(until - clock.monotonic(), 0.0))

        bank = await open_bank(quota=5, quota_window_s=1)
        client = connect(bank, pause=pause)
        async with asyncio.TaskGroup() as calls:
            for _ in range(14):
                calls.create_task(client.fetch("/v2/accounts"))
        assert client._metrics.fetches.labels("acme", "ok")._value.get() == 14

    async def test_a_quota_that_comes_back_late_is_told_without_a_call(self, open_bank, connect):
        bank = await open_bank(quota=1, quota_window_s=300)
        client = connect(bank)
        await client.fetch("/v2/accounts")
        error = await refused(client)
        assert (error.reason, error.retry_after_s, error.status) == (Reason.RATE_LIMITED, 300, None)

    async def test_the_bank_answers_429_to_whoever_does_not_look(self, open_bank):
        bank = await open_bank(quota=1, quota_window_s=30)
        assert (await signed(bank, "GET", "/v2/accounts")).status_code == 200
        answer = await signed(bank, "GET", "/v2/accounts")
        assert answer.status_code == 429
        assert [answer.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")] == ["1", "0", "30"]
        assert "Retry-After" not in answer.headers

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (400, Reason.REJECTED),
            (403, Reason.AUTH),
            (409, Reason.CONFLICT),
            (429, Reason.RATE_LIMITED),
            (500, Reason.SERVER_ERROR),
            (503, Reason.SERVER_ERROR),
        ],
    )
    async def test_an_injected_status_has_its_reason_and_then_it_is_over(self, bank, client, status, reason):
        bank.fail_next(status)
        error = await refused(client, "/v2/accounts")
        assert (error.reason, error.status) == (reason, status)
        if status != 429:
            assert (await client.fetch("/v2/accounts")).status == 200

    async def test_a_slow_bank_is_a_timeout(self, open_bank, connect):
        gate = asyncio.Event()

        async def hold(_):
            await gate.wait()

        bank = await open_bank(pause=hold)
        bank.delay(60)
        assert (await refused(connect(bank, timeout_s=0.05))).reason is Reason.TIMEOUT
        gate.set()

    async def test_an_oversized_answer_is_too_large(self, bank, client):
        bank.answer_next(200, b" " * (1024 * 1024 + 1))
        assert (await refused(client)).reason is Reason.TOO_LARGE

    async def test_a_redirect_is_refused(self, bank, client):
        bank.answer_next(307, b"", headers={"Location": "/v2/accounts"})
        assert (await refused(client)).reason is Reason.REDIRECTED

    @pytest.mark.parametrize("body", [b"", b"<html>maintenance</html>", b'"text"'])
    async def test_an_answer_that_is_no_json_object_is_invalid(self, bank, client, body):
        bank.answer_next(200, body, content_type="text/html")
        assert (await refused(client)).reason is Reason.INVALID_RESPONSE

    async def test_a_bank_that_is_away_is_unreachable_until_it_comes_back(self, bank, client):
        bank.go_away()
        assert (await refused(client, "/v2/accounts")).reason is Reason.UNREACHABLE
        bank.come_back()
        assert (await client.fetch("/v2/accounts")).status == 200

    async def test_a_bank_that_stopped_is_unreachable(self, bank, client):
        await client.fetch("/v2/accounts")
        await bank.stop()
        assert (await refused(client)).reason is Reason.UNREACHABLE

    async def test_a_port_that_is_taken_is_told(self, bank, open_bank):
        with pytest.raises(ListenError, match="cannot listen on 127.0.0.1"):
            await open_bank(port=int(bank.url.rpartition(":")[2]))

    @pytest.mark.parametrize("settings", [{"speed": 0}, {"quota": 0}, {"quota_window_s": 0}])
    async def test_settings_that_mean_nothing_are_refused(self, open_bank, settings):
        with pytest.raises(StandInError):
            await open_bank(**settings)


class TestWebhooks:
    async def test_an_event_is_posted_as_the_bank_posts_it(self, bank, receiver):
        event = await bank.raise_event("transfer_confirmed")
        await bank.idle()
        assert receiver.bodies == [event]
        assert receiver.headers[0]["Content-Type"] == "application/json"
        assert receiver.headers[0]["Authorization"] == "Bearer a-token"
        assert [(post.event_id, post.attempt, post.status, post.ok) for post in bank.deliveries] == [
            (event["id"], 1, 204, True)
        ]

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_any_2xx_is_a_success(self, bank, receiver, pause, status):
        receiver.answers = [status]
        await bank.raise_event("transfer_confirmed")
        await bank.idle()
        assert len(receiver.bodies) == 1
        assert pause.waited == []

    async def test_a_refused_event_comes_again_eight_times_and_never_after(self, bank, receiver, pause):
        receiver.answers = [503] * 20
        event = await bank.raise_event("transfer_confirmed")
        await bank.idle()
        assert receiver.bodies == [event] * 9
        assert pause.waited == list(WEBHOOK_RETRY_WAITS_S)
        assert [post.next_wait_s for post in bank.deliveries] == [*WEBHOOK_RETRY_WAITS_S, None]

    async def test_the_speed_divides_the_waits(self, open_bank, pause):
        bank = await open_bank(speed=60)
        receiver = Receiver()
        receiver.answers = [500, 500]
        async with listening(receiver.handle) as url:
            bank.add_webhook(url)
            await bank.raise_event("transfer_confirmed")
            await bank.idle()
            await bank.stop()
        assert pause.waited == [3, 10]

    async def test_a_redirect_is_not_followed_and_a_broken_connection_comes_again(self, bank, receiver):
        receiver.answers = [302, None]
        await bank.raise_event("transfer_confirmed")
        await bank.idle()
        assert [(post.status, post.reason) for post in bank.deliveries] == [
            (302, Reason.REDIRECTED),
            (None, Reason.UNREACHABLE),
            (204, None),
        ]

    async def test_a_receiver_that_does_not_answer_in_time_gets_it_again(self, open_bank):
        bank = await open_bank(post_timeout_s=0.05)
        gate, answered = asyncio.Event(), []

        async def handle(request):
            answered.append(await request.json())
            if len(answered) == 1:
                await gate.wait()
            return web.Response(status=204)

        async with listening(handle) as url:
            bank.add_webhook(url)
            await bank.raise_event("transfer_confirmed")
            await bank.idle()
            gate.set()
            await bank.stop()
        assert [post.reason for post in bank.deliveries] == [Reason.TIMEOUT, None]
        assert len(answered) == 2

    async def test_an_event_is_posted_again_where_told(self, bank, receiver):
        event = await bank.raise_event("transfer_confirmed", repeat=3)
        await bank.idle()
        assert receiver.bodies == [event] * 3

    async def test_retries_end_where_the_webhook_is_removed(self, bank, receiver):
        receiver.answers = [500] * 20
        await bank.raise_event("transfer_confirmed")
        del bank.webhooks[receiver.webhook.id]
        await bank.idle()
        assert len(receiver.bodies) == 1

    async def test_one_receiver_that_fails_does_not_keep_events_from_another(self, bank, receiver):
        other = Receiver()
        other.answers = [500] * 20
        async with listening(other.handle) as url:
            bank.add_webhook(url)
            await bank.raise_event("transfer_confirmed")
            await bank.idle()
        assert (len(receiver.bodies), len(other.bodies)) == (1, 9)

    async def test_nothing_shows_a_webhooks_token(self, bank, receiver):
        await bank.raise_event("transfer_confirmed")
        await bank.idle()
        assert "a-token" not in repr(bank.webhooks) + repr(bank.deliveries)


class TestTheSandbox:
    async def test_an_incoming_transfer_is_booked_and_raises_its_event(self, bank, client, receiver):
        account = bank.books.all("account")[0]
        before = account["balance"]
        order = {
            "amount": 12_500,
            "local_iban": account["iban"],
            "message": "Facture 7",
            "counterparty_name": "Boulangerie Maillard",
        }
        assert await client.request("POST", "/v2/sandbox/incoming_transfers", json=order) is None
        await bank.idle()
        assert receiver.bodies[0]["event_type"] == "transaction_confirmed"
        transaction = (await client.fetch(f"/v2/transactions/{receiver.bodies[0]['resource_id']}")).body
        assert (transaction["amount"], transaction["direction"], transaction["counterparty_name"]) == (
            12_500,
            "credit",
            "Boulangerie Maillard",
        )
        assert transaction["source"]["message"] == "Facture 7"
        assert transaction["source"]["type"] == "transfer_incoming"
        assert account["balance"] == before + 12_500

    async def test_an_incoming_collection_takes_money_through_a_virtual_iban(self, bank, client, receiver):
        iban = next(row for row in bank.books.all("iban") if row["type"] == "virtual")
        order = {"amount": 900, "local_iban": iban["iban"], "mandate": {"creditor": {"name": "Énergies du Massif"}}}
        await client.request("POST", "/v2/sandbox/incoming_collections", json=order)
        await bank.idle()
        transaction = (await client.fetch(f"/v2/transactions/{receiver.bodies[0]['resource_id']}")).body
        assert (transaction["direction"], transaction["local_iban"]) == ("debit", iban["iban"])
        assert transaction["counterparty_name"] == "Énergies du Massif"
        assert transaction["account_id"] == iban["account_id"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"amount": 0}, Reason.REJECTED),
            ({"amount": "5"}, Reason.REJECTED),
            ({"amount": True}, Reason.REJECTED),
            ({"mandate": "x"}, Reason.REJECTED),
            ({"mandate": {"creditor": []}}, Reason.REJECTED),
            ({"message": 5}, Reason.REJECTED),
            ({"local_iban": "FR1420041010050500013M02606"}, Reason.NOT_FOUND),
        ],
    )
    async def test_an_order_that_makes_no_sense_is_refused(self, bank, client, change, reason):
        order = {"amount": 5, "local_iban": bank.books.all("account")[0]["iban"]} | change
        with pytest.raises(FetchError) as caught:
            await client.request("POST", "/v2/sandbox/incoming_transfers", json=order)
        assert caught.value.reason is reason
        assert bank.events == ()


class TestControl:
    @pytest.fixture
    async def http(self, bank):
        async with httpx.AsyncClient(base_url=bank.url, trust_env=False) as http:
            yield http

    async def test_an_event_is_triggered_with_fields_of_its_own(self, bank, http, receiver):
        wanted = {"event_type": "transaction_confirmed", "set": {"resource.amount": 12_500}, "repeat": 2}
        event = (await http.post("/_standin/trigger", json=wanted)).json()
        await bank.idle()
        assert receiver.bodies == [event, event]
        assert bank.books.get("transaction", event["resource_id"])["amount"] == 12_500

    async def test_events_are_listed_newest_first_with_their_posts(self, bank, http, receiver):
        first = await bank.raise_event("transfer_confirmed")
        second = await bank.raise_event("transfer_failed")
        await bank.idle()
        listed = (await http.get("/_standin/events")).json()["results"]
        assert [row["event"] for row in listed] == [second, first]
        assert [row["posts"][0]["status"] for row in listed] == [204, 204]

    @pytest.mark.parametrize(
        "body",
        [
            "x",
            [],
            {},
            {"event_type": 5},
            {"event_type": "a b"},
            {"event_type": "transfer_failed", "set": []},
            {"event_type": "transfer_failed", "set": {"amount": 1}},
            {"event_type": "transfer_failed", "repeat": 0},
            {"event_type": "transfer_failed", "repeat": True},
        ],
    )
    async def test_a_trigger_that_makes_no_sense_is_refused_with_a_sentence(self, bank, http, body):
        answer = await http.post("/_standin/trigger", json=body)
        assert answer.status_code == 400
        assert answer.json()["message"]
        assert bank.events == ()

    async def test_a_trigger_that_is_not_json_is_refused(self, http):
        headers = {"Content-Type": "application/json"}
        assert (await http.post("/_standin/trigger", content=b"{", headers=headers)).status_code == 400
        assert (await http.post("/_standin/trigger", content=b"{}")).status_code == 415

    async def test_a_page_that_borrows_the_machines_name_is_kept_out(self, bank, http):
        body = json.dumps({"event_type": "transfer_failed"})
        headers = {"Host": "evil.example", "Content-Type": "application/json"}
        assert (await http.post("/_standin/trigger", content=body, headers=headers)).status_code == 403
        assert (await http.get("/_standin/events", headers={"Host": "evil.example"})).status_code == 403
        assert bank.events == ()

    async def test_control_needs_no_token_and_spends_no_quota(self, bank, http, client):
        await http.get("/_standin/events")
        await client.fetch("/v2/accounts")
        assert client.quota.remaining == 599


async def test_a_resource_without_an_event_is_what_a_missed_webhook_looks_like(bank, client):
    missed = bank.make("transaction", "confirmed")
    assert (await client.fetch(f"/v2/transactions/{missed['id']}")).body == missed
    assert bank.events == ()


async def test_a_stopped_stand_in_raises_nothing(bank):
    await bank.stop()
    await bank.stop()
    with pytest.raises(StandInError, match="not running"):
        await bank.raise_event("transfer_confirmed")


async def test_nothing_of_a_malformed_request_is_logged(bank, caplog):
    host, port = bank.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v2/accounts HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer SECRETTOK1\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    assert "BadHttpMessage" in caplog.text
    assert "SECRETTOK1" not in caplog.text
