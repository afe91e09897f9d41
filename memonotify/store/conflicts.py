"""Inserts that meet a row that is already there. SQLite and PostgreSQL write them alike, so one form serves both.

Called by the statements of this package.
"""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert


def insert_into(table: Table) -> Insert:
    """Return an insert to which `on_conflict_…` can be added."""
    return insert(table)


def insert_new(table: Table) -> Insert:
    """Return an insert that leaves a row that is already there as it is."""
    return insert(table).on_conflict_do_nothing()


def put(table: Table) -> Insert:
    """Return an insert that replaces the values of a row with the same primary key."""
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    return statement.on_conflict_do_update(
        index_elements=keys,
        set_={column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys},
    )
