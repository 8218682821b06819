"""Live releases + running containers -> the databases that are reached from outside."""

from collections.abc import Sequence

from hostess.domain.databases import postgres
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Container
from hostess.domain.ports.proxy import OpenDatabase
from hostess.domain.releases.plan import matching
from hostess.domain.releases.release import Release, Workload

_REDIS_CONNECTIONS = 1000
_LEAST = 5


def open_databases(release: Release, containers: Sequence[Container], workers: int) -> list[OpenDatabase]:
    """Return those of *release*, each with its container where that runs. *workers* are those of the proxy."""
    found = []
    for workload in release.workloads.values():
        if workload.opened is None:
            continue
        running = [c for c in matching(workload, containers)[:1] if c.state == "running" and c.address]
        found.append(
            OpenDatabase(
                host=workload.opened.host,
                protocol=str(workload.type),
                project=release.project,
                service=workload.name,
                release=release.title,
                targets=tuple(f"{container.address}:{workload.ports[0]}" for container in running),
                connections=_share(workload, workers),
                allow=workload.opened.allow,
                environment=release.environment,
            )
        )
    return found


def _share(workload: Workload, workers: int) -> int:
    """Return how many connections from outside each worker may hold: together half of what the server takes.

    The other half is for the programs of the stack, whatever strangers do outside.
    """
    takes = _REDIS_CONNECTIONS
    if workload.type is ServiceType.POSTGRES:
        takes = int(postgres.settings_of(workload.command)["max_connections"])
    return max(_LEAST, -(-takes // 2 // workers))
