"""What was used, ten minutes to a row. Each of the functions is one transaction."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.usage_history import UsageSpan

FORGOTTEN_AT_ONCE = 3

# The host's own rows are of no environment, so the rows of one go by triggers and not by references.
TABLES = """
CREATE TABLE usage_history (
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    service TEXT NOT NULL,
    began TEXT NOT NULL,
    readings INTEGER NOT NULL,
    cpu REAL NOT NULL,
    cpu_peak REAL NOT NULL,
    memory INTEGER NOT NULL,
    memory_peak INTEGER NOT NULL,
    PRIMARY KEY (project, environment, service, began)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_time ON usage_history (began);
CREATE TRIGGER usage_goes_with_places AFTER DELETE ON places BEGIN
    DELETE FROM usage_history WHERE project = OLD.project AND environment = OLD.environment;
END;
"""


class UsageRows:
    """The part of the journal that keeps what was used (`ports.UsageRecords`)."""

    async def put_usage(self: Transactions, spans: Sequence[UsageSpan], kept: tuple[datetime, datetime]) -> None:
        """Write spans down, and forget what began before what is *kept*, or after it: no more than a few of its times at once."""
        await self._do(put, spans, kept)

    async def usage(
        self: Transactions, project: str, environment: str, service: str, since: datetime
    ) -> list[UsageSpan]:
        """Return what a service used from *since* on, the oldest first."""
        return await self._do(several, project, environment, service, since)


def put(db: Database, spans: Sequence[UsageSpan], kept: tuple[datetime, datetime]) -> None:
    """Write spans down, joined to what there is of the same time; those of an environment that is gone are lost."""
    for each in spans:
        there = [known for known in several(db, *each.key, each.began) if known.began == each.began]
        span = there[0].joined(each) if there else each
        db.execute(
            "INSERT INTO usage_history"
            " (project, environment, service, began, readings, cpu, cpu_peak, memory, memory_peak)"
            " SELECT :project, :environment, :service, :began, :readings, :cpu, :cpu_peak, :memory, :memory_peak"
            " WHERE :project = '' OR EXISTS"
            " (SELECT 1 FROM places WHERE project = :project AND environment = :environment)"
            " ON CONFLICT DO UPDATE SET readings = excluded.readings, cpu = excluded.cpu, cpu_peak = excluded.cpu_peak,"
            " memory = excluded.memory, memory_peak = excluded.memory_peak",
            {**to_row(span), "began": _text(span.began)},
        )
    # One time comes with each ten minutes. A clock that is wrong for an hour must not cost what a month has brought.
    db.execute(
        "DELETE FROM usage_history WHERE began IN"
        " (SELECT DISTINCT began FROM usage_history WHERE began < ? OR began > ? ORDER BY began LIMIT ?)",
        [*map(_text, kept), FORGOTTEN_AT_ONCE],
    )


def several(db: Database, project: str, environment: str, service: str, since: datetime) -> list[UsageSpan]:
    """Return what a service used from *since* on, the oldest first."""
    rows = db.query(
        "SELECT * FROM usage_history WHERE project = ? AND environment = ? AND service = ? AND began >= ? ORDER BY began",
        [project, environment, service, _text(since)],
    )
    return [from_row(UsageSpan, row) for row in rows]


def _text(at: datetime) -> str:
    """Return a time so that texts sort as times do."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
