"""What the courier's tests share: values with defaults, and a channel with hooks to inject faults."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from memonotify.model import Branch, Delivery, DeliveryState

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def randomness() -> random.Random:
    return random.Random(7)


@pytest.fixture(scope="session")
def delivery() -> Callable[..., Delivery]:
    """Make a claimed delivery; what is not named has a default."""

    def make(**changes: Any) -> Delivery:
        fields: dict[str, Any] = {
            "id": "dlv_1",
            "identity": "dlv_1",
            "workspace": "acme",
            "event_id": "event-1",
            "rule": "big",
            "channel": "mail",
            "branch": Branch.NOTIFY,
            "entry": 0,
            "payload": {"to": ["a@example.com", "b@example.com"], "subject": "s", "text": "t"},
            "state": DeliveryState.SENDING,
            "attempts": 1,
            "created_at": NOW,
            "due_at": NOW,
            "lease": "token",
        }
        return Delivery(**{**fields, **changes})

    return make
