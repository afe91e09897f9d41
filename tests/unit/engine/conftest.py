"""A clock that the test moves, and what goes by it."""

from __future__ import annotations

import pytest
from engineparts import FakeBank, FakeStore, Pauses
from fakes import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def pauses(clock):
    return Pauses(clock)


@pytest.fixture
def store(clock):
    return FakeStore(clock)


@pytest.fixture
def bank(clock):
    return FakeBank(clock)
