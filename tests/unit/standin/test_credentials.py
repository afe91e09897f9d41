from __future__ import annotations

import re

import pytest

from memonotify.errors import StandInError
from memonotify.memobank.signer import Signer
from memonotify.standin.credentials import CODES_FILE, KEY_FILE, Credentials, make_credentials


@pytest.fixture(scope="module")
def credentials():
    return make_credentials()


def test_the_thumbprint_looks_like_a_certificates(credentials):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", credentials.thumbprint.reveal())


def test_they_are_what_a_workspace_needs(credentials):
    api = credentials.api("http://127.0.0.1:1")
    assert Signer(api.thumbprint, api.secret, api.private_key, "127.0.0.1")


def test_what_is_saved_is_loaded_and_for_its_owner_only(credentials, tmp_path):
    credentials.save(tmp_path / "bank")
    loaded = Credentials.load(tmp_path / "bank")
    assert (loaded.thumbprint, loaded.secret, loaded.private_key) == (
        credentials.thumbprint,
        credentials.secret,
        credentials.private_key,
    )
    for name in (KEY_FILE, CODES_FILE):
        assert (tmp_path / "bank" / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("broken", [KEY_FILE, CODES_FILE])
def test_what_is_not_whole_is_refused_with_what_to_do(credentials, tmp_path, broken):
    credentials.save(tmp_path)
    (tmp_path / broken).write_text("[]")
    with pytest.raises(StandInError, match="remove the folder"):
        Credentials.load(tmp_path)


def test_nothing_of_them_is_shown(credentials):
    shown = repr(credentials)
    assert credentials.secret.reveal() not in shown
    assert credentials.thumbprint.reveal() not in shown
    assert "PRIVATE" not in shown
