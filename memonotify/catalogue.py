"""What is known of Memo Bank: its events, resources, paths and addresses. Pure facts, no I/O.

Sources: the bank's public API documentation (docs.api.memo.bank, version 2.0) and its webhook pages, read 2026-08.
New event and resource types appear without notice, so nothing here is a closed set for what comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

RESOURCE_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "account": "/v2/accounts/{id}",
        "attachment": "/v2/attachments/{id}",
        "iban": "/v2/ibans/{id}",
        "transaction": "/v2/transactions/{id}",
        "transfer": "/v2/transfers/{id}",
        "wire_transfer": "/v2/wire_transfers/{id}",
        "collection": "/v2/collections/{id}",
        "bulk_transfers": "/v2/transfers/bulks/{id}",
        "bulk_collections": "/v2/collections/bulks/{id}",
        "mandate_signature_request": "/v2/mandate_signature_requests/{id}",
        "account_assessment": "/v2/account_assessments/{id}",
    }
)
"""Where a resource of each type is fetched from."""

PROOF_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transfer": "/v2/transfers/{id}/proof",
        "wire_transfer": "/v2/wire_transfers/{id}/proof",
    }
)
"""Where the proof of a payment is fetched from, a PDF, for the types that have one."""

PROVEN_EVENT_TYPES: Final = frozenset({"transfer_confirmed", "wire_transfer_confirmed"})
"""The events of payments of which the bank makes a proof: confirmed ones only."""

EVENT_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        f"{resource}_{what}": resource
        for resource, whats in {
            "account": ("created", "updated", "closed"),
            "attachment": ("created", "deleted"),
            "iban": ("created", "updated", "deleted"),
            "transaction": ("scheduled", "authorized", "confirmed", "rejected", "canceled"),
            "transfer": ("confirmed", "returned", "canceled", "failed"),
            "wire_transfer": ("confirmed", "returned", "canceled", "failed", "attachment_required"),
            "collection": ("confirmed", "returned", "canceled", "failed"),
            "bulk_transfers": ("completed",),
            "bulk_collections": ("completed",),
            "mandate_signature_request": ("sent", "expired", "completed", "deleted"),
            "account_assessment": ("completed", "failed"),
        }.items()
        for what in whats
    }
)
"""The 34 event types and the resource type each is about."""

EVENT_FIELDS: Final = ("id", "date", "event_type", "resource_type", "resource_id")
"""The fields that every event has; the bank may send more."""

WEBHOOK_ADDRESSES: Final = (
    "35.181.64.230",
    "15.236.178.243",
    "13.36.24.215",
    "3.78.51.103",
    "3.74.208.131",
    "3.122.142.56",
    "34.38.96.206",
    "35.189.206.171",
    "35.241.129.224",
    "34.155.214.185",
    "34.155.206.98",
    "34.163.14.38",
)
"""Where the bank's webhooks come from: the six addresses of its webhook guide, and the six that its API document of
version 2.0 names for `api.memo.bank`. Both lists are published, and refusing either would lose events."""

SANDBOX_ADDRESSES: Final = ("34.155.60.111", "34.163.27.39")
"""Where the sandbox's webhooks come from, by the same document."""

WEBHOOK_RETRY_WAITS_S: Final = (180, 600, 1800, 3600, 21600, 43200, 86400, 259200)
"""After a refused webhook the bank comes again after each of these waits, then never."""

JWT_TOLERANCE_S: Final = 5
"""How far `iat` may be from the bank's clock."""


def resource_path(resource_type: str, resource_id: str, added: Mapping[str, str] | None = None) -> str | None:
    """Return the API path of a resource, or None for a type that is not known.

    `added` are the configuration's `resource_types`: a path with `{id}` per type; they win over the known ones.
    """
    template = (added or {}).get(resource_type) or RESOURCE_PATHS.get(resource_type)
    return template.replace("{id}", resource_id) if template else None


def proof_path(resource_type: str, resource_id: str) -> str | None:
    """Return the API path of the proof of a payment, or None for a type that has none."""
    template = PROOF_PATHS.get(resource_type)
    return template.replace("{id}", resource_id) if template else None
