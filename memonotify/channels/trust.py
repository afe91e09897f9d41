"""Which certificates a channel believes: the machine's own store, or the one file that its configuration names.

Comes in: the channel's `ca_file`. Goes out: a TLS context that checks the certificate and the host's name. The mail
connections and the HTTP caller ask once each; it reads files, so they ask off the loop.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from memonotify.errors import Reason, SendError


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context for client connections, TLS 1.2 or newer.

    Raises:
        SendError: CONFIGURATION, where `ca_file` cannot be read or holds no certificate.
    """
    if ca_file is None:
        context = ssl.create_default_context(cafile=_bundled_authorities())
    else:
        try:
            context = ssl.create_default_context(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise SendError(
                Reason.CONFIGURATION, f"ca_file {ca_file} cannot be used: it is no readable file of PEM certificates"
            ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _bundled_authorities() -> str | None:
    """Return certifi's bundle where the machine has no store of its own, as on the smallest images."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return None
    import certifi

    return certifi.where()


def is_tls_failure(error: BaseException) -> bool:
    """Return whether a failed handshake or certificate is at the root of `error`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def tls_detail(error: BaseException) -> str:
    """Return a sentence on what was wrong with the peer's certificate or handshake, without addresses or names."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            # Only OpenSSL's own errors have the message; the standard library raises some without it.
            said = getattr(cause, "verify_message", "")
            return f"the certificate was not accepted: {said or 'verification failed'}"
        if isinstance(cause, ssl.SSLError):
            return f"the TLS handshake failed: {cause.reason or 'no reason given'}"
        cause = cause.__cause__ or cause.__context__
    return "the TLS handshake failed"
