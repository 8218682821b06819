"""An older version of Hostess goes on with the journal of a newer one, where that only added something."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from hostess.adapters.journal.database import newer_migrations
from hostess.adapters.journal.schema import BREAKING, known_migrations, migrations
from hostess.adapters.journal.sqlite import SqliteJournal

NEWER = "m999_from_the_future"


def change(path: Path, *statements: str) -> None:
    """Do to a journal what a newer version did."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


async def test_what_a_newer_version_only_added_is_no_obstacle(tmp_path: Path) -> None:
    """A journal to which a newer version only added something is used on, as often as one likes; its word for that is kept."""
    path = tmp_path / "hostess.db"
    await (await SqliteJournal.open(path)).close()
    change(path, f"INSERT INTO _sqlite_migrations VALUES (99, 'hostess', '{NEWER}', '2030-01-01')")
    assert newer_migrations(path) == (NEWER,)
    change(path, f"UPDATE facts SET value = value || ' {NEWER}' WHERE name = 'additive_migrations'")

    for _ in range(2):
        journal = await SqliteJournal.open(path)
        assert await journal.instance()
        await journal.close()
    assert newer_migrations(path) == ()


def test_migrations_only_add() -> None:
    """Every migration that is not said to break older versions leaves all that was there, and asks for no value of theirs."""
    database = Database(memory=True, execute_plugins=False)
    names = sorted(known_migrations())
    for name, after in zip(names, [*names[1:], None], strict=True):
        old = columns(database)
        migrations.apply(database, stop_before=after)
        new = columns(database)
        if name not in BREAKING:
            assert old.items() <= new.items(), f"{name} changes or removes columns: name it in BREAKING"
            tables = {table for table, _ in old}
            added = [how for place, how in new.items() if place[0] in tables and place not in old]
            assert all(default is not None or not needed for _, needed, default in added), (
                f"{name}: name it in BREAKING"
            )


def columns(database: Database) -> dict[tuple[str, str], tuple[str, bool, object]]:
    """Return type, need of a value and default of each column, by table and name."""
    return {
        (table, str(row["name"])): (str(row["type"]), bool(row["notnull"]), row["dflt_value"])
        for table in database.table_names()
        if not table.startswith(("_", "sqlite_"))
        for row in database.query(f"PRAGMA table_xinfo({table})")
    }
