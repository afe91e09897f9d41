"""A page of the documentation as its blocks, and a folder in which its examples run."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memonotify.cli.init import init
from memonotify.errors import Reason
from memonotify.model import (
    Attempt,
    Branch,
    Decision,
    DeliveryState,
    Evaluation,
    Event,
    Falsehood,
    Fate,
    Matchers,
    NewDelivery,
    Notification,
    Outcome,
    Settlement,
    Silence,
    Snapshot,
)
from memonotify.store import Store

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
DELIVERY = "dlv_example"
EVENT = "this-is-a-notification-id"
QUIET = "a-quiet-notification-id"
SILENCE = "sil_example"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?P<word>not run|exit|file)(?:: | )(?P<value>[^>]*?) -->\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. `mark` is the comment right above it: `not run`, `exit` or `file`, with its value."""

    page: Path
    line: int
    language: str
    body: str
    mark: str = ""
    value: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        mark = _MARK.search(text[: found.start()])
        indent = found["indent"]
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            body="".join(line.removeprefix(indent) for line in found["body"].splitlines(keepends=True)),
            mark=mark["word"] if mark else "",
            value=mark["value"] if mark else "",
        )


def without_blocks(page: Path) -> str:
    """Return a page's text with its fenced blocks emptied, so that lines keep their numbers."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `memonotify init` writes, with one event in the store and one dead letter of it, one event that no rule
    spoke for, and a silence."""
    folder = tmp_path_factory.mktemp("init") / "alerts"
    with contextlib.redirect_stdout(io.StringIO()):
        init.main([str(folder)], standalone_mode=False)
    asyncio.run(_fill(folder / "var" / "memonotify.db"))
    return folder


@pytest.fixture
def alerts(fresh: Path, tmp_path: Path) -> Path:
    """A copy of that, for one test."""
    return shutil.copytree(fresh, tmp_path / "alerts")


class _Clock:
    """The real time, for `--since 24h` is measured against it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0


def _collection(at: datetime) -> Snapshot:
    """What the bank gave for the event."""
    body = {
        "id": "c-1",
        "link": "https://client.memo.bank/collections/c-1",
        "amount": 12050,
        "currency": "EUR",
        "local_iban": "FR7617338000010109143651430",
        "scheduled_date": "2026-03-02",
        "mandate": {"reference": "ABC123", "scheme": "core"},
    }
    return Snapshot(path="/v2/collections/c-1", fetched_at=at, status=200, body=body)


async def _fill(path: Path) -> None:
    clock = _Clock()
    at = clock.now() - timedelta(minutes=5)
    body = {
        "id": EVENT,
        "date": at.isoformat(),
        "event_type": "collection_returned",
        "resource_type": "collection",
        "resource_id": "c-1",
    }
    event = Event(workspace="acme", body=body, received_at=at, **body)
    new = NewDelivery(
        id=DELIVERY,
        workspace="acme",
        event_id=EVENT,
        rule="returned-collection-to-erp",
        branch=Branch.NOTIFY,
        entry=0,
        notification=Notification(channel="erp", payload={"json": {"cents": 12050}}),
        created_at=at,
        due_at=at,
    )
    decision = Decision(rule=new.rule, outcome=Outcome.MATCHED, deliveries=(new,))
    async with Store(f"sqlite:///{path}", clock=clock) as store:
        await store.receive(event)
        (stored,) = await store.unevaluated()
        await store.record(
            Evaluation(event=stored, evaluated_at=at, decisions=(decision,), snapshots=(_collection(at),))
        )
        (delivery,) = await store.claim("erp", limit=1, lease_s=30)
        attempt = Attempt(
            delivery_id=DELIVERY,
            number=1,
            started_at=at,
            ended_at=at,
            ok=False,
            reason=Reason.REJECTED,
            status=400,
            detail="answered 400",
        )
        await store.settle(Settlement(delivery=delivery, attempt=attempt, state=DeliveryState.DEAD))
        await _add_quiet(store, at - timedelta(minutes=1))
        await store.add_silence(_silence(at))


def _silence(at: datetime) -> Silence:
    return Silence(
        id=SILENCE,
        matchers=Matchers(channel=("erp",)),
        starts_at=at,
        ends_at=at + timedelta(days=2),
        then=Fate.HOLD,
        reason="the ERP moves",
        author="ana",
        created_at=at,
    )


async def _add_quiet(store: Store, at: datetime) -> None:
    """Add an event of a payment that is too small for the rules that look at it."""
    body = {
        "id": QUIET,
        "date": (at - timedelta(seconds=4)).isoformat(),
        "event_type": "transaction_confirmed",
        "resource_type": "transaction",
        "resource_id": "t-1",
    }
    await store.receive(Event(workspace="acme", body=body, received_at=at, client="35.181.64.230", **body))
    (stored,) = await store.unevaluated()
    small = Falsehood(condition="(resource | amount) >= 10000", values=(("(resource | amount)", "900.00"),))
    decisions = (
        Decision(rule="low-balance", outcome=Outcome.UNCHANGED, detail="when is still true", key="acc-1"),
        Decision(rule="big-incoming-payment", outcome=Outcome.NOT_MATCHED, detail=str(small), falsehood=small),
    )
    snapshot = Snapshot(path="/v2/transactions/t-1", fetched_at=at, status=200, body={"amount": 90000})
    await store.record(Evaluation(event=stored, evaluated_at=at, decisions=decisions, snapshots=(snapshot,)))
