"""The fixtures of `daemonparts` and `databases`, for every acceptance test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from daemonparts import bank, credentials, make_daemon, receivers
from databases import Cluster, Postgres, a_cluster, a_server, database

__all__ = ["bank", "cluster", "credentials", "make_daemon", "postgres_server", "postgres_url", "receivers"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with a_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: Postgres) -> Iterator[str]:
    with database(postgres_server) as url:
        yield url


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of the test's own, to be stopped and frozen."""
    with a_cluster() as own:
        yield own
