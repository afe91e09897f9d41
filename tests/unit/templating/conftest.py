"""What the templating tests share: a compiler over a folder of template files, and a believable context."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memonotify.templating.environment import Templates


@pytest.fixture(scope="session")
def templates() -> Templates:
    return Templates(folder=None, locale="fr_FR", timezone="Europe/Paris")


@pytest.fixture
def templates_over(tmp_path: Path) -> Callable[..., Templates]:
    """Return a function that writes template files and makes a compiler over their folder."""

    def make(**files: str) -> Templates:
        for name, text in files.items():
            (tmp_path / f"{name}.j2").write_text(text, encoding="utf-8")
        return Templates(folder=tmp_path, locale="fr_FR", timezone="Europe/Paris")

    return make


@pytest.fixture
def context() -> dict[str, Any]:
    return {
        "event": {
            "id": "evt-1",
            "date": "2026-03-02T09:00:00+00:00",
            "event_type": "transaction_confirmed",
            "resource_type": "transaction",
            "resource_id": "7ad37a52",
        },
        "workspace": {"name": "acme"},
        "resource": {
            "id": "7ad37a52",
            "link": "https://app.example/t?a=1&b=2",
            "amount": 1205000,
            "currency": "EUR",
            "direction": "credit",
            "counterparty_name": "Léa <b> & Cie",
            "execution_date": "2026-03-02",
            "local_iban": "FR7617338000010109143651430",
            "internal_note": None,
            "items": [{"id": "a"}, {"id": "b"}],
            "source": {"type": "transfer_incoming", "message": "merci"},
        },
    }
