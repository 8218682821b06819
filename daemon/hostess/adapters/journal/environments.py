"""What is set for environments beside hostess.yml, and their removal. Each function is one transaction."""

from collections.abc import Collection

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.records import EnvironmentSettings

_TABLES = ("places", "runs", "done_once", "environments", "addresses", "closures", "canaries", "domains", "locks")


def put(db: Database, settings: EnvironmentSettings) -> None:
    """Write settings down, or replace those of the environment. Problem "project-not-found"."""
    require(db, settings.project)
    db.execute(
        "INSERT INTO environments (record) VALUES (?)"
        " ON CONFLICT (project, environment) DO UPDATE SET record = excluded.record",
        [to_text(settings)],
    )


def several(db: Database, project: str) -> list[EnvironmentSettings]:
    """Return the settings of a project's environments, by name."""
    rows = db.query("SELECT record FROM environments WHERE project = ? ORDER BY environment", [project])
    return [from_text(EnvironmentSettings, str(row["record"])) for row in rows]


def remove(db: Database, project: str, environment: str, keep: Collection[str]) -> None:
    """Forget an environment with its releases and hosts, deployments, runs, secrets and settings.

    Credentials of the services *keep* stay, for their data stays, and so do the counters: no number is ever given twice. A
    deployment that waits for its turn stays, too: it makes the environment anew.
    """
    db.execute(
        "DELETE FROM deployments WHERE project = ? AND environment = ? AND state NOT IN ('queued', 'running', 'switched')",
        [project, environment],
    )
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE project = ? AND environment = ?", [project, environment])  # noqa: S608 -- names of ours
    rows = db.query("SELECT DISTINCT name FROM secrets WHERE project = ? AND environment = ?", [project, environment])
    for name in [str(row["name"]) for row in rows]:
        service, colon, _ = name.partition(":")
        if not (colon and service in keep):
            db.execute(
                "DELETE FROM secrets WHERE project = ? AND environment = ? AND name = ?", [project, environment, name]
            )
