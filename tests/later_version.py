"""A journal to which a later version of Hostess has added: a table, a column in every table, a migration that nobody here knows."""

import sqlite3
from contextlib import closing
from pathlib import Path

MIGRATION = "m999_from_the_future"


def add_to(path: Path) -> None:
    """Do to a journal what the later version did, and say that it is no obstacle."""
    with closing(sqlite3.connect(path)) as database, database:
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%sqlite%'")
        for (table,) in tables.fetchall():
            database.execute(f"ALTER TABLE {table} ADD COLUMN of_the_future TEXT NOT NULL DEFAULT 'kept'")
        database.execute("CREATE TABLE of_the_future (word TEXT)")
        database.execute(f"INSERT INTO _sqlite_migrations VALUES (999, 'hostess', '{MIGRATION}', '2030-01-01')")
        database.execute(f"UPDATE facts SET value = value || ' {MIGRATION}' WHERE name = 'additive_migrations'")
