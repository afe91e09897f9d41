"""Signs calls to the bank: one JSON Web Token per request, exactly as the bank's authentication guide documents it.

In: the workspace's thumbprint, secret code and RSA key, and for each call its method, target, body and moment.
Out: the token for the `Authorization` header. Called by `client` only.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Callable
from datetime import datetime

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from memonotify.errors import FetchError, Reason
from memonotify.secret import Secret


def new_token_id() -> str:
    """Return a fresh `jti`: the bank wants a uuid that it has never seen."""
    return str(uuid.uuid4())


def body_digest(body: bytes) -> str:
    """Return the `dig#S256` of a body: base64url of its SHA-256, without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode("ascii")


class Signer:
    """Makes tokens for one workspace. The key is parsed once, because parsing costs a hundred signatures.

    Raises:
        FetchError: CONFIGURATION, where the private key is not an unencrypted RSA key in PEM form.
    """

    def __init__(
        self,
        thumbprint: Secret,
        secret: Secret,
        private_key: Secret,
        host: str,
        *,
        new_id: Callable[[], str] = new_token_id,
    ) -> None:
        self._header = {"typ": "JWT", "x5t#S256": thumbprint.reveal()}
        self._secret = secret
        self._key = _parse(private_key)
        self._host = host
        self._new_id = new_id

    def token(self, method: str, target: str, body: bytes | None, now: datetime) -> str:
        """Return the token of one request.

        `target` is the path with its query as it goes over the wire, percent-encoding included; `now` is the moment by
        the bank's clock, written as whole seconds. An empty body is no body.
        """
        claims: dict[str, str | int] = {
            "sub": f"{method} {target}",
            "aud": self._host,
            "iat": int(now.timestamp()),
            "jti": self._new_id(),
            "sec": self._secret.reveal(),
        }
        if body:
            claims["dig#S256"] = body_digest(body)
        return jwt.encode(claims, self._key, algorithm="RS256", headers=self._header)


def _parse(private_key: Secret) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(private_key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own words may quote the key, so they do not travel along.
        raise FetchError(Reason.CONFIGURATION, "the API's private key is not an unencrypted PEM key") from None
    if not isinstance(key, RSAPrivateKey):
        raise FetchError(Reason.CONFIGURATION, "the API's private key is not an RSA key; the bank takes RS256 only")
    return key
