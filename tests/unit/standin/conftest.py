"""Books filled from a seed, with what builds and raises on them."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from fakes import ManualClock

from memonotify.samples.books import Books
from memonotify.samples.data import France
from memonotify.samples.resources import Builder, fill
from memonotify.standin.trigger import Trigger


@dataclass
class Desk:
    clock: ManualClock
    france: France
    books: Books
    builder: Builder
    trigger: Trigger


@pytest.fixture
def open_desk():
    def make(seed=7):
        clock, books = ManualClock(), Books()
        france = France(random.Random(seed))
        builder = Builder(books, france, clock)
        fill(builder, france, clock)
        return Desk(clock, france, books, builder, Trigger(books, builder, france, clock))

    return make


@pytest.fixture
def desk(open_desk):
    return open_desk()
