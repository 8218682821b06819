"""Runs of jobs. Each function is one transaction."""

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.records import JobRun

_KEPT = 500


def put(db: Database, run: JobRun) -> None:
    """Write a run down or replace it; one that ended well is remembered for `once`. The oldest of very many runs are dropped."""
    require(db, run.project)
    db.execute(
        "INSERT INTO runs (record) VALUES (?) ON CONFLICT (id) DO UPDATE SET record = excluded.record", [to_text(run)]
    )
    place = [run.project, run.environment, run.job]
    if run.outcome == "done":
        db.execute(
            "INSERT OR IGNORE INTO done_once (project, environment, job, spec) VALUES (?, ?, ?, ?)", [*place, run.spec]
        )
    db.execute(
        "DELETE FROM runs WHERE project = ? AND environment = ? AND job = ? AND seq <= ("
        " SELECT seq FROM runs WHERE project = ? AND environment = ? AND job = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        [*place, *place, _KEPT],
    )


def several(db: Database, project: str, environment: str, job: str | None, limit: int) -> list[JobRun]:
    """Return runs, newest first."""
    rows = db.query(
        "SELECT record FROM runs WHERE project = ? AND environment = ? AND (? IS NULL OR job = ?) ORDER BY seq DESC LIMIT ?",
        [project, environment, job, job, limit],
    )
    return [from_text(JobRun, str(row["record"])) for row in rows]


def still_open(db: Database) -> list[JobRun]:
    """Return the runs that have not ended."""
    return [from_text(JobRun, str(row["record"])) for row in db.query("SELECT record FROM runs WHERE outcome = ''")]


def done_once(db: Database, project: str, environment: str, job: str, spec: str) -> bool:
    """Whether the job ended well with this spec."""
    return bool(
        list(
            db.query(
                "SELECT 1 FROM done_once WHERE project = ? AND environment = ? AND job = ? AND spec = ?",
                [project, environment, job, spec],
            )
        )
    )


def forget_once(db: Database, project: str, environment: str, job: str) -> None:
    """Forget that the job ran."""
    db.execute("DELETE FROM done_once WHERE project = ? AND environment = ? AND job = ?", [project, environment, job])
