"""Domains that were given to services by command. Each function is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.releases import host_owners, refuse_taken, release_owners, require_place
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.records import LiveDomain


def put(db: Database, domain: LiveDomain) -> None:
    """Write a domain down, or move it within its project. Problem "environment-not-found", "host-taken"."""
    require_place(db, domain.project, domain.environment)
    known = next((each for each in every(db) if each.host == domain.host), None)
    if known is not None and known.project != domain.project:
        refuse_taken(host_owners(db, [domain.host]), ())
    # What was said by command moves with it; what a release says stays, and no host leads to two environments.
    refuse_taken(release_owners(db, [domain.host]), {(domain.project, domain.environment)})
    db.execute(
        "INSERT INTO domains (record) VALUES (?) ON CONFLICT (host) DO UPDATE SET record = excluded.record",
        [to_text(domain)],
    )


def drop(db: Database, project: str, host: str) -> LiveDomain | None:
    """Forget a domain of a project and return it; None when there was none."""
    known = next((each for each in every(db) if (each.project, each.host) == (project, host)), None)
    db.execute("DELETE FROM domains WHERE project = ? AND host = ?", [project, host])
    return known


def every(db: Database) -> list[LiveDomain]:
    """Return all domains by name."""
    rows = db.query("SELECT record FROM domains ORDER BY host")
    return [from_text(LiveDomain, str(row["record"])) for row in rows]
