"""Domains by command: which lead to a release, which wait and why."""

from dataclasses import replace

import pytest

from hostess.domain.hostess_yml.stack import Proxy
from hostess.domain.records import LiveDomain
from hostess.domain.releases.release import Release
from hostess.domain.routing.live_domains import attached, waiting
from hostess.domain.routing.route_settings import RouteSettings
from tests.build import NOON, a_release, a_workload

SHOP = LiveDomain("shop.example.com", "shop", "production", "web", NOON, "ann")


def a_live(**fields: object) -> Release:
    """Return a release of a public web, a public admin and a private worker."""
    web = replace(a_workload(name="web"), hosts={8000: ("www.example.com", "shop-web.localhost")}, **fields)  # type: ignore[arg-type]
    admin = replace(a_workload(name="admin"), hosts={8000: ("shop-admin.localhost",)})
    worker = replace(a_workload(name="worker"), hosts={})
    return replace(a_release(web, admin, worker), project="shop", environment="production")


def hosts(release: Release, service: str = "web") -> tuple[str, ...]:
    """Return the hosts of a service's port."""
    return release.workloads[service].hosts[8000]


def test_a_domain_leads_to_its_service() -> None:
    """It is the first of the service's hosts, which people are told, and no other service has it."""
    found = attached(a_live(), [SHOP])

    assert hosts(found) == ("shop.example.com", "www.example.com", "shop-web.localhost")
    assert hosts(found, "admin") == ("shop-admin.localhost",)
    assert waiting(a_live(), [SHOP]) == []


def test_domains_of_elsewhere() -> None:
    """Those of another project or environment change nothing, and are not told."""
    others = [replace(SHOP, project="blog"), replace(SHOP, environment="staging", service="nobody")]

    assert attached(a_live(), others) == a_live()
    assert waiting(a_live(), others) == []


@pytest.mark.parametrize(
    ("domain", "why"),
    [
        (replace(SHOP, service="gone"), "v1 has no service gone"),
        (replace(SHOP, service="worker"), "service worker of v1 is not reached from outside"),
        (replace(SHOP, host="www.example.com", service="admin"), "hostess.yml leads it to web"),
    ],
)
def test_a_domain_that_waits(domain: LiveDomain, why: str) -> None:
    """One whose service is gone, private, or has lost it to hostess.yml leads nowhere, and it is said why."""
    assert attached(a_live(), [domain]) == a_live()
    assert waiting(a_live(), [domain]) == [f"{domain.host} waits: {why}"]


def test_one_of_the_file_too() -> None:
    """The same host in hostess.yml and by command is one."""
    assert attached(a_live(), [replace(SHOP, host="www.example.com")]) == a_live()


def test_a_host_shared_by_paths() -> None:
    """A service may have a host of another one by command where their paths differ."""
    live = a_live(proxy=RouteSettings(Proxy(path="/shop")))
    found = attached(live, [replace(SHOP, host="www.example.com", service="admin")])

    assert hosts(found, "admin") == ("www.example.com", "shop-admin.localhost")


def test_a_domain_leads_to_the_canonical_host() -> None:
    """Where the service has a canonical host, a domain by command leads there, as those of the file do."""
    live = a_live(proxy=RouteSettings(Proxy(canonical_host="www.example.com"), redirected=("old.example.com",)))
    web = attached(live, [SHOP]).workloads["web"]

    assert web.hosts[8000] == ("www.example.com", "shop.example.com", "shop-web.localhost")
    assert web.proxy is not None
    assert web.proxy.redirected == ("old.example.com", "shop.example.com")
