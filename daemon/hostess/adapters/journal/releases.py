"""Releases, which one is live, and whose each host name is. Each function is one transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlite_utils import Database

from hostess.adapters.journal import canaries as journal_canaries
from hostess.adapters.journal import deployments as journal_deployments
from hostess.adapters.journal import tasks as journal_tasks
from hostess.adapters.journal.rows import from_text, to_text
from hostess.domain.problem import Problem
from hostess.domain.records import Task
from hostess.domain.releases.release import Release, State


def switch(
    db: Database, deployment: str, release: Release, hosts: Mapping[str, str], tasks: Sequence[Task], now: datetime
) -> None:
    """Make the release live, with exactly these hosts, the deployment SWITCHED, end a canary, and add the tasks.

    Problem "host-taken", "environment-not-found", "deployment-not-found"; IllegalMoveError. Nothing is changed then.
    """
    require_place(db, release.project, release.environment)
    _save(db, release)
    _set_live(db, release.project, release.environment, release.number)
    _set_hosts(db, release.project, release.environment, hosts)
    journal_canaries.drop(db, release.project, release.environment)
    journal_deployments.move(db, deployment, State.SWITCHED, now, release=release.number)
    for task in tasks:
        journal_tasks.add(db, task.kind, task.payload, task.due_at)


def revert(db: Database, project: str, environment: str, number: int | None, hosts: Mapping[str, str]) -> None:
    """Take a switch back: *number* (None: nothing) is live again with these hosts, what was live is no release to return to.

    Problem "release-not-found", "host-taken", "environment-not-found". Nothing is changed then.
    """
    require_place(db, project, environment)
    if number is not None and one(db, project, environment, number) is None:
        raise _not_found(project, environment, number)
    db.execute(
        """
        UPDATE releases SET taken_back = 1 WHERE (project, environment, number) =
            (SELECT project, environment, live FROM places WHERE project = ? AND environment = ?)
        """,
        [project, environment],
    )
    _set_live(db, project, environment, number)
    _set_hosts(db, project, environment, hosts)


def take_down(db: Database, project: str, environment: str) -> None:
    """Let nothing be live, and no host be taken; what was live can be returned to. Problem "environment-not-found"."""
    require_place(db, project, environment)
    _set_live(db, project, environment, None)
    _set_hosts(db, project, environment, {})


def live(db: Database, project: str, environment: str) -> Release | None:
    """Return the live release."""
    rows = db.query(
        "SELECT record FROM releases JOIN places USING (project, environment)"
        " WHERE project = ? AND environment = ? AND number = live",
        [project, environment],
    )
    return next((from_text(Release, str(row["record"])) for row in rows), None)


def one(db: Database, project: str, environment: str, number: int) -> Release | None:
    """Return one release that was live once."""
    rows = db.query(
        "SELECT record FROM releases WHERE project = ? AND environment = ? AND number = ?",
        [project, environment, number],
    )
    return next((from_text(Release, str(row["record"])) for row in rows), None)


def newest(db: Database, project: str, environment: str, limit: int, below: int | None = None) -> list[Release]:
    """Return releases, newest first, without those whose switch was taken back; with *below* those of lower numbers alone."""
    rows = db.query(
        "SELECT record FROM releases WHERE project = ? AND environment = ? AND NOT taken_back"
        " AND (? IS NULL OR number < ?) ORDER BY number DESC LIMIT ?",
        [project, environment, below, below, max(limit, 0)],
    )
    return [from_text(Release, str(row["record"])) for row in rows]


def amend(db: Database, release: Release) -> None:
    """Replace the record of a release; Problem "release-not-found"."""
    done = db.execute(
        "UPDATE releases SET record = ? WHERE project = ? AND environment = ? AND number = ?",
        [to_text(release), release.project, release.environment, release.number],
    )
    if done.rowcount != 1:
        raise _not_found(release.project, release.environment, release.number)


def resize(db: Database, live: Release, service: str, replicas: int) -> bool:
    """Give a service of the live release another number of replicas than *live* says; False when that is not what is live now."""
    path = f'$.workloads."{service}".replicas'
    done = db.execute(
        """
        UPDATE releases SET record = json_set(record, ?, ?)
            WHERE project = ? AND environment = ? AND number = ? AND json_extract(record, ?) = ?
            AND number = (SELECT live FROM places WHERE project = releases.project AND environment = releases.environment)
        """,
        [path, replicas, live.project, live.environment, live.number, path, live.workloads[service].replicas],
    )
    return bool(done.rowcount == 1)


def replace_image(db: Database, release: Release, name: str, image: str) -> None:
    """Write down another image of a service or job of a release, where it is still the one that *release* has."""
    job, service = release.jobs.get(name), release.workloads.get(name)
    workload = job.workload if job is not None else service
    if workload is None:
        return
    path = f'$.workloads."{name}".image' if job is None else f'$.jobs."{name}".workload.image'
    db.execute(
        """
        UPDATE releases SET record = json_set(record, ?, ?)
            WHERE project = ? AND environment = ? AND number = ? AND json_extract(record, ?) = ?
        """,
        [path, image, release.project, release.environment, release.number, path, workload.image],
    )


def host_owners(db: Database, hosts: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Return host -> (project, environment, service) of those that are taken, by a release or by command."""
    asked = to_text(tuple(hosts))
    rows = db.query(
        """
        SELECT host, project, environment, json_extract(record, '$.service') AS service FROM domains
            WHERE host IN (SELECT value FROM json_each(?))
        """,
        [asked],
    )
    # What the release says counts where both say something.
    return _owners(rows) | _owners(db.query(_OF_RELEASES, [asked]))


