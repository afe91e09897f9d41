"""Verifies a call's token as strictly as the bank documents it.

In: what came over the wire. Out: nothing, or an Unauthorized that says which claim is wrong: here that helps, since
whoever asks is a developer at their own machine. Called by the stand-in's gate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import jwt

from memonotify.catalogue import JWT_TOLERANCE_S
from memonotify.model import Clock
from memonotify.standin.credentials import Credentials

_REMEMBERED: Final = 200_000


class Unauthorized(Exception):  # noqa: N818 - it is an answer, not a mistake of ours
    """The call is answered 401 with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Verifier:
    """Knows one application's credentials and the token ids it has seen."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._seen: OrderedDict[str, None] = OrderedDict()

    def check(self, *, method: str, target: str, host: str, authorization: str | None, body: bytes) -> None:
        """Accept the call or refuse it. `target` is the path with its query as received, `host` the Host header.

        Raises:
            Unauthorized: with the first thing that is wrong.
        """
        if authorization is None or not authorization.startswith("Bearer "):
            raise Unauthorized("missing_token", "the request has no bearer token")
        header, claims = self._opened(authorization.removeprefix("Bearer "))
        self._check_header(header)
        self._check_claims(claims, f"{method} {target}", without_port(host))
        _check_digest(claims.get("dig#S256"), body)
        self._check_id(claims.get("jti"))

    def _opened(self, token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        # The library's own claim checks use the machine's clock, so only the signature is left to it.
        try:
            opened = jwt.api_jws.decode_complete(token, self._credentials.public_key, algorithms=["RS256"])
            claims = json.loads(opened["payload"])
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise Unauthorized(
                "invalid_token", "the token is not signed with RS256 by this application's key"
            ) from None
        if not isinstance(claims, dict):
            raise Unauthorized("invalid_token", "the token's payload is not an object")
        return opened["header"], claims

    def _check_header(self, header: Mapping[str, Any]) -> None:
        if header.get("typ") != "JWT":
            raise Unauthorized("invalid_token", "the header's typ is not JWT")
        if not _same(header.get("x5t#S256"), self._credentials.thumbprint.reveal()):
            raise Unauthorized("unknown_certificate", "the header's x5t#S256 is not this application's thumbprint")

    def _check_claims(self, claims: Mapping[str, Any], subject: str, host: str) -> None:
        if claims.get("sub") != subject:
            raise Unauthorized("invalid_sub", f"sub is not {subject!r}")
        if claims.get("aud") != host:
            raise Unauthorized("invalid_aud", f"aud is not {host!r}")
        issued = claims.get("iat")
        if type(issued) is not int:
            raise Unauthorized("invalid_iat", "iat is not an integer")
        # Whole seconds on both sides, because the claim has no fraction.
        apart_s = issued - int(self._clock.now().timestamp())
        if abs(apart_s) > JWT_TOLERANCE_S:
            raise Unauthorized("invalid_iat", f"iat is {apart_s:+} s away from the bank's clock")
        if not _same(claims.get("sec"), self._credentials.secret.reveal()):
            raise Unauthorized("invalid_sec", "sec is not this application's secret code")

    def _check_id(self, token_id: Any) -> None:
        try:
            plain = str(uuid.UUID(token_id)) if isinstance(token_id, str) else ""
        except ValueError:
            plain = ""
        if not plain or plain != token_id.lower():
            raise Unauthorized("invalid_jti", "jti is not a uuid")
        if plain in self._seen:
            raise Unauthorized("replayed_jti", "jti was used before")
        self._seen[plain] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def without_port(host: str) -> str:
    """Return the host of a Host header, without its port and, for IPv6, without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _same(given: Any, known: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode())


def _check_digest(given: Any, body: bytes) -> None:
    if not body:
        if given is not None:
            raise Unauthorized("invalid_dig", "dig#S256 is there, but the request has no body")
        return
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode("ascii")
    if given != digest:
        raise Unauthorized("invalid_dig", "dig#S256 is not the digest of the body")
