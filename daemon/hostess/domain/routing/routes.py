"""Live releases + running containers -> the whole routing table of the host."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Proxy
from hostess.domain.ports import CanaryTargets, Container, Maintenance, Pause, Upstreams
from hostess.domain.releases.plan import matching
from hostess.domain.releases.release import Release, Workload
from hostess.domain.routing.closures import Closing, Closure, closing
from hostess.domain.sleeping import wake_of

ANSWERS_FROM = 200
ANSWERS_BELOW = 300
ASKED = (401, "sign-in-needed")
"""How the proxy answers who has not signed in."""

CLOSED = frozenset({"maintenance", "in-maintenance"})
"""The proxy's codes where a service is in maintenance, the second one at the path of its health check."""


def routes(
    release: Release,
    containers: Sequence[Container],
    passes: Sequence[str],
    closures: Sequence[Closure] = (),
    canary: Mapping[tuple[str, int], CanaryTargets] = MappingProxyType({}),
) -> list[Upstreams]:
    """Return one route per host of *release*, to those of its replicas that run: never to more than it wants, which are to go.

    A host whose service has no replica keeps its route, without targets: the proxy answers 503 and not another app's page, or lets
    requests wait where the service sleeps. *passes*
    are the digests of the tokens that may pass where sign-in is asked for; *closures* those of the environment, *canary* is where
    the share of its canary goes.
    """
    table: list[Upstreams] = []
    for workload in release.workloads.values():
        wanted = matching(workload, containers)[: workload.replicas]
        replicas = [c for c in wanted if c.address and c.state == "running"]
        wake = wake_of(workload)
        for port, hosts in workload.hosts.items():
            asked = tuple(passes) if port in workload.sign_in else None
            table += [
                Upstreams(
                    host,
                    release.project,
                    workload.name,
                    release.title,
                    targets=tuple(f"{replica.address}:{port}" for replica in replicas),
                    path=path_of(workload),
                    static=workload.static,
                    sign_in=asked,
                    settings=workload.proxy,
                    maintenance=_maintenance(workload, port, closures),
                    pause=_pause(workload, closures),
                    canary=canary.get((workload.name, port)),
                    wake=wake,
                    environment=release.environment,
                )
                for host in hosts
            ]
    return table


def _maintenance(workload: Workload, port: int, closures: Sequence[Closure]) -> Maintenance | None:
    found = closing(closures, Closing.MAINTENANCE, workload.name)
    if found is None:
        return None
    check = check_of(workload, port)
    health = outside(workload, check) if check else None
    return Maintenance(found.message, found.retry_after, found.allow, health or "")


def _pause(workload: Workload, closures: Sequence[Closure]) -> Pause | None:
    found = closing(closures, Closing.PAUSE, workload.name)
    return Pause(found.requests, max(int(found.length.total_seconds()), 1)) if found else None


def serving(containers: Sequence[Container], unwell: Collection[str]) -> list[Container]:
    """Return the containers without those whose ids are *unwell*, but with them where no other of their kind runs and is well."""
    well = {_kind(container) for container in containers if container.state == "running" and container.id not in unwell}
    return [container for container in containers if container.id not in unwell or _kind(container) not in well]


def _kind(container: Container) -> tuple[str | None, str | None]:
    return container.labels.get(labels.SERVICE), container.labels.get(labels.SPEC)


def hosts_of(release: Release) -> Mapping[str, str]:
    """Return host -> service for all hosts of a release; of services that share one, the one with the shortest path."""
    by_path = sorted(release.workloads.values(), key=lambda workload: -len(path_of(workload)))
    served = {host: workload.name for workload in by_path for hosts in workload.hosts.values() for host in hosts}
    return served | {w.opened.host: w.name for w in release.workloads.values() if w.opened}


def path_of(workload: Workload) -> str:
    """Return the path at which a service is reached at its hosts."""
    return workload.proxy.asked.path if workload.proxy else "/"


def check_of(workload: Workload, port: int) -> str | None:
    """Return the path of the health check if it is about this port: the one it names, else the first one, public or not."""
    health = workload.health
    if health is None or port != (health.port or workload.ports[0]):
        return None
    return health.http


def outside(workload: Workload, path: str) -> str | None:
    """Return how a path of a service is asked for from outside; None when it cannot be."""
    return workload.proxy.outside(path) if workload.proxy else path


def question_of(workload: Workload, port: int) -> tuple[str, bool]:
    """Return the path by which a port is proved to be served, and whether the answer has to be a good one: that of its check."""
    check = check_of(workload, port)
    asked = outside(workload, check) if check else None
    return (asked, True) if asked else (path_of(workload), False)


def proves(workload: Workload, port: int, answer: tuple[int, str], closures: Sequence[Closure] = ()) -> bool:
    """Whether an answer (status, and the proxy's own code, "" for none) to that question shows that the service is served.

    Where the proxy asks or refuses by somebody's wish, that is the proof; that it serves openly what it should ask for is none.
    """
    status, error = answer
    _, checked = question_of(workload, port)
    if error in CLOSED and closing(closures, Closing.MAINTENANCE, workload.name):
        return True
    if error and status in _refusals(workload):
        return True
    if port in workload.sign_in:
        return answer == ASKED
    asks = workload.proxy is not None and bool(workload.proxy.asked.basic_auth)
    return not asks and not error and (not checked or ANSWERS_FROM <= status < ANSWERS_BELOW)


def _refusals(workload: Workload) -> set[int]:
    """Return the statuses by which the proxy may refuse the question, as this host is one client among others."""
    asked = workload.proxy.asked if workload.proxy else Proxy()
    wishes = {401: bool(asked.basic_auth), 403: bool(asked.allow), 429: asked.rate_limit is not None}
    return {status for status, is_wished in wishes.items() if is_wished}
