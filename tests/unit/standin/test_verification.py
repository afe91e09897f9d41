from __future__ import annotations

import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes import ManualClock

from memonotify.memobank.signer import Signer, body_digest
from memonotify.standin.credentials import make_credentials
from memonotify.standin.verification import Unauthorized, Verifier, without_port

HOST = "127.0.0.1:7700"
OWN_KEY = object()


@pytest.fixture(scope="module")
def credentials():
    return make_credentials()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def verifier(credentials, clock):
    return Verifier(credentials, clock)


@pytest.fixture
def token(credentials, clock):
    def make(*, header=None, key=OWN_KEY, algorithm="RS256", without=(), **changed):
        claims = {
            "sub": "GET /v2/accounts?size=2",
            "aud": "127.0.0.1",
            "iat": int(clock.now().timestamp()),
            "jti": str(uuid.uuid4()),
            "sec": credentials.secret.reveal(),
        } | {name.replace("__", "#"): value for name, value in changed.items()}
        claims = {name: value for name, value in claims.items() if name not in without}
        head = {"typ": "JWT", "x5t#S256": credentials.thumbprint.reveal()} | (header or {})
        return jwt.encode(
            claims, credentials.private_key.reveal() if key is OWN_KEY else key, algorithm=algorithm, headers=head
        )

    return make


def check(verifier, token, *, body=b"", target="/v2/accounts?size=2", scheme="Bearer "):
    verifier.check(method="GET", target=target, host=HOST, authorization=f"{scheme}{token}", body=body)


def refused(verifier, token, **more):
    with pytest.raises(Unauthorized) as caught:
        check(verifier, token, **more)
    return caught.value.code


def test_a_token_as_documented_is_taken(verifier, token):
    check(verifier, token())
    check(verifier, token(dig__S256=body_digest(b"{}")), body=b"{}")


def test_the_clients_own_signer_is_taken(verifier, credentials, clock):
    signer = Signer(credentials.thumbprint, credentials.secret, credentials.private_key, "127.0.0.1")
    check(verifier, signer.token("GET", "/v2/accounts?size=2", b"x", clock.now()), body=b"x")


@pytest.mark.parametrize("apart_s", [-5, 5])
def test_five_seconds_of_difference_are_taken(verifier, token, clock, apart_s):
    check(verifier, token(iat=int(clock.now().timestamp()) + apart_s))


@pytest.mark.parametrize("apart_s", [-6, 6])
def test_six_seconds_of_difference_are_refused(verifier, token, clock, apart_s):
    assert refused(verifier, token(iat=int(clock.now().timestamp()) + apart_s)) == "invalid_iat"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"sub": "POST /v2/accounts?size=2"}, "invalid_sub"),
        ({"sub": "GET /v2/accounts"}, "invalid_sub"),
        ({"sub": "get /v2/accounts?size=2"}, "invalid_sub"),
        ({"aud": HOST}, "invalid_aud"),
        ({"aud": ["127.0.0.1"]}, "invalid_aud"),
        ({"aud": "api.memo.bank"}, "invalid_aud"),
        ({"iat": 1772442000.5}, "invalid_iat"),
        ({"iat": True}, "invalid_iat"),
        ({"jti": "not-a-uuid"}, "invalid_jti"),
        ({"jti": "{7ad37a52-8f48-4c70-bc38-269a1133ea2f}"}, "invalid_jti"),
        ({"sec": "wrong"}, "invalid_sec"),
        ({"header": {"typ": "JOSE"}}, "invalid_token"),
        ({"header": {"x5t#S256": "other"}}, "unknown_certificate"),
        ({"dig__S256": body_digest(b"")}, "invalid_dig"),
    ],
)
def test_each_wrong_claim_is_refused_by_its_name(verifier, token, changed, code):
    assert refused(verifier, token(**changed)) == code


@pytest.mark.parametrize("claim", ["sub", "aud", "iat", "jti", "sec"])
def test_each_missing_claim_is_refused_by_its_name(verifier, token, claim):
    assert refused(verifier, token(without=[claim])) == f"invalid_{claim}"


def test_a_body_without_its_digest_is_refused(verifier, token):
    assert refused(verifier, token(), body=b"{}") == "invalid_dig"
    assert refused(verifier, token(dig__S256=body_digest(b"[]")), body=b"{}") == "invalid_dig"


def test_a_token_is_taken_once(verifier, token):
    once = token()
    check(verifier, once)
    assert refused(verifier, once) == "replayed_jti"


def test_another_key_is_refused(verifier, token):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(verifier, token(key=other)) == "invalid_token"


def test_another_algorithm_is_refused(verifier, token):
    assert refused(verifier, token(algorithm="RS512")) == "invalid_token"
    assert refused(verifier, token(algorithm="HS256", key="x" * 64)) == "invalid_token"
    assert refused(verifier, token(algorithm="none", key=None)) == "invalid_token"


@pytest.mark.parametrize("scheme", ["", "Basic ", "bearer"])
def test_a_request_without_a_bearer_token_is_refused(verifier, token, scheme):
    assert refused(verifier, token(), scheme=scheme) == "missing_token"


def test_no_refusal_tells_the_secret(verifier, token, credentials):
    with pytest.raises(Unauthorized) as caught:
        check(verifier, token(sec="wrong"))
    assert credentials.secret.reveal() not in caught.value.message


@pytest.mark.parametrize(
    ("host", "name"), [("api.memo.bank", "api.memo.bank"), (HOST, "127.0.0.1"), ("[::1]:80", "::1"), ("A:1", "a")]
)
def test_a_host_loses_its_port(host, name):
    assert without_port(host) == name
