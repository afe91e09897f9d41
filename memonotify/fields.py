"""The fields that the bank's resources have, by type: what `check` compares a rule's names with. Pure facts, no I/O.

Source: the schemas of the bank's public API document, version 2.0, read 2026-08. The bank adds fields without notice,
and leaves those out that have no value, so a name that is not here is doubtful and not wrong. `x.y` is the field `y` of
the object `x`; behind `.*` anything may stand. Fields of all kinds of a transaction's `source` are taken together.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_FIELDS: Final = {
    "account": "balance currency iban id is_main name status type",
    "attachment": "date filename id is_deleted mime_type size transaction_id",
    "iban": "account_id allow_collections iban id is_deleted name status type",
    "transaction": (
        "account_id accounting_date amount attachment_count batch_id counterparty_name currency custom_id "
        "custom_metadata.* direction execution_date id internal_note link local_iban reference request_date "
        "source source.collection_id source.counterparty_account_number source.counterparty_bank_bic "
        "source.counterparty_iban source.end_to_end_id source.instructed_amount source.instructed_currency "
        "source.message source.reason source.returned_collection_id source.returned_collection_reference "
        "source.returned_transfer_id source.returned_transfer_reference source.settlement_amount "
        "source.settlement_currency source.transfer_id source.transfer_type source.type "
        "source.wire_transfer_id status"
    ),
    "transfer": (
        "account_id amount beneficiary_iban currency custom_id custom_metadata.* end_to_end_id failure_code "
        "id internal_note local_iban message reference return_transaction_id scheduled_date status "
        "transfer_type type_strategy"
    ),
    "wire_transfer": (
        "account_id beneficiary_account_identifier beneficiary_account_identifier.account_number "
        "beneficiary_account_identifier.bic beneficiary_account_identifier.iban "
        "beneficiary_account_identifier.routing_code beneficiary_account_identifier.type custom_id "
        "custom_metadata.* failure_code id instructed_amount instructed_currency internal_note local_iban "
        "message reference status uetr"
    ),
    "collection": (
        "account_id amount currency custom_id custom_metadata.* end_to_end_id failure_code id internal_note "
        "local_iban mandate mandate.reference mandate.scheme message reference return_transaction_id "
        "scheduled_date status"
    ),
    "bulk_transfers": "id status transfers_canceled transfers_confirmed transfers_failed transfers_total",
    "bulk_collections": "collections_canceled collections_confirmed collections_failed collections_total id status",
    "mandate_signature_request": (
        "contract_reference debtor debtor.address debtor.address.city debtor.address.country "
        "debtor.address.postal_code debtor.address.street debtor.iban debtor.name debtor_email "
        "email_custom_message id is_deleted language mode redirect_uri reference scheme signature_url status"
    ),
    "account_assessment": (
        "bic capabilities completed_date failure_code iban id identification_matches risk_indicators status"
    ),
}

FIELDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {resource_type: frozenset(names.split()) for resource_type, names in _FIELDS.items()}
)
"""The dotted names of a resource's fields, by resource type."""

_REQUIRED: Final = {
    "transaction": (
        "account_id amount attachment_count counterparty_name currency direction execution_date id link local_iban "
        "reference request_date source source.collection_id source.instructed_amount source.instructed_currency "
        "source.returned_collection_id source.returned_collection_reference source.returned_transfer_id "
        "source.returned_transfer_reference source.settlement_amount source.settlement_currency source.transfer_id "
        "source.transfer_type source.type source.wire_transfer_id status"
    ),
    "transfer": "amount beneficiary_iban currency id local_iban reference status type_strategy",
    "wire_transfer": (
        "beneficiary_account_identifier beneficiary_account_identifier.* id instructed_amount instructed_currency "
        "local_iban message reference status"
    ),
    "collection": (
        "amount currency id local_iban mandate mandate.reference mandate.scheme reference scheduled_date status"
    ),
    "mandate_signature_request": (
        "debtor_email id is_deleted language mode redirect_uri reference scheme signature_url status"
    ),
}

REQUIRED: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {resource_type: frozenset(_REQUIRED.get(resource_type, names).split()) for resource_type, names in _FIELDS.items()}
)
"""The fields of FIELDS that the bank never leaves out where a resource of that kind and state has them at all."""


def knows(resource_type: str, path: tuple[str, ...]) -> bool:
    """Return whether a resource of this type has the field that `path` leads to, as far as is known here.

    A type that is not known here, and what stands behind a list or a value without known fields, is taken to be there.
    """
    names = FIELDS.get(resource_type)
    if names is None:
        return True
    for depth in range(1, len(path) + 1):
        name = ".".join(path[:depth])
        if f"{name}.*" in names:
            return True
        if name not in names:
            # Below a field of which no inner ones are known, anything may stand.
            inner = any(other.startswith(".".join(path[: depth - 1]) + ".") for other in names)
            return depth > 1 and not inner
    return True


def names_at(resource_type: str, path: tuple[str, ...]) -> list[str]:
    """Return the names of the fields beside the last one of `path`, to offer one that is meant."""
    prefix = "".join(f"{step}." for step in path[:-1])
    inner = (name.removesuffix(".*") for name in FIELDS.get(resource_type, ()) if name.startswith(prefix))
    return sorted({name[len(prefix) :] for name in inner if "." not in name[len(prefix) :]})
