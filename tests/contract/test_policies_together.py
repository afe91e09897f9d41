"""All policies together: whatever rules, events, silences, restarts and clocks do, each firing ends exactly once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from databases import empty
from fakes import ManualClock
from hypothesis import HealthCheck, given, settings
from policyparts import bench_maker
from policyscripts import SCRIPTS, Script, play

from memonotify.model import DeliveryState
from memonotify.store import Store

_SETTINGS = settings(
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(SCRIPTS)
@settings(_SETTINGS, max_examples=int(os.environ.get("SCRIPTS", "30")))
def test_each_firing_ends_exactly_once_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, script: Script
) -> None:
    folder = tmp_path_factory.mktemp("script")
    asyncio.run(play(script, f"sqlite:///{folder}/store.db", folder))


@given(SCRIPTS)
@settings(_SETTINGS, max_examples=int(os.environ.get("SCRIPTS", "8")))
def test_each_firing_ends_exactly_once_where_the_lead_moves_between_two_nodes(
    postgres_url: str, tmp_path: Path, script: Script
) -> None:
    empty(postgres_url)
    asyncio.run(play(script, postgres_url, tmp_path, nodes=2))


GROUP = """
rules:
  - name: returns
    match: {event_type: collection_returned}
    group: {wait: 1m}
    notify:
      - {channel: chat, text: "{{ events | map(attribute='resource_id') | join(' ') }}"}
"""
ALONE = GROUP.replace("group: {wait: 1m}", "once: {per: '{{ event.resource_id }}', prefer: x_*, wait: 1m}").replace(
    "{{ events | map(attribute='resource_id') | join(' ') }}", "{{ event.resource_id }}"
)


class _Leading(Store):
    """A node that believes in its lead, as one does whose clock stood still."""

    leads = True


async def test_a_group_that_several_nodes_join_is_one(postgres_url: str, tmp_path: Path) -> None:
    clock = ManualClock()
    async with Store(postgres_url, clock=clock) as one, Store(postgres_url, clock=clock) as other:
        benches = [bench_maker(store, clock, tmp_path)(GROUP) for store in (one, other)]
        for number in range(6):
            await benches[number % 2].event(of=f"r{number}", name=f"e{number}")
        clock.advance(60)
        await benches[0].turn()
        assert benches[0].told == ["r0 r1 r2 r3 r4 r5"]


@pytest.mark.parametrize("rules", [GROUP, ALONE])
async def test_two_timekeepers_that_both_believe_in_their_lead_tell_once(
    postgres_url: str, tmp_path: Path, rules: str
) -> None:
    clock = ManualClock()
    async with _Leading(postgres_url, clock=clock) as one, _Leading(postgres_url, clock=clock) as other:
        benches = [bench_maker(store, clock, tmp_path)(rules) for store in (one, other)]
        for number in range(20):
            await benches[0].event(of=f"r{number}")
        clock.advance(60)
        await asyncio.gather(*(bench.timekeeper.look() for bench in benches))
        for bench in benches:
            await bench.send()
        told = [text for bench in benches for text in bench.told]
        assert sorted(" ".join(told).split()) == sorted(f"r{number}" for number in range(20))
        assert await one.deliveries(state=DeliveryState.HELD) == []
