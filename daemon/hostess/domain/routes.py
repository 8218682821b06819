"""Live releases + running containers -> the whole routing table of the host."""

from collections.abc import Mapping, Sequence

from hostess.domain.plan import matching
from hostess.domain.ports import Container, Upstreams
from hostess.domain.release import Release


def routes(release: Release, containers: Sequence[Container]) -> list[Upstreams]:
    """Return one route per host of *release*, to those of its replicas that run: never to more than it wants, which are to go.

    A host whose service has no replica keeps its route, without targets: the proxy answers 503 and not another app's page.
    """
    table: list[Upstreams] = []
    for workload in release.workloads.values():
        site = workload.static
        wanted = matching(workload, containers)[: workload.replicas]
        replicas = [c for c in wanted if c.address and c.state == "running"]
        for port, hosts in workload.hosts.items():
            targets = tuple(f"{replica.address}:{port}" for replica in replicas)
            table += [
                Upstreams(host, release.project, workload.name, release.title, targets, static=site) for host in hosts
            ]
    return table


def hosts_of(release: Release) -> Mapping[str, str]:
    """Return host -> service for all hosts of a release."""
    return {
        host: workload.name
        for workload in release.workloads.values()
        for hosts in workload.hosts.values()
        for host in hosts
    }
