"""Alembic's migrations, oldest first; each is a frozen copy of what changed, never of what the tables are now."""
