"""What tests of a journal put into it."""

from datetime import UTC, datetime, timedelta

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Journal
from hostess.domain.records import Task
from hostess.domain.releases.release import (
    Deployment,
    Kind,
    Release,
    State,
    Workload,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
SUBNETS = ("10.213.0.0/24", "10.213.1.0/24")


def a_deployment(
    name: str = "d1", state: State = State.QUEUED, *, project: str = "shop", environment: str = "production"
) -> Deployment:
    """Return a deployment."""
    return Deployment(name, project, environment, Kind.PUSH, state, "c" * 40, "refs/heads/main", "0" * 40, "ann", NOW)


def a_release(number: int = 1, environment: str = "production", project: str = "shop") -> Release:
    """Return a release with one service."""
    api = Workload(
        "api", ServiceType.FASTAPI, "sha256:1", "spec", "sealed", 2, 1.0, 2**30, singleton=False, hosts={8000: ("a.x",)}
    )
    return Release(project, environment, number, "c" * 40, NOW, {"api": api}, "services: {}")


async def switched(journal: Journal, release: Release, hosts: dict[str, str], *tasks: Task) -> Deployment:
    """Carry a new deployment through to its switch."""
    await journal.create_project(release.project, NOW)
    await journal.open_place(release.project, release.environment, SUBNETS, NOW)
    name = f"{release.project}-{release.environment}-{release.number}"
    await journal.add_deployment(a_deployment(name, project=release.project, environment=release.environment))
    await journal.move(name, State.RUNNING, NOW)
    await journal.switch(name, release, hosts, tasks, LATER)
    found = await journal.deployment(name)
    assert found is not None
    return found
