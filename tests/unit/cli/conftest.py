"""A command, run within this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from memonotify.cli import root
from memonotify.cli.ending import status_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def logging_left_alone() -> Iterator[None]:
    """Undo what a command configures: it would log to a stream that only this test has."""
    kept, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**kept)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], logging_left_alone: None) -> Run:
    """Run `memonotify` with these arguments."""

    def runs(*arguments: str | Path) -> Ended:
        words = [str(argument) for argument in arguments]
        status = status_of(lambda: root.main(words, prog_name="memonotify", standalone_mode=False))
        printed = capsys.readouterr()
        return Ended(status=status, out=printed.out, err=printed.err)

    return runs
