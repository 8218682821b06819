"""The host names of the services of a stack: custom domains and generated ones, none of which is anybody else's."""

from collections.abc import Mapping

from hostess.domain import names
from hostess.domain.hostess_yml.stack import Service, Stack
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Deployment

Hosts = Mapping[str, Mapping[int, tuple[str, ...]]]
"""Service -> public port -> its host names, the best one first."""


class HostNames:
    """Finds them. *own_hosts* are those of this installation itself, with what they are for."""

    def __init__(self, journal: Journal, base_domain: str, own_hosts: Mapping[str, tuple[str, str, str]]) -> None:
        self._journal = journal
        self._base_domain = base_domain
        self._own_hosts = own_hosts

    async def of(self, deployment: Deployment, stack: Stack) -> Hosts:
        """Return the hosts of each public port; Problem "host-taken" for a custom domain that is somebody else's."""
        return await self._claimed(deployment, stack, self._hosts(deployment, stack))

    def _hosts(self, deployment: Deployment, stack: Stack) -> Hosts:
        """Return service -> public port -> host names: custom domains first, then the stable name, then the deployment's own.

        A database that is opened to the outside has its stable name alone.
        """
        result: dict[str, dict[int, tuple[str, ...]]] = {}
        for service in stack.services.values():
            found: dict[int, tuple[str, ...]] = {}
            if service.opening is not None:
                host = names.generated_host(deployment.project, service.name, deployment.environment, self._base_domain)
                found[service.ports[0].number] = (host,)
            for index, port in enumerate(service.ports, 1):
                if port not in service.public_ports or service.is_database:
                    continue
                first = not found
                stable = names.generated_host(
                    deployment.project, service.name, deployment.environment, self._base_domain, port_index=index
                )
                own = names.deployment_host(deployment.project, service.name, deployment.commit[:7], self._base_domain)
                found[port.number] = (*_best_first(service), stable, own) if first else (stable,)
            if found:
                result[service.name] = found
        return result

    async def _claimed(self, deployment: Deployment, stack: Stack, hosts: Hosts) -> Hosts:
        """Return the hosts with generated names that another environment has made unique; a custom domain that is taken is refused."""
        owners = await self._journal.host_owners(
            [host for ports in hosts.values() for some in ports.values() for host in some]
        )
        others = {h: o for h, o in owners.items() if o[:2] != (deployment.project, deployment.environment)}
        taken = {**others, **self._own_hosts}
        for service in stack.services.values():
            for domain in service.domains:
                if domain in taken:
                    project, environment, owner = taken[domain]
                    raise Problem(
                        "host-taken",
                        f"{domain} belongs to service {owner} of project {project} ({environment})",
                        remedy="use another domain, or remove it there first; nothing was taken over",
                    )
        return {
            service: {
                port: tuple(
                    names.distinct_host(host, deployment.project, service, deployment.environment)
                    if host in taken
                    else host
                    for host in several
                )
                for port, several in ports.items()
            }
            for service, ports in hosts.items()
        }


def _best_first(service: Service) -> list[str]:
    """Return the domains of a service, the one that the others lead to first."""
    canonical = service.proxy.canonical_host if service.proxy else ""
    return sorted(service.domains, key=lambda domain: domain != canonical)
