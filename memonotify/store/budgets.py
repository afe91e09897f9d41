"""What all nodes share and none may overdraw, handed out in portions: a channel's pace, the bank's quota.

A wish concerns one row, which is locked while it is answered. `take` is a lane of a writer of its own: a row that
another node has locked must not keep the webhook's events waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection

Answer_co = TypeVar("Answer_co", covariant=True)

PATIENCE_S: Final = 2.0
"""No wish takes longer, and a node that stands still in the middle of one keeps the others for no longer."""


class Wish(Protocol[Answer_co]):
    """A node's wish for a portion. `row` names what it is taken from."""

    @property
    def row(self) -> tuple[str, str]: ...

    def take(self, connection: Connection) -> Answer_co: ...


def take(connection: Connection, wishes: Sequence[Wish[Any]]) -> list[Any]:
    """Answer each wish, in an order that is the same on every node: so no two wait for each other."""
    answers: list[Any] = [None] * len(wishes)
    for index in sorted(range(len(wishes)), key=lambda index: wishes[index].row):
        answers[index] = wishes[index].take(connection)
    return answers
