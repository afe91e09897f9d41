"""What Alembic runs to migrate: on the connection and in the transaction that `store.schema` hands over."""

from __future__ import annotations

from alembic import context

from memonotify.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
