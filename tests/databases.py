"""Databases for tests: the PostgreSQL that runs on this machine, or one that is started from the PATH; else a skip that
says why. PgBouncer before it likewise.

A test gets a database that is its own or empty. A `Cluster` is a server of the tests' own, which they may stop and
freeze.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from memonotify.store.tables import SCHEMA, metadata

_USER = "postgres"
_ENOUGH_BYTES = 2 << 30
_NUMBERED = ("events", "failures")


@dataclass(frozen=True)
class Postgres:
    """The address of a server, or of a pooler before it, as `postgresql://user@host:port`."""

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
def database(server: Postgres, options: str = "", *, encoding: str = "UTF8") -> Iterator[str]:
    """Make a database, with these options of CREATE DATABASE, and drop it afterwards; gives its URL."""
    import psycopg

    name = f"memonotify_test_{uuid4().hex}"
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        options = options or "LC_COLLATE 'C' LC_CTYPE 'C'"
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' {options}")
    try:
        yield server.url(name)
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def empty(url: str, *, bare: bool = False) -> None:
    """Remove what a test left in its database, also connections that it did not close.

    Our tables stay, without rows and with numbers that begin at one, unless it shall be `bare`: making them costs more
    than most tests.
    """
    import psycopg

    with psycopg.connect(url, autocommit=True, options="-c lock_timeout=2s") as connection:
        try:
            _empty(connection, bare)
        except psycopg.errors.LockNotAvailable:
            connection.execute(f"SELECT pg_terminate_backend(pid, 5000) {_OTHERS}")
            _empty(connection, bare)


def _empty(connection: Any, bare: bool) -> None:
    tables = [table.name for table in reversed(metadata.sorted_tables)]
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    if bare or {name for (name,) in found} != {*tables, "alembic_version"}:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public")
        return
    numbers = "; ".join(f"SELECT setval(pg_get_serial_sequence('{name}', 'seq'), 1, false)" for name in _NUMBERED)
    connection.execute("; ".join([*(f"DELETE FROM {name}" for name in tables), numbers]))
    connection.execute(f"UPDATE alembic_version SET version_num = '{SCHEMA}'")


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements on a store's database from outside the store, each by itself; return the last one's rows."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file, file:
            return [file.execute(statement).fetchall() for statement in statements][-1]
    import psycopg

    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        for statement in statements:
            cursor = connection.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
    return rows


def server_error(url: str, state: str, text: str = "it failed") -> Exception:
    """Return an error of a SQLSTATE as the server itself raises it."""
    import psycopg

    raising = f"DO $$ BEGIN RAISE EXCEPTION '{text}' USING ERRCODE = '{state}'; END $$"
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        try:
            connection.execute(raising)
        except psycopg.Error as error:
            return error
    raise AssertionError(raising)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _as_user() -> dict[str, Any]:
    # Neither PostgreSQL nor PgBouncer runs as root.
    return {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    """Make a folder of the user who runs the servers, and remove it; skip where there is no such user.

    In memory where there is enough: a server that crashes loses nothing of it, and restarts take a tenth of the time.
    """
    memory = Path("/dev/shm")
    enough = memory.is_dir() and shutil.disk_usage(memory).free > _ENOUGH_BYTES
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=memory if enough else None))
    try:
        if os.getuid() == 0:
            try:
                owner = pwd.getpwnam(_USER)
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def a_pgbouncer(server: Postgres) -> Iterator[Postgres]:
    """Start a PgBouncer in transaction mode before a server; skip, saying why, where it is not installed."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed")
    host, _, port = server.address.rpartition("@")[2].partition(":")
    with _folder("memonotify-pgbouncer-") as folder:
        pooler = Postgres(f"postgresql://{_USER}@127.0.0.1:{free_port()}")
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            "[databases]\n"
            f"* = host={host} port={port or 5432} user={_USER}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {pooler.address.rpartition(':')[2]}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nserver_login_retry = 0.1\n"
            "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n"
        )
        settings.chmod(0o644)
        process = subprocess.Popen(
            [program, str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            **_as_user(),
        )
        assert process.stderr is not None
        try:
            said = list(_until(process.stderr, "process up"))
            assert "process up" in said[-1], said
            yield pooler
        finally:
            process.terminate()
            process.stderr.close()
            process.wait(10)


def _until(lines: Iterator[str], word: str) -> Iterator[str]:
    for line in lines:
        yield line
        if word in line:
            return


def _programs() -> Path | None:
    found = shutil.which("pg_ctl")
    if found:
        # What stands in the PATH may be a link to one program of many.
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return versions[-1].parent if versions else None


class Cluster:
    """A server of our own in a folder, on a free port; made by `a_cluster` and `a_standby`."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self.port = free_port()
        self.server = Postgres(f"postgresql://{_USER}@127.0.0.1:{self.port}")

    @property
    def runs(self) -> bool:
        return (self._folder / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **_as_user(),
        )

    def make(self) -> None:
        self._run("initdb", "-N", "-D", str(self._folder), "-A", "trust", "-U", _USER, "-E", "UTF8", "--no-locale")

    def copy_of(self, primary: Cluster) -> None:
        """Make this a standby of another."""
        address = f"host=127.0.0.1 port={primary.port} user={_USER}"
        self._run("pg_basebackup", "-N", "-R", "-c", "fast", "-D", str(self._folder), "-d", address)

    def start(self, *settings: str) -> None:
        """Start with further settings, each `name=value`."""
        options = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=60", *settings]
        words = " ".join([f"-p {self.port}", *(f"-c {option}" for option in options)])
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-t", "30", "-o", words, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self._folder), "-w", "-m", mode, "stop")

    def cut(self) -> None:
        """Cut every connection of ours, wherever it is in its work."""
        import psycopg

        with psycopg.connect(self.server.url("postgres"), autocommit=True, connect_timeout=2) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'memonotify'"
            )

    def promote(self) -> None:
        """Make a standby take writes."""
        self._run("pg_ctl", "-D", str(self._folder), "-w", "promote")

    def allow(self, *lines: str) -> None:
        """Put lines before those of pg_hba.conf, and let a running server read them."""
        rules = self._folder / "pg_hba.conf"
        rules.write_text("\n".join([*lines, rules.read_text()]))
        if self.runs:
            self._run("pg_ctl", "-D", str(self._folder), "reload")

    def freeze(self) -> None:
        """Let the server and every process of it hang."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        parent = int((self._folder / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
        for pid in (parent, *map(int, children.stdout.split())):
            # A process of the server may have ended since.
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def a_cluster(*settings: str) -> Iterator[Cluster]:
    """Make and start a server; skip, saying why, where that cannot be."""
    with _unmade() as made:
        made.make()
        made.start(*settings)
        yield made


@contextmanager
def a_standby(primary: Cluster) -> Iterator[Cluster]:
    """Make and start a server that follows another."""
    with _unmade() as made:
        made.copy_of(primary)
        made.start()
        yield made


@contextmanager
def _unmade() -> Iterator[Cluster]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL: none runs on 127.0.0.1:5432, and pg_ctl is not installed")
    with _folder("memonotify-pg-") as folder:
        made = Cluster(programs, folder / "data")
        try:
            yield made
        finally:
            if made.runs:
                made.thaw()
                made.stop("immediate")
