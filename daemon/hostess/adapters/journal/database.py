"""The journal's file: made whole or not at all, checked before it is used, never written by two at once, never overwritten."""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from hostess.adapters.folder_sync import sync_folder
from hostess.adapters.journal.projects import fact, set_fact
from hostess.adapters.journal.schema import additive_migrations, known_migrations, migrations
from hostess.domain.problem import Problem

_BUSY_MS = 5_000
_ADDITIVE = "additive_migrations"


class JournalFile:
    """The open database and the lock that keeps other daemons from it. Made, used and closed in one thread."""

    def __init__(self, path: Path) -> None:
        """Open the journal at *path*, making it (mode 0600, in a folder of mode 0700) when there is none.

        Problem "state-in-use" when another process has it, "state-newer" when a newer version made it, "state-unreadable" when
        it is damaged or something else; it is then left as it is.
        """
        try:
            self._open(path)
        except (sqlite3.OperationalError, OSError) as error:
            remedy = "has the disk room, and does the folder belong to the daemon's user? Nothing was changed"
            raise _unreadable(path, str(error)).but(remedy=remedy) from error
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, str(error)) from error

    def _open(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            self._lock = _locked(path.with_name(path.name + ".lock"))
            undo.callback(os.close, self._lock)
            if not path.exists():
                _create(path)
            _check(path)
            self.database = _connect(path, "rw")
            undo.callback(self.database.close)
            _make_durable(self.database)
            migrations.apply(self.database)
            _tell_older_versions(self.database)
            undo.pop_all()

    def close(self) -> None:
        """Write the log back into the file and let go of the lock."""
        try:
            self.database.close()
        finally:
            os.close(self._lock)


def _locked(path: Path) -> int:
    """Return the descriptor of a lock that ends with this process, however it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Problem(
            "state-in-use",
            f"another Hostess daemon works on {path.parent}",
            serving="the other daemon, untouched",
            remedy="stop it first, or give this one another --data-dir",
        ) from None
    return descriptor


def _create(path: Path) -> None:
    """Make the database beside its place and rename it, so that a crash leaves none rather than half of one."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        # SQLite would play the old log into the new file.
        raise _unreadable(path, f"the file is gone, but its log {log.name} is there")
    fresh = path.with_name(path.name + ".new")
    for leftover in (fresh, path.with_name(fresh.name + "-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(_connect(fresh, "rw")) as database:
        migrations.apply(database)
    fresh.rename(path)
    sync_folder(path.parent)


def _check(path: Path) -> None:
    """Problem unless the file is a whole journal that this version understands. Reads only: a refused file stays as it is."""
    if path.stat().st_size == 0:
        # SQLite would take an empty file for a new database.
        raise _unreadable(path, "the file is empty")
    with closing(_connect(path, "ro")) as database:
        applied = {migration.name for migration in migrations.applied(database)}
        if not applied:
            raise _unreadable(path, "it is a database, but not Hostess's")
        unknown = _unknown(database)
        if unknown:
            raise Problem(
                "state-newer",
                f"{path} was written by a newer version of Hostess ({', '.join(sorted(unknown))})",
                remedy="install that version again; nothing was changed",
            )
        faults = [row["integrity_check"] for row in database.query("PRAGMA integrity_check(3)")]
        if faults != ["ok"]:
            raise _unreadable(path, "; ".join(faults))
        if any(database.query("PRAGMA foreign_key_check")):
            raise _unreadable(path, "rows refer to rows that are gone")


def newer_migrations(path: Path) -> tuple[str, ...]:
    """Return the names of the changes with which this version cannot work on the journal at *path*; none where there is no journal."""
    try:
        with closing(_connect(path, "ro")) as database:
            return tuple(sorted(_unknown(database)))
    except sqlite3.Error:
        return ()


def _unknown(database: Database) -> set[str]:
    """Return what a newer version has changed, without what it says that an older one can do with."""
    applied = {migration.name for migration in migrations.applied(database)}
    return applied - known_migrations() - set((fact(database, _ADDITIVE) or "").split())


def _tell_older_versions(database: Database) -> None:
    """Write down which changes older versions can do with; those of newer ones, which were here before, included."""
    known = set((fact(database, _ADDITIVE) or "").split())
    if not additive_migrations() <= known:
        set_fact(database, _ADDITIVE, " ".join(sorted(known | additive_migrations())))


def _connect(path: Path, mode: str) -> Database:
    # Autocommit of the driver is off the table: transactions begin and end where the journal says so.
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        connection.execute("PRAGMA foreign_keys = ON")
        return Database(connection, execute_plugins=False)
    except BaseException:
        connection.close()
        raise


def _make_durable(database: Database) -> None:
    """Make each transaction reach the disk before it counts as done (FULL: a power cut must not lose the live release)."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")


def _unreadable(path: Path, why: str) -> Problem:
    return Problem(
        "state-unreadable",
        f"the state in {path} cannot be used: {why}",
        remedy="nothing was changed; restore the file from a backup, or move the data folder away to begin anew",
    )
