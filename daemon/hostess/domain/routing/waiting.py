"""Whom the proxy means when it says that somebody waits for a service that sleeps. Pure."""

from collections.abc import Mapping

from hostess.domain.ports.proxy import Called
from hostess.domain.releases.release import Release
from hostess.domain.routing.routes import path_of


def waited_for(
    called: Called,
    releases: Mapping[tuple[str, str], Release],
    addresses: Mapping[tuple[str, str], Mapping[str, str]],
) -> tuple[str, str, str] | None:
    """Return project, environment and name of the service that is meant; None when it does not sleep any more.

    *releases* are those that are live with all their hosts, *addresses* the virtual addresses that were given, both by project and
    environment.
    """
    for (project, environment), release in releases.items():
        workload = release.workloads.get(called.service)
        if project != called.project or workload is None or not workload.asleep:
            continue
        inside = addresses.get((project, environment), {}).get(called.service)
        hosts = {host for names in workload.hosts.values() for host in names}
        if called.host == inside or (called.host in hosts and called.path == path_of(workload)):
            return project, environment, called.service
    return None
