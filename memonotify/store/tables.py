"""The tables, once, for every database. The migrations make the same ones; a test compares them.

Moments are microseconds since 1970 (UTC) as integers; states and reasons are their words; JSON is text, written in
ASCII so that every character of a body passes through any database.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    false,
    literal_column,
    text,
)

from memonotify.model import DeliveryState

SCHEMA: Final = "0001"
"""The newest migration. A database that says something higher was written by a newer version."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

_Serial = BigInteger().with_variant(Integer, "sqlite")
"""A number that the database counts up. SQLite counts only a column declared as INTEGER."""


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


events = Table(
    "events",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("date", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # One of the two is set: an event waits, or it is evaluated. As the row does not grow, the change stays on its page.
    Column("due_at", BigInteger),
    Column("evaluated_at", BigInteger),
    # The node that has it under evaluation, by its lease; empty: nobody, or the only one that there is.
    Column("lease", Text, nullable=False, server_default=""),
    # A rule with a memory looks at it: one node, the leader, evaluates these in order of arrival.
    Column("in_order", Boolean, nullable=False, server_default=false()),
    Index("uq_events_event_id_workspace", "event_id", "workspace", unique=True),
    Index("ix_events_received_at", "received_at"),
    Index("ix_events_resource", "resource_id", "workspace"),
    _partial("ix_events_open", "lease", "seq", "due_at", where="evaluated_at IS NULL"),
    # A number is never given twice, also where retention has removed the highest: readers go on from the last they saw.
    sqlite_autoincrement=True,
)

decisions = Table(
    "decisions",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_decisions_rule", "rule", "event_seq"),
    sqlite_with_rowid=False,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("fetched_at", BigInteger, nullable=False),
    Column("status", Integer),
    Column("body", Text),
    Column("reason", Text),
)

documents = Table(
    "documents",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""The files that messages of an event carry, once for all of them, for as long as one of them may still be sent."""

traces = Table(
    "traces",
    metadata,
    Column("event_seq", BigInteger, ForeignKey("events.seq", ondelete="CASCADE"), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Column("lease", Text, nullable=False, server_default=""),
    Column("lease_until", BigInteger),
    Column("reason", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("replay", Text, nullable=False, server_default=""),
    # The message that lists this one, where it is told in another.
    Column("told_in", Text, nullable=False, server_default=""),
    _partial("ix_deliveries_told_in", "told_in", where="told_in > ''"),
    # The silence that held it back, by its id, also once it went on.
    Column("silence", Text, nullable=False, server_default=""),
    _partial("ix_deliveries_pending", "channel", "due_at", where="state = 'pending'"),
    _partial("ix_deliveries_sending", "channel", "lease_until", where="state = 'sending'"),
    _partial("ix_deliveries_dead", "created_at", where="state = 'dead'"),
    Index("ix_deliveries_created_at", "created_at"),
    Index("ix_deliveries_event", "event_id", "workspace"),
    Index("ix_deliveries_rule", "rule", "created_at"),
    Index("ix_deliveries_channel", "channel", "state", "settled_at"),
    _partial("ix_deliveries_silence", "silence", "created_at", where="silence > ''"),
)


def in_state(state: DeliveryState) -> ColumnElement[bool]:
    """Return the condition that a delivery is in a state, with the state's word in the statement itself.

    Bound as a parameter it would hide from PostgreSQL that a partial index fits, and SQLite would plan the statement
    anew at every execution.
    """
    return deliveries.c.state == literal_column(f"'{state.value}'")


attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("reason", Text),
    Column("status", Integer),
    Column("detail", Text, nullable=False),
    sqlite_with_rowid=False,
)

policy_states = Table(
    "policy_states",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    _partial("ix_policy_states_expires_at", "expires_at", where="expires_at IS NOT NULL"),
    sqlite_with_rowid=False,
)
"""What policies remember, by key."""

window_entries = Table(
    "window_entries",
    metadata,
    # The digest of the window's definition: an edited window begins anew.
    Column("window_id", Text, primary_key=True),
    Column("workspace", Text, primary_key=True),
    Column("resource_type", Text, primary_key=True),
    Column("resource_id", Text, primary_key=True),
    Column("key", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("event_seq", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Index("ix_window_entries_key", "window_id", "workspace", "key", "at"),
    Index("ix_window_entries_at", "at"),
    sqlite_with_rowid=False,
)
"""What rules' windows count: each resource once, under the key and at the time of the last event that counted."""

window_fills = Table(
    "window_fills",
    metadata,
    Column("window_id", Text, primary_key=True),
    Column("filled_at", BigInteger, nullable=False),
)
"""The windows in force that the stored past was read for."""

gatherings = Table(
    "gatherings",
    metadata,
    Column("seq", _Serial, primary_key=True),
    # Names the place that messages join; empty once it has ended, so that the next one begins another.
    Column("open_key", Text, unique=True),
    Column("workspace", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("entry", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Index("ix_gatherings_due_at", "due_at"),
    Index("ix_gatherings_opened_at", "opened_at"),
    sqlite_autoincrement=True,
)
"""Messages that will be told in one, while they gather."""

holds = Table(
    "holds",
    metadata,
    Column("delivery_id", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("keys", Text, nullable=False),
    Column("ending", Text),
    Column("gathering", BigInteger),
    Column("due_at", BigInteger, nullable=False),
    _partial("ix_holds_due_at", "due_at", where="gathering IS NULL"),
    _partial("ix_holds_gathering", "gathering", where="gathering IS NOT NULL"),
    Index("ix_holds_key", "policy", "key"),
)
"""Why each held delivery waits: alone until its moment, or with others until their gathering's."""

failures = Table(
    "failures",
    metadata,
    Column("seq", _Serial, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("file", Text, nullable=False, server_default=""),
    Column("told_at", BigInteger),
    _partial("ix_failures_decision", "rule", "at", where="kind = 'decision_failed'"),
    Index("ix_failures_told_at", "told_at"),
    Index("ix_failures_event", "event_id", "workspace"),
    sqlite_autoincrement=True,
)

rule_files = Table(
    "rule_files",
    metadata,
    # Empty on a store of one node, which may be called otherwise at its next start.
    Column("node", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("content", Text, nullable=False),
    Column("templates", Text, nullable=False),
    # What is wrong with the file on disk, as a digest, once somebody was told of it.
    Column("breakage", Text, nullable=False),
    Column("kept_at", BigInteger, nullable=False),
)
"""The last good version of each node's rule files, with the texts of the templates that they use."""

silences = Table(
    "silences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("matchers", Text, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("fate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_silences_ends_at", "ends_at"),
)
"""What people have silenced, until retention removes what has ended."""

probes = Table(
    "probes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
)
"""One row that is written to learn whether writing works."""

nodes = Table(
    "nodes",
    metadata,
    Column("lease", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)
"""The daemons on this store: each renews its lease, and what it holds is free for the others once that is over."""

leaders = Table(
    "leaders",
    metadata,
    Column("task", Text, primary_key=True),
    Column("lease", Text, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)
"""Which node does what only one may do at a time."""

paces = Table(
    "paces",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("next_at", BigInteger, nullable=False),
)
"""Where the next portion of a channel's pace begins: all moments before it are some node's."""

quotas = Table(
    "quotas",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("left_over", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("trial_until", BigInteger, nullable=False),
)
"""What no node has drawn yet of the bank's quota in the window that ends at `until`. Once that is over, one node at a
time finds out about the next window, until `trial_until`."""

schedules = Table(
    "schedules",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    # Of what decides its moments: another one means that they are reckoned anew.
    Column("digest", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    # When it is run for `due_at`: later where that was tried in vain.
    Column("try_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_at", BigInteger),
    # Since when it is known with this digest: what was before, nobody watched.
    Column("begun_at", BigInteger),
)
"""When each rule with a schedule is due next, in each workspace."""

VACUUM: Final = tuple(
    f"ALTER TABLE {name} SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)"
    for name in ("events", "deliveries", "attempts", "decisions", "snapshots", "failures")
)
"""What PostgreSQL is told besides: retention deletes a little every few minutes, and vacuuming after a fiftieth of a
table instead of a fifth halves what a batch costs: 29 ms against 51 for 500 events, with a hundred thousand kept."""


for _statement in VACUUM:
    event.listen(metadata, "after_create", DDL(_statement).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]
