"""How services of one stack reach each other: under its name each one has a virtual address, the same for every release. Pure.

The last quarter of an environment's network holds virtual addresses, the rest its containers. Databases are called directly:
what is kept open to them for hours gains nothing from a proxy.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from hostess.domain.hostess_yml.stack import Protocol, ServiceType
from hostess.domain.ports.engine import Container
from hostess.domain.ports.proxy import InsideService
from hostess.domain.records import Place
from hostess.domain.releases.plan import matching
from hostess.domain.releases.release import Release, Workload
from hostess.domain.sleeping import wake_of

_HTTP_TYPES = frozenset({ServiceType.FASTAPI, ServiceType.NEXTJS})


def virtual_range(subnet: str) -> str:
    """Return the part of an environment's network (CIDR) that no container gets an address of."""
    network = IPv4Network(subnet)
    return str(list(network.subnets(new_prefix=network.prefixlen + 2))[-1])


def virtual_addresses(subnet: str) -> list[str]:
    """Return the addresses that services can have."""
    return [str(address) for address in IPv4Network(virtual_range(subnet)) if address != _last(subnet)]


def container_addresses(subnet: str) -> list[str]:
    """Return the addresses that containers can have; the first one is the bridge's own."""
    virtual = IPv4Network(virtual_range(subnet))
    return [str(address) for address in list(IPv4Network(subnet).hosts())[1:] if address not in virtual]


def called_by_address(release: Release) -> tuple[str, ...]:
    """Return the services that are called at a virtual address: those that list a port and are no database."""
    return tuple(workload.name for workload in release.workloads.values() if _is_called(workload))


def known_names(release: Release, addresses: Mapping[str, str], replica_of: str = "") -> dict[str, str]:
    """Return those of the addresses that were given which a new container of *release* shall know.

    They are those of services that are called so, and of services that are gone; but not its own name where it is a replica of a
    service (*replica_of*) that never runs twice: such programs listen at their name, or ask there before they are ready.
    """
    called = set(called_by_address(release))
    if replica_of and release.workloads[replica_of].singleton:
        called.discard(replica_of)
    return {name: at for name, at in addresses.items() if name in called or name not in release.workloads}


def first_served(live: Sequence[InsideService], coming: Sequence[InsideService]) -> list[InsideService]:
    """Return what is called of each service: the live release's replicas, and where it has none, the new ones.

    So on a first deployment, and when what must not run twice is handed over.
    """
    served = {service.service: service for service in live if service.replicas or service.static}
    every = {service.service: service for service in (*live, *coming)}
    return list((every | served).values())


def inside_services(
    place: Place, release: Release, addresses: Mapping[str, str], containers: Sequence[Container]
) -> list[InsideService]:
    """Return what callers in the stack find at the addresses (service -> address) of the services of *release*.

    One that has an address and would get none today (its ports went, it became a database) is found there, too: who knows it
    calls it.
    """
    found = []
    for workload in release.workloads.values():
        if workload.name not in addresses:
            continue
        replicas = [
            c for c in matching(workload, containers)[: workload.replicas] if c.state == "running" and c.address
        ]
        found.append(
            InsideService(
                network=place.subnet,
                address=addresses[workload.name],
                project=place.project,
                service=workload.name,
                release=release.title,
                replicas=tuple(replica.address for replica in replicas),
                ports=listed_ports(workload),
                http=http_ports(workload),
                static=workload.static,
                wake=wake_of(workload),
                environment=place.environment,
            )
        )
    return found


def listed_ports(workload: Workload) -> tuple[int, ...]:
    """Return the ports that a service says it listens on: its own and that of its health check."""
    health = workload.health.port if workload.health else None
    return tuple(dict.fromkeys([*workload.ports, *([health] if health else [])]))


def http_ports(workload: Workload) -> tuple[int, ...]:
    """Return the listed ports where nothing but HTTP is spoken: by the type, for the public, or because health is asked there.

    What else a program listens on is not certain: many an API speaks gRPC at a second port. One that speaks h2c is found out.
    """
    if workload.proxy is not None and workload.proxy.asked.protocol is Protocol.H2C:
        return ()
    if workload.static is not None:
        return listed_ports(workload)
    main = workload.ports[:1] if workload.type in _HTTP_TYPES else ()
    asked = workload.health.port or workload.ports[0] if workload.health and workload.health.http else None
    return tuple(port for port in listed_ports(workload) if port in main or port == asked or workload.hosts.get(port))


def _is_called(workload: Workload) -> bool:
    return bool(workload.ports) and not workload.is_database


def _last(subnet: str) -> IPv4Address:
    return IPv4Network(subnet).broadcast_address
