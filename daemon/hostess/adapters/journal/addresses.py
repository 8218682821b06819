"""The virtual addresses of services. Each function is one transaction."""

from collections.abc import Collection, Sequence

from sqlite_utils import Database

from hostess.adapters.journal.projects import require
from hostess.domain.problem import Problem

Addresses = dict[tuple[str, str], dict[str, str]]


def every(db: Database) -> Addresses:
    """Return (project, environment) -> service -> address."""
    found: Addresses = {}
    for row in db.query("SELECT * FROM addresses ORDER BY rowid"):
        place = (str(row["project"]), str(row["environment"]))
        found.setdefault(place, {})[str(row["service"])] = str(row["address"])
    return found


def give(
    db: Database, project: str, environment: str, services: Collection[str], pool: Sequence[str], spare: Collection[str]
) -> bool:
    """Give each of *services* an address of *pool*, for good; return whether one was given.

    Where all are taken, the one goes that was given longest ago to a service that is neither among them nor in *spare*: programs
    that were started while it was there may still know its name. Problem "addresses-exhausted", "project-not-found".
    """
    require(db, project)
    taken = every(db).get((project, environment), {})
    free = [address for address in pool if address not in taken.values()]
    stale = [service for service in taken if service not in services and service not in spare]
    new = [service for service in services if service not in taken]
    for service in new:
        if not free and not stale:
            raise Problem(
                "addresses-exhausted",
                f"{environment} of {project} has more than {len(pool)} services with a port",
                remedy="divide the stack into several projects",
            )
        if not free:
            gone = stale.pop(0)
            free.append(taken[gone])
            db.execute(
                "DELETE FROM addresses WHERE project = ? AND environment = ? AND service = ?",
                [project, environment, gone],
            )
        db.execute(
            "INSERT INTO addresses (project, environment, service, address) VALUES (?, ?, ?, ?)",
            [project, environment, service, free.pop(0)],
        )
    return bool(new)
