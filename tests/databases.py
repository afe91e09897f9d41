"""PostgreSQL for tests: the server that runs on this machine, or one that is started from the PATH; else a skip that
says why.

A test gets a database of its own. A `Cluster` is a server of the tests' own, which they may stop and freeze.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

_USER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """A server's address, as `postgresql://user@host:port`."""

    address: str

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"


@contextmanager
def a_server() -> Iterator[Postgres]:
    """Give the server of MEMONOTIFY_TEST_POSTGRES or of this machine, else start one."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgres]'")
    for address in (os.environ.get("MEMONOTIFY_TEST_POSTGRES"), f"postgresql://{_USER}@127.0.0.1:5432"):
        if address is None:
            continue
        try:
            psycopg.connect(f"{address}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            continue
        yield Postgres(address)
        return
    with a_cluster() as own:
        yield own.server


@contextmanager
def database(server: Postgres, options: str = "") -> Iterator[str]:
    """Make a database, with these options of CREATE DATABASE, and drop it afterwards; gives its URL."""
    import psycopg

    name = f"memonotify_test_{uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {options}")
    try:
        yield server.url(name)
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return versions[-1].parent if versions else None


class Cluster:
    """A server of our own in a folder, on a free port; made by `a_cluster`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.server = Postgres(f"postgresql://{_USER}@127.0.0.1:{self.port}")

    @property
    def runs(self) -> bool:
        return (self._folder / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root.
        as_user = {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **as_user,
        )

    def make(self) -> None:
        self._run("initdb", "-D", str(self._folder), "-A", "trust", "-U", _USER, "-E", "UTF8", "--no-locale")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=60"
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-t", "30", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-m", mode, "stop")

    def freeze(self) -> None:
        """Let the server and every process of it hang."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        parent = int((self._folder / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
        for pid in (parent, *map(int, children.stdout.split())):
            os.kill(pid, number)


@contextmanager
def a_cluster() -> Iterator[Cluster]:
    """Make and start a server; skip, saying why, where that cannot be."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL: none runs on 127.0.0.1:5432, and pg_ctl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="memonotify-pg-"))
    if os.getuid() == 0:
        try:
            owner = pwd.getpwnam(_USER)
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    made = Cluster(programs, folder / "data")
    try:
        made.make()
        made.start()
        yield made
    finally:
        if made.runs:
            made.thaw()
            made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)
