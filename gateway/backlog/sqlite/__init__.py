"""The backlog in a SQLite file. Nobody else in the house imports sqlite3."""

from gateway.backlog.sqlite.store import SqliteBacklog

__all__ = ["SqliteBacklog"]
