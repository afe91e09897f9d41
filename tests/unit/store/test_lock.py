from __future__ import annotations

from pathlib import Path

import pytest

from memonotify.errors import StoreUnusable
from memonotify.store.lock import control_socket, database_path, lock_path


def test_everything_stands_beside_the_database() -> None:
    url = "sqlite:////var/lib/memonotify/my store%20.db"
    assert database_path(url) == Path("/var/lib/memonotify/my store%20.db")
    assert lock_path(url) == Path("/var/lib/memonotify/my store%20.db.lock")
    assert control_socket(url, Path("/etc/memonotify/config.yaml")) == Path("/var/lib/memonotify/my store%20.db.sock")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://u@h/d", ""])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(StoreUnusable):
        database_path(url)
