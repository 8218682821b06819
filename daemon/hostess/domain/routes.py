"""Live releases + running containers -> the whole routing table of the host."""

from collections.abc import Collection, Mapping, Sequence

from hostess.domain import labels
from hostess.domain.plan import matching
from hostess.domain.ports import Container, Upstreams
from hostess.domain.release import Release


def routes(release: Release, containers: Sequence[Container], passes: Sequence[str]) -> list[Upstreams]:
    """Return one route per host of *release*, to those of its replicas that run: never to more than it wants, which are to go.

    A host whose service has no replica keeps its route, without targets: the proxy answers 503 and not another app's page. *passes*
    are the digests of the tokens that may pass where sign-in is asked for.
    """
    table: list[Upstreams] = []
    for workload in release.workloads.values():
        site = workload.static
        wanted = matching(workload, containers)[: workload.replicas]
        replicas = [c for c in wanted if c.address and c.state == "running"]
        for port, hosts in workload.hosts.items():
            targets = tuple(f"{replica.address}:{port}" for replica in replicas)
            asked = tuple(passes) if port in workload.sign_in else None
            table += [
                Upstreams(host, release.project, workload.name, release.title, targets, static=site, sign_in=asked)
                for host in hosts
            ]
    return table


def serving(containers: Sequence[Container], unwell: Collection[str]) -> list[Container]:
    """Return the containers without those whose ids are *unwell*, but with them where no other of their kind runs and is well."""
    well = {_kind(container) for container in containers if container.state == "running" and container.id not in unwell}
    return [container for container in containers if container.id not in unwell or _kind(container) not in well]


def _kind(container: Container) -> tuple[str | None, str | None]:
    return container.labels.get(labels.SERVICE), container.labels.get(labels.SPEC)


def hosts_of(release: Release) -> Mapping[str, str]:
    """Return host -> service for all hosts of a release."""
    return {
        host: workload.name
        for workload in release.workloads.values()
        for hosts in workload.hosts.values()
        for host in hosts
    }
