"""Canaries, at most one for each environment. Each function is one transaction."""

from dataclasses import replace

from sqlite_utils import Database

from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.records import Canary, Share


def put(db: Database, canary: Canary) -> None:
    """Write a canary down, in place of any of its environment."""
    db.execute(
        "INSERT INTO canaries (record) VALUES (?)"
        " ON CONFLICT (project, environment) DO UPDATE SET record = excluded.record",
        [to_text(canary)],
    )


def share(db: Database, canary: Canary, share: Share) -> bool:
    """Give a canary another share; False when it is no more."""
    now = one(db, canary.release.project, canary.release.environment)
    if now is None or now.deployment != canary.deployment:
        return False
    db.execute(
        "UPDATE canaries SET record = ? WHERE project = ? AND environment = ?",
        [to_text(replace(now, share=share)), canary.release.project, canary.release.environment],
    )
    return True


def drop(db: Database, project: str, environment: str) -> None:
    """Forget the canary of an environment, if there is one."""
    db.execute("DELETE FROM canaries WHERE project = ? AND environment = ?", [project, environment])


def every(db: Database) -> list[Canary]:
    """Return all canaries."""
    rows = db.query("SELECT record FROM canaries ORDER BY project, environment")
    return [from_text(Canary, str(row["record"])) for row in rows]


def one(db: Database, project: str, environment: str) -> Canary | None:
    """Return the canary of an environment."""
    rows = db.query("SELECT record FROM canaries WHERE project = ? AND environment = ?", [project, environment])
    return next((from_text(Canary, str(row["record"])) for row in rows), None)
