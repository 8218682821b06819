"""What is closed by hand: maintenance and pauses. Each function is one transaction."""

from collections.abc import Collection

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.routing.closures import Closure


def put(db: Database, closure: Closure) -> None:
    """Write a closure down, or replace that of the same kind and service. Problem "project-not-found"."""
    require(db, closure.project)
    db.execute(
        "INSERT INTO closures (record) VALUES (?)"
        " ON CONFLICT (project, environment, kind, service) DO UPDATE SET record = excluded.record",
        [to_text(closure)],
    )


def drop(db: Database, closures: Collection[Closure]) -> None:
    """Forget closures; one that was replaced since says something else, and stays."""
    for closure in closures:
        db.execute("DELETE FROM closures WHERE record = ?", [to_text(closure)])


def every(db: Database) -> list[Closure]:
    """Return all closures in the order of their places."""
    rows = db.query("SELECT record FROM closures ORDER BY project, environment, kind, service")
    return [from_text(Closure, str(row["record"])) for row in rows]
