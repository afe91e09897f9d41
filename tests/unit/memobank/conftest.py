"""A key pair and API settings for tests of the client."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from memonotify.config.values import BankApi
from memonotify.secret import Secret


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def pem(key: rsa.RSAPrivateKey) -> Secret:
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
    )


@pytest.fixture
def api(pem: Secret) -> BankApi:
    return BankApi(
        base_url="https://api.memo.bank",
        thumbprint=Secret("the-thumbprint"),
        secret=Secret("5ecret"),
        private_key=pem,
        timeout_s=0.5,
    )
