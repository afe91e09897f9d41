"""The statements about the last good versions of rule files, so that a broken edit stops nothing over a restart either.

Each node keeps its own: together they are one set that was in force there, without a contradiction in it. A node that
has none of a file yet, such as a new one under a new name, may take the newest of another. `keep` is a lane of the
writer; the rest reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, exists, select

from memonotify.model import Failure, KeptFile
from memonotify.store import failures as failure_rows
from memonotify.store.cells import decode, encode
from memonotify.store.conflicts import put
from memonotify.store.tables import nodes, rule_files

_CHUNK: Final = 500
_FORGET_US: Final = 90 * 86_400_000_000
"""How long the versions of a node that is gone are kept for others."""

_PUT: Final = put(rule_files)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What changes of a node's files: rows to write, paths that are no rule files any more, and failures to be told.

    A failure comes with the path and the breakage that it tells of.
    """

    node: str
    now: int
    rows: Sequence[dict[str, Any]]
    gone: Sequence[str]
    failures: Sequence[tuple[str, str, dict[str, Any]]]


def keeping(
    node: str, now: int, files: Sequence[KeptFile], gone: Sequence[str], told: Sequence[tuple[str, str, Failure]]
) -> Keeping:
    """Return what `keep` takes; `told` are failures, each with its path and breakage."""
    rows = [
        {
            "node": node,
            "path": file.path,
            "content": encode(file.text),
            "templates": encode(dict(file.templates)),
            "breakage": file.breakage,
            "kept_at": now,
        }
        for file in files
    ]
    failures = [(path, breakage, failure_rows.failure_row(failure)) for path, breakage, failure in told]
    return Keeping(node=node, now=now, rows=rows, gone=gone, failures=failures)


def keep(connection: Connection, wishes: Sequence[Keeping]) -> list[None]:
    """Write what changed. A failure is left out where another node has told of the same breakage of the same file."""
    for wish in wishes:
        for path, breakage, row in wish.failures:
            if not _is_told_elsewhere(connection, wish.node, path, breakage):
                failure_rows.add(connection, [row])
        if wish.rows:
            connection.execute(_PUT, list(wish.rows))
        for start in range(0, len(wish.gone), _CHUNK):
            paths = wish.gone[start : start + _CHUNK]
            connection.execute(delete(rule_files).where(rule_files.c.node == wish.node, rule_files.c.path.in_(paths)))
        connection.execute(
            delete(rule_files).where(
                rule_files.c.node.not_in((wish.node, "")),
                rule_files.c.kept_at < wish.now - _FORGET_US,
                rule_files.c.node.not_in(select(nodes.c.name)),
            )
        )
    return [None] * len(wishes)


def _is_told_elsewhere(connection: Connection, node: str, path: str, breakage: str) -> bool:
    others = exists().where(rule_files.c.path == path, rule_files.c.breakage == breakage, rule_files.c.node != node)
    return bool(connection.scalar(select(others)))


def of_node(connection: Connection, node: str) -> list[KeptFile]:
    """Return a node's own files, by their paths."""
    rows = connection.execute(select(rule_files).where(rule_files.c.node == node).order_by(rule_files.c.path))
    return [_file(row) for row in rows]


def elsewhere(connection: Connection, node: str) -> list[KeptFile]:
    """Return the newest version of each file that other nodes have and this one has not, by their paths."""
    own = select(rule_files.c.path).where(rule_files.c.node == node)
    rows = connection.execute(
        select(rule_files)
        .where(rule_files.c.node != node, rule_files.c.path.not_in(own))
        .order_by(rule_files.c.path, rule_files.c.kept_at)
    )
    return list({row.path: _file(row) for row in rows}.values())


def _file(row: Row[Any]) -> KeptFile:
    return KeptFile(path=row.path, text=decode(row.content), templates=decode(row.templates), breakage=row.breakage)
