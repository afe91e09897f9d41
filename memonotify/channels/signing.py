"""Standard Webhooks signatures, version v1: HMAC-SHA256 over `id.timestamp.body` (standardwebhooks.com, spec 1.0).

Comes in: the channel's `whsec_` secret, then per message an identity, a moment and the body's bytes. Goes out: the
headers. The HTTP channel calls it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Final
from urllib.parse import quote

from memonotify.errors import Reason, SendError
from memonotify.secret import Secret

PREFIX: Final = "whsec_"


class Signer:
    """Makes the `webhook-*` headers. Without a secret the message carries its identity and moment, unsigned."""

    __slots__ = ("_key",)

    def __init__(self, secret: Secret | None) -> None:
        """Take the secret as configured.

        Raises:
            SendError: CONFIGURATION, where it is not `whsec_` and base64.
        """
        self._key = _key_of(secret) if secret else None

    def headers(self, identity: str, now: datetime, body: bytes) -> list[tuple[bytes, bytes]]:
        """Return `webhook-id`, `webhook-timestamp` (whole seconds since 1970) and, with a secret, the signature."""
        message_id = quote(identity, safe="~!*'()+,:;=@$&/").encode()
        timestamp = str(int(now.timestamp())).encode()
        headers = [(b"webhook-id", message_id), (b"webhook-timestamp", timestamp)]
        if self._key is not None:
            content = b".".join((message_id, timestamp, body))
            digest = hmac.digest(self._key, content, hashlib.sha256)
            headers.append((b"webhook-signature", b"v1," + base64.b64encode(digest)))
        return headers


def _key_of(secret: Secret) -> bytes:
    text = secret.reveal()
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not key:
        raise SendError(Reason.CONFIGURATION, "signing_secret must be whsec_ followed by base64")
    return key
