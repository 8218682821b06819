"""Deployments and their steps. Each function is one transaction."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Unpack

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.adapters.journal.rows import from_row, from_text, to_text
from hostess.domain.problem import Problem
from hostess.domain.records import Step
from hostess.domain.releases.release import Deployment, Moving, State, moved


def add(db: Database, deployment: Deployment) -> None:
    """Write a new deployment down; Problem "project-not-found"."""
    require(db, deployment.project)
    db.execute("INSERT INTO deployments (record) VALUES (?)", [to_text(deployment)])


def find(db: Database, beginning: str) -> Deployment | None:
    """Return the deployment whose id is, or alone begins with, *beginning*; Problem "deployment-ambiguous" when several do."""
    rows = db.query(
        "SELECT id, record FROM deployments WHERE id >= :id AND id < :id || char(0x10ffff) ORDER BY id LIMIT 2",
        {"id": beginning},
    )
    found = {str(row["id"]): str(row["record"]) for row in rows} if beginning else {}
    if len(found) > 1 and beginning not in found:
        raise Problem(
            "deployment-ambiguous",
            f'more than one deployment begins with "{beginning}": {", ".join(found)} …',
            remedy="give more of the id",
        )
    record = found.get(beginning) or next(iter(found.values()), None)
    return None if record is None else from_text(Deployment, record)


def page(
    db: Database,
    place: tuple[str | None, str | None],
    states: Iterable[State],
    limit: int,
    before: str | None,
) -> list[Deployment]:
    """Return deployments, newest first; Problem "deployment-not-found" when there is none with the id *before*."""
    if before is not None:
        _record(db, before)
    rows = db.query(
        """
        SELECT record FROM deployments
        WHERE (:project IS NULL OR project = :project)
          AND (:environment IS NULL OR environment = :environment)
          AND (:states = '[]' OR state IN (SELECT value FROM json_each(:states)))
          AND (:before IS NULL OR seq < (SELECT seq FROM deployments WHERE id = :before))
        ORDER BY seq DESC LIMIT :limit
        """,
        {
            "project": place[0],
            "environment": place[1],
            "states": to_text(tuple(states)),
            "before": before,
            "limit": max(limit, 0),
        },
    )
    return [from_text(Deployment, str(row["record"])) for row in rows]


def move(db: Database, deployment: str, to: State, now: datetime, **fields: Unpack[Moving]) -> Deployment:
    """Move a deployment along the table of legal moves; Problem "deployment-not-found", IllegalMoveError."""
    after = moved(from_text(Deployment, _record(db, deployment)), to, now, **fields)
    db.execute("UPDATE deployments SET record = ? WHERE id = ?", [to_text(after), deployment])
    return after


def begin_step(
    db: Database, deployment: str, name: str, detail: Mapping[str, object], now: datetime, phase: str | None = None
) -> int:
    """Write down that a step begins, and the phase it belongs to; return its id. Problem "deployment-not-found"."""
    now_there = from_text(Deployment, _record(db, deployment))
    if phase is not None and phase != now_there.phase:
        move(db, deployment, now_there.state, now, phase=phase)
    done = db.execute(
        "INSERT INTO steps (deployment, name, detail, begun_at) VALUES (?, ?, ?, ?)",
        [deployment, name, to_text(detail), now.isoformat()],
    )
    return int(done.lastrowid or 0)


def end_step(db: Database, step: int, outcome: str, now: datetime) -> None:
    """Write down how a step ended; LookupError when it never began."""
    done = db.execute("UPDATE steps SET outcome = ?, ended_at = ? WHERE id = ?", [outcome, now.isoformat(), step])
    if done.rowcount != 1:
        raise LookupError(f"step {step} never began")


def steps(db: Database, deployment: str) -> list[Step]:
    """Return the steps of a deployment in order."""
    return [
        from_row(Step, row) for row in db.query("SELECT * FROM steps WHERE deployment = ? ORDER BY id", [deployment])
    ]


def _record(db: Database, deployment: str) -> str:
    row = next(db.query("SELECT record FROM deployments WHERE id = ?", [deployment]), None)
    if row is None:
        raise Problem("deployment-not-found", f'there is no deployment "{deployment}"')
    return str(row["record"])
