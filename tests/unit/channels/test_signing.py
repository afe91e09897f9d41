"""Standard Webhooks signatures against the reference library and against a fixed example."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from memonotify.channels.signing import Signer
from memonotify.errors import Reason, SendError
from memonotify.secret import Secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def headers(secret: str | None, identity: str, now: datetime, body: bytes) -> dict[str, str]:
    signer = Signer(Secret(secret) if secret else None)
    return {name.decode(): value.decode() for name, value in signer.headers(identity, now, body)}


def test_the_signature_is_the_one_the_reference_library_makes() -> None:
    now = datetime(2021, 2, 25, 15, 4, 5, tzinfo=UTC)
    made = headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", now, b'{"test": 2432232314}')
    assert made["webhook-signature"] == Webhook(SECRET).sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", now, '{"test": 2432232314}'
    )


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_the_reference_library_verifies_any_body(body: str) -> None:
    made = headers(SECRET, "dlv_1", datetime.now(UTC), body.encode())
    Webhook(SECRET).verify(body.encode(), made, json_parse=False)


def test_a_secret_without_padding_is_understood() -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert headers("whsec_YWI", "x", now, b"") == headers("whsec_YWI=", "x", now, b"")


def test_the_same_message_has_the_same_identity_whatever_the_moment() -> None:
    first = headers(SECRET, "dlv_1", datetime(2026, 3, 2, tzinfo=UTC), b"x")
    second = headers(SECRET, "dlv_1", datetime(2026, 3, 3, tzinfo=UTC), b"x")
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]


def test_without_a_secret_there_is_no_signature() -> None:
    assert set(headers(None, "dlv_1", datetime(2026, 3, 2, tzinfo=UTC), b"")) == {"webhook-id", "webhook-timestamp"}


def test_an_identity_adds_no_header() -> None:
    made = headers(SECRET, "a\r\nb é", datetime(2026, 3, 2, tzinfo=UTC), b"")
    assert made["webhook-id"] == "a%0D%0Ab%20%C3%A9"


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!", "YWJj", "WHSEC_YWJj", "whsec_é"])
def test_what_is_no_signing_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SendError) as caught:
        Signer(Secret(secret))
    assert caught.value.reason is Reason.CONFIGURATION
    assert secret == "whsec_" or secret not in str(caught.value)