def release_owners(db: Database, hosts: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Return host -> (project, environment, service) of those that are taken by a release."""
    return _owners(db.query(_OF_RELEASES, [to_text(tuple(hosts))]))


def _owners(rows: Iterable[Mapping[str, object]]) -> dict[str, tuple[str, str, str]]:
    return {str(row["host"]): (str(row["project"]), str(row["environment"]), str(row["service"])) for row in rows}


_OF_RELEASES = "SELECT * FROM hosts WHERE host IN (SELECT value FROM json_each(?))"


def _save(db: Database, release: Release) -> None:
    db.execute(
        "INSERT INTO releases (record) VALUES (?)"
        " ON CONFLICT (project, environment, number) DO UPDATE SET record = excluded.record, taken_back = 0",
        [to_text(release)],
    )


def _set_live(db: Database, project: str, environment: str, number: int | None) -> None:
    db.execute(
        "UPDATE places SET live = ? WHERE project = ? AND environment = ?",
        [number, project, environment],
    )
    db.execute(
        "UPDATE releases SET taken_back = 0 WHERE project = ? AND environment = ? AND number = ?",
        [project, environment, number],
    )


def _set_hosts(db: Database, project: str, environment: str, hosts: Mapping[str, str]) -> None:
    refuse_taken(host_owners(db, hosts), {(project, environment)})
    db.execute("DELETE FROM hosts WHERE project = ? AND environment = ?", [project, environment])
    for host, service in hosts.items():
        db.execute(
            "INSERT INTO hosts (host, project, environment, service) VALUES (?, ?, ?, ?)",
            [host, project, environment, service],
        )


def refuse_taken(owners: Mapping[str, tuple[str, str, str]], own: Collection[tuple[str, str]]) -> None:
    """Raise Problem "host-taken" for a host that belongs to another environment than *own*."""
    for host, (owner, place, service) in sorted(owners.items()):
        if (owner, place) not in own:
            raise Problem(
                "host-taken",
                f"{host} belongs to service {service} of {owner} ({place})",
                remedy=f"choose another domain, or remove it from {owner} ({place}) first",
            )


def require_place(db: Database, project: str, environment: str) -> None:
    """Raise Problem "environment-not-found" unless it is there."""
    if not any(db.query("SELECT 1 FROM places WHERE project = ? AND environment = ?", [project, environment])):
        raise Problem("environment-not-found", f"{project} has no environment {environment}")


def _not_found(project: str, environment: str, number: int) -> Problem:
    return Problem(
        "release-not-found",
        f"{project} ({environment}) has no release v{number}",
        remedy="`hostess deployments list` shows the releases there are",
    )
