"""Records of what is kept of the logs of databases. Each of the functions is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.backups.backup import FAILED
from hostess.domain.backups.wal import Archive, Base, Kept, Segment


class WalRows:
    """The part of the journal that keeps them (`ports.WalRecords`)."""

    async def kept(self: Transactions, project: str, environment: str, service: str) -> Kept:
        """Return everything that is kept of a service, base backups and segments oldest first."""
        return await self._do(kept, project, environment, service)

    async def archives(self: Transactions, project: str | None = None) -> list[Archive]:
        """Return how far each log is kept."""
        return await self._do(archives, project)

    async def put_archive(self: Transactions, archive: Archive) -> None:
        """Write down how far a log is kept; Problem "project-not-found"."""
        await self._do(put_archive, archive)

    async def put_segment(self: Transactions, segment: Segment, archive: Archive) -> None:
        """Write a segment down that is kept, and how far that leads, in one."""
        await self._do(put_segment, segment, archive)

    async def forget_segments(self: Transactions, segments: list[Segment]) -> None:
        """Forget segments."""
        await self._do(forget_segments, segments)

    async def put_base(self: Transactions, base: Base) -> None:
        """Write a base backup down, or replace the one with its id; Problem "project-not-found"."""
        await self._do(put_base, base)

    async def forget_base(self: Transactions, base: str) -> None:
        """Forget one."""
        await self._do(forget_base, base)

    async def bases(self: Transactions) -> list[Base]:
        """Return the base backups of all services."""
        return await self._do(bases)


def kept(db: Database, project: str, environment: str, service: str) -> Kept:
    """Return everything that is kept of a service."""
    place = [project, environment, service]
    where = "WHERE project = ? AND environment = ? AND service = ?"
    found = [str(row["record"]) for row in db.query(f"SELECT record FROM wal_archives {where}", place)]  # noqa: S608
    return Kept(
        from_text(Archive, found[0]) if found else None,
        tuple(
            from_text(Base, str(row["record"]))
            for row in db.query(f"SELECT record FROM base_backups {where} ORDER BY seq", place)  # noqa: S608
        ),
        tuple(
            from_text(Segment, str(row["record"]))
            for row in db.query(f"SELECT record FROM wal_segments {where} ORDER BY seq", place)  # noqa: S608
        ),
    )


def archives(db: Database, project: str | None) -> list[Archive]:
    """Return how far each log is kept."""
    rows = db.query("SELECT record FROM wal_archives WHERE (? IS NULL OR project = ?) ORDER BY seq", [project, project])
    return [from_text(Archive, str(row["record"])) for row in rows]


def put_archive(db: Database, archive: Archive) -> None:
    """Write down how far a log is kept."""
    require(db, archive.project)
    db.execute(
        "INSERT INTO wal_archives (record) VALUES (?)"
        " ON CONFLICT (project, environment, service) DO UPDATE SET record = excluded.record",
        [to_text(archive)],
    )


def put_segment(db: Database, segment: Segment, archive: Archive) -> None:
    """Write a segment and how far that leads down."""
    put_archive(db, archive)
    db.execute(
        "INSERT INTO wal_segments (record) VALUES (?)"
        " ON CONFLICT (project, environment, service, chain, name) DO UPDATE SET record = excluded.record",
        [to_text(segment)],
    )


def forget_segments(db: Database, segments: list[Segment]) -> None:
    """Forget segments."""
    for each in segments:
        db.execute(
            "DELETE FROM wal_segments WHERE project = ? AND environment = ? AND service = ? AND chain = ? AND name = ?",
            [each.project, each.environment, each.service, each.chain, each.name],
        )


def put_base(db: Database, base: Base) -> None:
    """Write a base backup down or replace it. Of those that failed, a service keeps the newest alone."""
    require(db, base.project)
    db.execute(
        "INSERT INTO base_backups (record) VALUES (?) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
        [to_text(base)],
    )
    if base.state == FAILED:
        db.execute(
            "DELETE FROM base_backups WHERE project = ? AND environment = ? AND service = ? AND state = ? AND id <> ?",
            [base.project, base.environment, base.service, FAILED, base.id],
        )


def forget_base(db: Database, base: str) -> None:
    """Forget one."""
    db.execute("DELETE FROM base_backups WHERE id = ?", [base])


def bases(db: Database) -> list[Base]:
    """Return the base backups of all services."""
    return [from_text(Base, str(row["record"])) for row in db.query("SELECT record FROM base_backups ORDER BY seq")]
