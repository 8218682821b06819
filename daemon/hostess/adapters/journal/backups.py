"""Records of backups in the journal. Each of the functions is one transaction."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.backups.backup import Backup, Restore

P = ParamSpec("P")
T = TypeVar("T")


class Transactions(Protocol):
    """What the journal has for carrying out transactions."""

    async def _do(self, work: Callable[Concatenate[Database, P], T], *args: P.args, **fields: P.kwargs) -> T: ...


class BackupRows:
    """The part of the journal that keeps backups (`ports.BackupRecords`)."""

    async def put_backup(self: Transactions, backup: Backup) -> None:
        """Write a backup down, or replace the one with its id; Problem "project-not-found"."""
        await self._do(put, backup)

    async def backups(
        self: Transactions, project: str | None = None, environment: str | None = None, service: str | None = None
    ) -> list[Backup]:
        """Return backups, newest first."""
        return await self._do(several, project, environment, service)

    async def forget_backup(self: Transactions, backup: str) -> None:
        """Forget one."""
        await self._do(forget, backup)

    async def put_restore(self: Transactions, restore: Restore) -> None:
        """Write a restore down, or replace the one with its id; Problem "project-not-found"."""
        await self._do(put_restore, restore)

    async def restores(self: Transactions, project: str | None = None) -> list[Restore]:
        """Return restores, newest first."""
        return await self._do(restores, project)


def put_restore(db: Database, restore: Restore) -> None:
    """Write a restore down or replace it."""
    require(db, restore.project)
    db.execute(
        "INSERT INTO restores (record) VALUES (?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        [to_text(restore)],
    )


def restores(db: Database, project: str | None) -> list[Restore]:
    """Return restores, newest first."""
    sql = "SELECT record FROM restores WHERE (? IS NULL OR project = ?) ORDER BY seq DESC"
    return [from_text(Restore, str(row["record"])) for row in db.query(sql, [project, project])]


def put(db: Database, backup: Backup) -> None:
    """Write a backup down or replace it. Of those that failed, a service keeps the last _FAILED."""
    require(db, backup.project)
    db.execute(
        "INSERT INTO backups (record) VALUES (?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        [to_text(backup)],
    )
    place = [backup.project, backup.environment, backup.service]
    db.execute(
        "DELETE FROM backups WHERE project = ? AND environment = ? AND service = ? AND state = 'failed' AND seq <= ("
        " SELECT seq FROM backups WHERE project = ? AND environment = ? AND service = ? AND state = 'failed'"
        " ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        [*place, *place, _FAILED],
    )


def several(db: Database, project: str | None, environment: str | None, service: str | None) -> list[Backup]:
    """Return backups, newest first."""
    given = [project, project, environment, environment, service, service]
    rows = db.query(
        "SELECT record FROM backups WHERE (? IS NULL OR project = ?) AND (? IS NULL OR environment = ?)"
        " AND (? IS NULL OR service = ?) ORDER BY seq DESC",
        given,
    )
    return [from_text(Backup, str(row["record"])) for row in rows]


def forget(db: Database, backup: str) -> None:
    """Forget one."""
    db.execute("DELETE FROM backups WHERE id = ?", [backup])


_FAILED = 20
