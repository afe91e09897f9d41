from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from memonotify.errors import FetchError, Reason
from memonotify.memobank.signer import Signer
from memonotify.secret import Secret

NOW = datetime(2026, 3, 2, 9, 0, 0, 900000, tzinfo=UTC)


@pytest.fixture
def signer(pem):
    return Signer(Secret("the-thumbprint"), Secret("5ecret"), pem, "api.memo.bank", new_id=lambda: "an-id")


def opened(token, key):
    claims = jwt.decode(
        token,
        key.public_key(),
        algorithms=["RS256"],
        audience="api.memo.bank",
        options={"verify_iat": False},
    )
    return jwt.get_unverified_header(token), claims


def test_the_token_holds_exactly_what_the_bank_documents(signer, key):
    header, claims = opened(signer.token("GET", "/v2/accounts?size=100", None, NOW), key)
    assert header == {"alg": "RS256", "typ": "JWT", "x5t#S256": "the-thumbprint"}
    assert claims == {
        "sub": "GET /v2/accounts?size=100",
        "aud": "api.memo.bank",
        "iat": int(NOW.timestamp()),
        "jti": "an-id",
        "sec": "5ecret",
    }
    assert type(claims["iat"]) is int


def test_a_body_is_digested_as_base64url_without_padding(signer, key):
    _, claims = opened(signer.token("POST", "/v2/webhooks", b'{"a":1}', NOW), key)
    assert claims["dig#S256"] == base64.urlsafe_b64encode(hashlib.sha256(b'{"a":1}').digest()).decode().rstrip("=")


def test_an_empty_body_is_no_body(signer, key):
    _, claims = opened(signer.token("DELETE", "/v2/webhooks/x", b"", NOW), key)
    assert "dig#S256" not in claims


def test_every_token_has_an_id_of_its_own(pem, key):
    signer = Signer(Secret("t"), Secret("s"), pem, "api.memo.bank")
    ids = {opened(signer.token("GET", "/v2/x", None, NOW), key)[1]["jti"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nMIIC5ecret\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_a_configuration_error_that_does_not_echo_it(text):
    with pytest.raises(FetchError) as caught:
        Signer(Secret("t"), Secret("s"), Secret(text), "h")
    assert caught.value.reason is Reason.CONFIGURATION
    assert "5ecret" not in str(caught.value)


def test_a_key_of_another_kind_is_refused():
    pem = (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
    with pytest.raises(FetchError, match="RSA"):
        Signer(Secret("t"), Secret("s"), Secret(pem), "h")
