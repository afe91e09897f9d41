"""The stand-in's API under /v2: the eleven resource types, lists, proofs, webhooks and the sandbox endpoints.

In: requests that passed the gate. Out: answers in the shapes of the bank's API document. Called by aiohttp.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from memonotify.catalogue import RESOURCE_PATHS
from memonotify.samples.books import Books, Resource
from memonotify.standin.gate import refusal
from memonotify.standin.orders import BadOrder, Order, read_order
from memonotify.standin.paging import BadQuery, equal_to, matching_transactions, page_of
from memonotify.standin.proof import proof_of
from memonotify.standin.webhooks import Webhook


class Bank(Protocol):
    """What the API needs of the stand-in behind it."""

    books: Books
    webhooks: dict[str, Webhook]

    def add_webhook(self, url: str, token: str | None = None, *, name: str = "") -> Webhook: ...
    def incoming(self, source_type: str, order: Order, account: Resource) -> None: ...


Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The routes of one stand-in."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def routes(self) -> list[web.RouteDef]:
        """Return every route, the more particular first."""
        return [
            web.get("/v2/transactions", self._listed(self._transactions)),
            web.get("/v2/accounts", self._listed(self._accounts)),
            web.get("/v2/ibans", self._listed(self._ibans)),
            web.get("/v2/attachments", self._listed(self._attachments)),
            web.get("/v2/mandate_signature_requests", self._listed(self._mandates)),
            web.get("/v2/transfers/bulks/{id}/transfers", self._items("bulk_transfers")),
            web.get("/v2/collections/bulks/{id}/collections", self._items("bulk_collections")),
            web.get("/v2/transfers/{id}/proof", self._proof("transfer")),
            web.get("/v2/wire_transfers/{id}/proof", self._proof("wire_transfer")),
            web.get("/v2/webhooks", self._list_webhooks),
            web.post("/v2/webhooks", self._create_webhook),
            web.get("/v2/webhooks/{id}", self._get_webhook),
            web.delete("/v2/webhooks/{id}", self._delete_webhook),
            web.post("/v2/sandbox/incoming_transfers", self._incoming("transfer_incoming")),
            web.post("/v2/sandbox/incoming_collections", self._incoming("collection_incoming")),
            *(web.get(path, self._one(resource_type)) for resource_type, path in RESOURCE_PATHS.items()),
            # Types that came after this version: whatever path a configuration gives them.
            web.get("/v2/{tail:.+}/{id}", self._any),
        ]

    def _one(self, resource_type: str) -> Answering:
        async def answer(request: web.Request) -> web.Response:
            return _found(self._bank.books.get(resource_type, request.match_info["id"]))

        return answer

    async def _any(self, request: web.Request) -> web.Response:
        others = (name for name in self._bank.books.types() if name not in RESOURCE_PATHS)
        found = (self._bank.books.get(name, request.match_info["id"]) for name in others)
        return _found(next((resource for resource in found if resource is not None), None))

    def _listed(self, select: Callable[[Mapping[str, str]], Sequence[Resource]]) -> Answering:
        async def answer(request: web.Request) -> web.Response:
            try:
                return web.json_response(page_of(select(request.query), request.query))
            except BadQuery as bad:
                return refusal(400, "invalid_query", str(bad))

        return answer

    def _transactions(self, query: Mapping[str, str]) -> Sequence[Resource]:
        return matching_transactions(self._bank.books.all("transaction"), query)

    def _accounts(self, _: Mapping[str, str]) -> Sequence[Resource]:
        return self._bank.books.all("account")

    def _webhooks(self, _: Mapping[str, str]) -> Sequence[Resource]:
        return [_shown(webhook) for webhook in self._bank.webhooks.values()]

    def _ibans(self, query: Mapping[str, str]) -> Sequence[Resource]:
        return _filtered(self._bank.books.all("iban"), query, "account_id")

    def _attachments(self, query: Mapping[str, str]) -> Sequence[Resource]:
        return _filtered(self._bank.books.all("attachment"), query, "transaction_id")

    def _mandates(self, query: Mapping[str, str]) -> Sequence[Resource]:
        return equal_to(self._bank.books.all("mandate_signature_request"), _wanted(query, "status"))

    def _items(self, resource_type: str) -> Answering:
        async def answer(request: web.Request) -> web.StreamResponse:
            bulk_id = request.match_info["id"]
            if self._bank.books.get(resource_type, bulk_id) is None:
                return _found(None)
            items = self._bank.books.items.get(bulk_id, [])
            return await self._listed(lambda query: equal_to(items, _wanted(query, "status")))(request)

        return answer

    def _proof(self, resource_type: str) -> Answering:
        async def answer(request: web.Request) -> web.Response:
            payment = self._bank.books.get(resource_type, request.match_info["id"])
            if payment is None:
                return _found(None)
            if payment["status"] != "confirmed":
                return refusal(400, f"{resource_type}_not_confirmed", "proofs exist of confirmed payments only")
            return web.Response(body=proof_of(payment), content_type="application/octet-stream")

        return answer

    async def _list_webhooks(self, request: web.Request) -> web.StreamResponse:
        return await self._listed(self._webhooks)(request)

    async def _get_webhook(self, request: web.Request) -> web.Response:
        webhook = self._bank.webhooks.get(request.match_info["id"])
        return _found(_shown(webhook) if webhook else None)

    async def _create_webhook(self, request: web.Request) -> web.Response:
        wanted = await _json_object(request)
        name, url = (wanted or {}).get("name"), (wanted or {}).get("url")
        if not isinstance(name, str) or not isinstance(url, str) or not _is_web_address(url):
            return refusal(400, "invalid_body", "a webhook has a name and an http or https url")
        return web.json_response(_shown(self._bank.add_webhook(url, name=name)))

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        if self._bank.webhooks.pop(request.match_info["id"], None) is None:
            return _found(None)
        return web.Response(status=204)

    def _incoming(self, source_type: str) -> Answering:
        async def answer(request: web.Request) -> web.Response:
            try:
                order = read_order(await _json_object(request))
            except BadOrder as bad:
                return refusal(400, "invalid_body", str(bad))
            account = self._bank.books.account_of_iban(order.local_iban)
            if account is None:
                return refusal(404, "iban_not_found", "local_iban is not one of this workspace's")
            self._bank.incoming(source_type, order, account)
            return web.Response(status=204)

        return answer


def _found(resource: Resource | None) -> web.Response:
    if resource is None:
        return refusal(404, "not_found", "there is no such resource")
    return web.json_response(resource)


def _shown(webhook: Webhook) -> Resource:
    return {"id": webhook.id, "name": webhook.name, "url": webhook.url, "bearer_token": webhook.token.reveal()}


def _wanted(query: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: query[name] for name in names if name in query}


def _filtered(resources: Sequence[Resource], query: Mapping[str, str], by: str) -> list[Resource]:
    with_deleted = query.get("include_deleted") == "true"
    found = equal_to(resources, _wanted(query, by))
    return [resource for resource in found if with_deleted or not resource["is_deleted"]]


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def _json_object(request: web.Request) -> dict[str, Any] | None:
    try:
        data = json.loads(await request.read())
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
