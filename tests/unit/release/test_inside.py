"""Names inside a stack as values: which addresses there are, who has one, and what is spoken where."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hostess.adapters.firewall_iptables import AGAIN_SECONDS, routes, rules
from hostess.domain import labels
from hostess.domain.hostess_yml.stack import Health, Protocol, Proxy, ServiceType
from hostess.domain.ports import Container
from hostess.domain.records import Place
from hostess.domain.releases.release import Release, StaticSite, Workload
from hostess.domain.routing.inside import (
    called_by_address,
    container_addresses,
    first_served,
    http_ports,
    inside_services,
    listed_ports,
    virtual_addresses,
    virtual_range,
)
from hostess.domain.routing.route_settings import RouteSettings
from hostess.periodic import LEAD_EVERY

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLACE = Place("shop", "production", "net", "10.213.4.0/24", 1, NOW)
API = Workload(
    name="api",
    type=ServiceType.CUSTOM,
    image="i",
    spec="s",
    sealed_env="",
    replicas=2,
    cpu=1.0,
    memory=1,
    singleton=False,
    ports=(8000, 9000),
)
SITE = replace(API, name="site", type=ServiceType.STATIC, ports=(8080,), replicas=0, static=StaticSite("k"))
DATABASE = replace(API, name="db", type=ServiceType.POSTGRES, ports=(5432,))
WORKER = replace(API, name="worker", ports=())


def release(*workloads: Workload) -> Release:
    """Return a release of these."""
    return Release("shop", "production", 3, "c", NOW, {workload.name: workload for workload in workloads})


def container(number: int, state: str = "running", spec: str = "s") -> Container:
    """Return a replica of the api."""
    marks = {labels.SERVICE: "api", labels.SPEC: spec, labels.ROLE: labels.REPLICA_ROLE, labels.REPLICA: str(number)}
    return Container(str(number), "n", "i", marks, state, f"10.213.4.{number}")


def test_addresses_are_divided() -> None:
    """The last quarter of a network is for services, the rest for containers, and no address for both."""
    services, containers = virtual_addresses("10.213.4.0/24"), container_addresses("10.213.4.0/24")

    assert virtual_range("10.213.4.0/24") == "10.213.4.192/26"
    assert (services[0], services[-1], len(services)) == ("10.213.4.192", "10.213.4.254", 63)
    assert (containers[0], containers[-1], len(containers)) == ("10.213.4.2", "10.213.4.191", 190)


def test_who_is_called() -> None:
    """Services that list a port are called at an address; databases and workers are not."""
    assert called_by_address(release(API, SITE, DATABASE, WORKER)) == ("api", "site")


@pytest.mark.parametrize(
    ("workload", "http"),
    [
        (API, ()),
        (replace(API, hosts={9000: ("a.x",)}), (9000,)),
        (replace(API, health=Health(http="/")), (8000,)),
        (replace(API, health=Health(http="/", port=9001)), (9001,)),
        (replace(API, health=Health(command=("x",))), ()),
        (replace(API, type=ServiceType.FASTAPI), (8000,)),
        (replace(API, type=ServiceType.FASTAPI, hosts={9000: ("a.x",)}), (8000, 9000)),
        (replace(SITE, ports=(8080, 9090)), (8080, 9090)),
        (SITE, (8080,)),
    ],
)
def test_where_http_is_spoken(workload: Workload, http: tuple[int, ...]) -> None:
    """HTTP is certain at the first port of its types, where the public comes in, and where health is asked by HTTP."""
    assert http_ports(workload) == http


def test_h2c_is_found_out() -> None:
    """No port of a service that speaks h2c is taken for one of HTTP/1, not even the public one."""
    spoken = replace(API, hosts={8000: ("a.x",)}, proxy=RouteSettings(Proxy(protocol=Protocol.H2C)))

    assert http_ports(spoken) == ()


def test_a_port_of_health_is_listed() -> None:
    """The port that health is asked at is one that the service listens on."""
    assert listed_ports(replace(API, health=Health(http="/", port=9001))) == (8000, 9000, 9001)


def test_ready_replicas_are_found() -> None:
    """Callers find the replicas of the release that run, no more than it wants; nothing is said of services without an address."""
    there = [container(1), container(2, "exited"), container(3, spec="old"), container(4), container(5)]

    [found] = inside_services(PLACE, release(API, SITE), {"api": "10.213.4.192"}, there)

    assert found.replicas == ("10.213.4.1", "10.213.4.4")
    assert (found.network, found.address, found.service, found.release) == (PLACE.subnet, "10.213.4.192", "api", "v3")


def test_what_is_not_live_is_served_by_what_comes() -> None:
    """A service of the live release is called as long as it has a replica; where it has none, and for new ones, the coming is."""
    here = {"api": "10.213.4.192", "new": "10.213.4.193"}
    new = replace(API, name="new")
    live = inside_services(PLACE, release(API), here, [container(1)])
    stopped = inside_services(PLACE, release(API), here, [container(1, "exited")])
    coming = inside_services(PLACE, release(API, new), here, [container(7)])

    assert [(one.service, one.replicas) for one in first_served(live, coming)] == [
        ("api", ("10.213.4.1",)),
        ("new", ()),
    ]
    assert [(one.service, one.replicas) for one in first_served(stopped, coming)] == [
        ("api", ("10.213.4.7",)),
        ("new", ()),
    ]
    assert first_served(live, []) == live


def test_rules_tell_their_routes() -> None:
    """What a firewall leads, and where to, can be read back from its rules."""
    text = rules("HOSTESS-x", ["10.213.4.0/24", "10.213.7.0/24"], "198.18.1.2:7655")

    assert routes(text) == {"10.213.4.192/26", "10.213.7.192/26", "198.18.1.2/32"}
    assert "-s 10.213.4.0/24 -d 10.213.4.192/26 -p tcp -j DNAT --to-destination 198.18.1.2:7655" in text


def test_each_look_is_one() -> None:
    """Whenever the timer comes, what was removed from the firewall is put back: no look is passed over as too early."""
    assert LEAD_EVERY.total_seconds() > AGAIN_SECONDS + 10
