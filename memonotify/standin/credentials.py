"""The stand-in's credentials: a key pair, the thumbprint of its certificate, and a secret code.

In: nothing, or a folder that holds a set made before. Out: what a workspace's `api` section needs, and the public key
that the stand-in verifies with. Called by the stand-in and by the command that starts it.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from memonotify.config.values import BankApi
from memonotify.errors import StandInError
from memonotify.secret import Secret

KEY_FILE: Final = "standin.pem"
CODES_FILE: Final = "standin.json"
_NO_END: Final = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One application's credentials at the stand-in. `private_key` is PEM, PKCS #8."""

    thumbprint: Secret
    secret: Secret
    private_key: Secret
    public_key: rsa.RSAPublicKey

    def api(self, base_url: str, *, timeout_s: float = 10.0) -> BankApi:
        """Return the API settings of a workspace that calls the stand-in at `base_url`."""
        return BankApi(
            base_url=base_url,
            thumbprint=self.thumbprint,
            secret=self.secret,
            private_key=self.private_key,
            timeout_s=timeout_s,
        )

    def save(self, folder: Path) -> None:
        """Write the key and the codes into `folder`, readable by the owner only, for `load` and for configurations."""
        folder.mkdir(parents=True, exist_ok=True)
        codes = {"thumbprint": self.thumbprint.reveal(), "secret": self.secret.reveal()}
        for name, text in ((KEY_FILE, self.private_key.reveal()), (CODES_FILE, json.dumps(codes))):
            path = folder / name
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Credentials:
        """Return what `save` wrote.

        Raises:
            StandInError: it is not there or not whole.
        """
        try:
            pem = (folder / KEY_FILE).read_text(encoding="utf-8")
            codes = json.loads((folder / CODES_FILE).read_text(encoding="utf-8"))
            thumbprint, secret = str(codes["thumbprint"]), str(codes["secret"])
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (OSError, ValueError, KeyError, TypeError):
            raise StandInError(
                f"{folder}: no usable credentials of the stand-in; remove the folder to make new ones"
            ) from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise StandInError(f"{folder / KEY_FILE}: not an RSA key; remove the folder to make new credentials")
        return cls(
            thumbprint=Secret(thumbprint),
            secret=Secret(secret),
            private_key=Secret(pem),
            public_key=key.public_key(),
        )


def make_credentials() -> Credentials:
    """Return new credentials; the thumbprint is the SHA-256 of a self-signed certificate (RFC 7515 §4.1.8)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
    digest = _certificate(key).fingerprint(hashes.SHA256())
    return Credentials(
        thumbprint=Secret(base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")),
        secret=Secret(secrets.token_urlsafe(24)),
        private_key=Secret(pem),
        public_key=key.public_key(),
    )


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in application")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NO_END - timedelta(days=36500))
        .not_valid_after(_NO_END)
        .sign(key, hashes.SHA256())
    )
