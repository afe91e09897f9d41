"""The last good versions of rule files: what a node has written is what it finds, and others' where it has none."""

from __future__ import annotations

from datetime import timedelta

from fakes import ManualClock
from storeparts import START, a_failure

from memonotify.errors import Reason
from memonotify.model import Failure, FailureKind, KeptFile, Node
from memonotify.store import Store


def a_file(path: str = "/srv/rules/a.yaml", text: str = "rules: []", **more: str) -> KeptFile:
    return KeptFile(path=path, text=text, templates={"fr/pied.j2": "à bientôt \x00 \U0001f600"}, **more)


def a_breakage(at: str = "rules/a.yaml") -> Failure:
    return a_failure(
        FailureKind.FILE_REFUSED,
        workspace="",
        event_id="",
        rule="",
        channel="",
        reason=Reason.CONFIGURATION,
        file=at,
    )


async def keep(store: Store, *files: KeptFile, node: str = "", gone: tuple[str, ...] = (), told: int = 0) -> None:
    failures = [(file.path, file.breakage, a_breakage(file.path)) for file in files[:told]]
    await store.keep_files(node, files, gone=gone, told=failures)


async def test_files_come_back_as_they_were_written(store: Store) -> None:
    files = [a_file("/srv/a.yaml", 'é "\n' * 1000), a_file("/srv/b.yaml", breakage="b1")]
    await keep(store, *files)
    assert await store.kept_files("") == files


async def test_a_file_is_replaced_and_those_that_are_gone_go(store: Store) -> None:
    await keep(store, *(a_file(f"/srv/{name}.yaml") for name in "abc"))
    await keep(store, a_file("/srv/a.yaml", "new"), gone=("/srv/b.yaml", "/srv/nobody.yaml"))
    assert [(file.path, file.text) for file in await store.kept_files("")] == [
        ("/srv/a.yaml", "new"),
        ("/srv/c.yaml", "rules: []"),
    ]


async def test_a_node_has_its_own_files_and_finds_those_that_only_others_have(store: Store, clock: ManualClock) -> None:
    await keep(store, a_file("/a", "one's"), a_file("/b", "one's"), node="one")
    clock.advance(1)
    await keep(store, a_file("/b", "two's"), a_file("/c", "two's"), node="two")
    assert [(file.path, file.text) for file in await store.kept_files("one")] == [("/a", "one's"), ("/b", "one's")]
    assert [(file.path, file.text) for file in await store.files_kept_elsewhere("one")] == [("/c", "two's")]
    # A node of a new name takes the newest of each.
    assert [(file.path, file.text) for file in await store.files_kept_elsewhere("three")] == [
        ("/a", "one's"),
        ("/b", "two's"),
        ("/c", "two's"),
    ]


async def test_a_failure_is_written_with_the_file_it_tells_of(store: Store) -> None:
    await keep(store, a_file(breakage="b1"), told=1)
    (failure,) = await store.untold_failures()
    assert (failure.kind, failure.file, failure.at) == (FailureKind.FILE_REFUSED, "/srv/rules/a.yaml", START)


async def test_the_same_breakage_on_another_node_is_told_once(store: Store) -> None:
    await keep(store, a_file(breakage="b1"), node="one", told=1)
    await keep(store, a_file(breakage="b1"), node="two", told=1)
    assert len(await store.untold_failures()) == 1
    await keep(store, a_file(breakage="b2"), node="two", told=1)
    assert len(await store.untold_failures()) == 2


async def test_files_of_a_node_that_is_gone_for_long_go_and_those_of_one_that_lives_stay(
    store: Store, clock: ManualClock
) -> None:
    for name in ("gone", "living", "asking"):
        await keep(store, a_file(f"/{name}"), node=name)
    clock.advance(timedelta(days=91).total_seconds())
    node = Node(
        lease="l",
        name="living",
        version="1",
        role="all",
        rules="",
        started_at=START,
        seen_at=START,
        lease_until=START,
        leads=False,
        events=0,
    )
    await store.beat(node, lease_s=20, may_lead=True)
    await keep(store, a_file("/asking"), node="asking")
    assert await store.kept_files("gone") == []
    assert len(await store.kept_files("living")) == 1


async def test_files_are_there_after_the_store_was_opened_again(store_url: str, clock: ManualClock) -> None:
    async with Store(store_url, clock=clock) as store:
        await keep(store, a_file())
    again = Store(store_url, clock=clock)
    await again.open(read_only=True)
    assert await again.kept_files("") == [a_file()]
    await again.close()
