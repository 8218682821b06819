"""Projects, their environments with a network each, and small facts about the installation. Each function is one transaction."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal.rows import from_row
from hostess.domain.problem import Problem
from hostess.domain.records import Place, Project

_LONGEST_NETWORK = 63


def fact(db: Database, name: str) -> str | None:
    """Return a fact, or None."""
    return next((str(row["value"]) for row in db.query("SELECT value FROM facts WHERE name = ?", [name])), None)


def set_fact(db: Database, name: str, value: str) -> None:
    """Store a fact, replacing an older one."""
    db.execute(
        "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )


def create(db: Database, name: str, now: datetime) -> bool:
    """Create a project; False when it is there already."""
    done = db.execute(
        "INSERT INTO projects (name, created_at) VALUES (?, ?) ON CONFLICT DO NOTHING", [name, now.isoformat()]
    )
    return done.rowcount == 1


def every(db: Database) -> list[Project]:
    """Return all projects by name."""
    return [from_row(Project, row) for row in db.query("SELECT * FROM projects ORDER BY name")]


def describe(db: Database, name: str, description: str) -> None:
    """Say what a project is; Problem "project-not-found"."""
    require(db, name)
    db.execute("UPDATE projects SET description = ? WHERE name = ?", [description, name])


def remove(db: Database, name: str) -> None:
    """Forget a project, everything that refers to it, and its events; open tasks stay, for what they clean up is still there."""
    db.execute("DELETE FROM projects WHERE name = ?", [name])
    db.execute("DELETE FROM events WHERE project = ?", [name])


def require(db: Database, name: str) -> None:
    """Problem "project-not-found" unless the project is there."""
    if not any(db.query("SELECT 1 FROM projects WHERE name = ?", [name])):
        raise Problem(
            "project-not-found",
            f'there is no project "{name}"',
            remedy=f"push it, or create it with `hostess projects create {name}`",
        )


def burn(db: Database, project: str, environment: str, counter: str) -> int:
    """Return the next number of a counter of an environment; none is given twice. Problem "project-not-found"."""
    require(db, project)
    rows = db.query(
        "INSERT INTO counters (project, environment, name, last) VALUES (?, ?, ?, 1)"
        " ON CONFLICT (project, environment, name) DO UPDATE SET last = last + 1 RETURNING last",
        [project, environment, counter],
    )
    return max(int(row["last"]) for row in rows)


def open_place(db: Database, project: str, environment: str, subnets: Sequence[str], now: datetime) -> Place:
    """Return the environment; make it with the first of *subnets* that no other has. Problem "subnets-exhausted"."""
    require(db, project)
    taken = places(db, None)
    known = next((place for place in taken if (place.project, place.environment) == (project, environment)), None)
    if known is not None:
        return known
    used = {place.subnet for place in taken}
    subnet = next((each for each in subnets if each not in used), None)
    if subnet is None:
        raise Problem(
            "subnets-exhausted",
            f"all {len(used)} networks for environments are in use",
            remedy="remove an environment or a project, or add a network to the setting engine.subnets",
        )
    network = network_name(fact(db, "instance") or "", project, environment, {place.network for place in taken})
    row = [project, environment, network, subnet, now.isoformat()]
    db.execute("INSERT INTO places (project, environment, network, subnet, created_at) VALUES (?, ?, ?, ?, ?)", row)
    return Place(project, environment, network, subnet, None, now)


def places(db: Database, project: str | None) -> list[Place]:
    """Return the environments of a project, or all."""
    rows = db.query(
        "SELECT * FROM places WHERE :project IS NULL OR project = :project ORDER BY project, environment",
        {"project": project},
    )
    return [from_row(Place, row) for row in rows]


def network_name(instance: str, project: str, environment: str, taken: set[str]) -> str:
    """Return a name of at most 63 characters that is not in *taken*.

    "a-b" and "c" make the same plain name as "a" and "b-c": the second to come gets a digest of both parts at the end.
    """
    plain = f"hostess-{instance}-{project}-{environment}"
    if len(plain) <= _LONGEST_NETWORK and plain not in taken:
        return plain
    digest = hashlib.sha256(f"{project}/{environment}".encode()).hexdigest()[:12]
    return f"{plain[: _LONGEST_NETWORK - 13]}-{digest}"
