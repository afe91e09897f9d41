"""All policies together: whatever rules, events, silences, restarts and clocks do, each firing ends exactly once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from databases import empty
from hypothesis import HealthCheck, given, settings
from policyscripts import SCRIPTS, Script, play

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
