"""Webhooks of projects. Each of the functions is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.backups import Transactions
from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_row, to_row
from hostess.domain.forges import Webhook

TABLES = """
CREATE TABLE webhooks (
    project TEXT PRIMARY KEY REFERENCES projects (name) ON DELETE CASCADE,
    url TEXT NOT NULL,
    user TEXT NOT NULL,
    sealed TEXT NOT NULL,
    added_at TEXT NOT NULL
) STRICT;
"""


class WebhookRows:
    """The part of the journal that keeps webhooks (`ports.WebhookRecords`)."""

    async def put_webhook(self: Transactions, webhook: Webhook) -> None:
        """Store a project's webhook, in place of the one that it has; Problem "project-not-found"."""
        await self._do(put, webhook)

    async def webhook(self: Transactions, project: str) -> Webhook | None:
        """Return a project's webhook."""
        return await self._do(of, project)

    async def remove_webhook(self: Transactions, project: str) -> bool:
        """Delete a project's webhook; False when it has none."""
        return await self._do(remove, project)


def put(db: Database, webhook: Webhook) -> None:
    """Store a row, in place of that of the same project."""
    require(db, webhook.project)
    db.execute(
        "INSERT OR REPLACE INTO webhooks (project, url, user, sealed, added_at)"
        " VALUES (:project, :url, :user, :sealed, :added_at)",
        to_row(webhook),
    )


def of(db: Database, project: str) -> Webhook | None:
    """Return a project's row."""
    return next(
        (from_row(Webhook, row) for row in db.query("SELECT * FROM webhooks WHERE project = ?", [project])), None
    )


def remove(db: Database, project: str) -> bool:
    """Delete a row; False when there is none."""
    return db.execute("DELETE FROM webhooks WHERE project = ?", [project]).rowcount == 1
