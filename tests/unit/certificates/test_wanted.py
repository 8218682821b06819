"""Which certificates a set of hosts needs of authorities that everybody trusts."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.certificates.names import covered
from hostess.domain.certificates.wanted import (
    BY_NAME,
    BY_ZONE,
    Host,
    HostKind,
    Policy,
    Wanted,
    hosts_of,
    public,
    wanted_certificates,
)
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.names import deployment_host, distinct_host
from hostess.domain.releases.release import Opened, Release, Workload
from tests.issuing import NOW

PUBLIC = Policy(acme=True, base_domain="apps.org")
WRITER = Policy(acme=True, base_domain="apps.org", dns_writer=True)
HOSTS = st.lists(
    st.builds(
        Host,
        st.sampled_from(
            [f"{first}{rest}" for first in ("", "www.", "a.") for rest in ("x.org", "apps.org", "a.apps.org")]
            + ["shop.localhost", "10.0.0.1", "x.test"]
        ),
        st.sampled_from(["shop", "blog"]),
        st.sampled_from(HostKind),
    ),
    unique_by=lambda host: host.name,
)


def custom(name: str, project: str = "shop") -> Host:
    """Return a custom domain."""
    return Host(name, project, HostKind.CUSTOM)


def generated(name: str, kind: HostKind = HostKind.GENERATED) -> Host:
    """Return a host below the base domain."""
    return Host(f"{name}.apps.org", "shop", kind)


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("shop.example.org", True),
        ("shop.xn--p1ai", True),
        ("org", False),
        ("localhost", False),
        ("a.localhost", False),
        ("shop.test", False),
        ("shop.home.arpa", False),
        ("shop.internal", False),
        ("shop.lan", False),
        ("192.168.1.2", False),
        ("1.1.1.1", False),
        ("[2606:4700::1111]", False),
    ],
)
def test_public(host: str, good: bool) -> None:
    """A host is public when somebody may own it: no address, no single label, nothing that is private by its ending."""
    assert public(host) is good


def test_one_each() -> None:
    """Each public host has a certificate of its own, proven by http-01 first; no others have one."""
    wanted = wanted_certificates(
        [
            custom("x.org"),
            custom("y.org"),
            generated("a"),
            custom("b.localhost"),
            Host("10.0.0.1", "", HostKind.CUSTOM),
        ],
        PUBLIC,
    )

    assert [each.names for each in wanted] == [("a.apps.org",), ("x.org",), ("y.org",)]
    assert {each.challenges for each in wanted} == {BY_NAME}


@pytest.mark.parametrize(
    ("hosts", "waiting", "groups"),
    [
        ([custom("x.org"), custom("www.x.org")], (), [("x.org", "www.x.org")]),
        ([custom("www.x.org"), custom("x.org")], (), [("x.org", "www.x.org")]),
        ([custom("x.org"), custom("www.x.org", "blog")], (), [("www.x.org",), ("x.org",)]),
        ([custom("x.org"), custom("www.x.org")], ("www.x.org",), [("www.x.org",), ("x.org",)]),
        ([custom("x.org"), custom("www.x.org")], ("x.org",), [("www.x.org",), ("x.org",)]),
        ([custom("www.x.org")], (), [("www.x.org",)]),
        ([custom("x.org"), Host("www.x.org", "shop", HostKind.PASSING)], (), [("x.org",)]),
    ],
)
def test_a_domain_and_its_www(hosts: Sequence[Host], waiting: Sequence[str], groups: Sequence[tuple[str, ...]]) -> None:
    """A domain and its www share a certificate where both are of one project and neither waits for its DNS."""
    assert [each.names for each in wanted_certificates(hosts, PUBLIC, waiting=waiting)] == groups


def test_the_wildcard_of_the_base_domain() -> None:
    """With somebody to write its records, hosts directly below the base domain share a wildcard, proven by dns-01."""
    wanted = wanted_certificates(
        [
            generated("a"),
            generated("b", HostKind.API),
            generated("c", HostKind.PASSING),
            custom("x.a.apps.org"),
            custom("x.org"),
        ],
        WRITER,
    )

    assert wanted == (Wanted(("*.apps.org",), BY_ZONE), Wanted(("x.a.apps.org",)), Wanted(("x.org",)))


@pytest.mark.parametrize("base", ["localhost", "apps.test", "home.arpa"])
def test_no_wildcard_below_what_nobody_owns(base: str) -> None:
    """A base domain that is not public gets no certificate, whoever writes records."""
    host = Host(f"a.{base}", "shop", HostKind.GENERATED)

    wanted = wanted_certificates([host], Policy(acme=True, base_domain=base, dns_writer=True))

    assert not wanted


@pytest.mark.parametrize("policy", [PUBLIC, WRITER])
def test_passing_hosts_cost_nothing(policy: Policy) -> None:
    """Hosts of one deployment, and of ephemeral environments, cause no order, not even one for the wildcard."""
    wanted = wanted_certificates([generated("a", HostKind.PASSING), Host("x.org", "shop", HostKind.PASSING)], policy)

    assert not wanted


def test_nothing_for_what_was_brought() -> None:
    """Hosts for which an imported certificate is good need nothing; the other of a pair stands alone."""
    wanted = wanted_certificates(
        [custom("x.org"), custom("www.x.org"), custom("a.y.org")], PUBLIC, ["x.org", "*.y.org"]
    )

    assert wanted == (Wanted(("www.x.org",)),)


@given(hosts=HOSTS, writer=st.booleans(), waiting=st.sets(st.sampled_from(["x.org", "www.x.org"])))
def test_each_host_has_one_place(hosts: list[Host], writer: bool, waiting: set[str]) -> None:
    """Every host is in exactly one certificate if it is public and lasts, else in none but the wildcard; their order changes nothing."""
    policy = Policy(acme=True, base_domain="apps.org", dns_writer=writer)

    wanted = wanted_certificates(hosts, policy, waiting=waiting)

    for host in hosts:
        found = [each for each in wanted if covered(each.names, host.name)]
        if public(host.name) and host.kind is not HostKind.PASSING:
            assert len(found) == 1
        else:
            assert [each.challenges for each in found] in ([], [BY_ZONE])
    assert wanted == wanted_certificates(hosts[::-1], policy, waiting=waiting)
    assert not wanted_certificates(hosts, Policy(acme=False, base_domain="apps.org", dns_writer=writer))


def test_the_hosts_of_a_release() -> None:
    """The host of one deployment, as it is or made distinct, and all of an ephemeral environment are passing; others are not."""
    own = deployment_host("shop", "web", "abcdef0", "apps.org")
    hosts = ("x.org", "shop-web.apps.org", own, distinct_host(own, "shop", "web", "production"))
    workload = Workload(
        "web", ServiceType.CUSTOM, "image", "spec", "", 1, 1.0, 1, singleton=False, hosts={80: hosts, 81: ("x.org",)}
    )
    database = replace(workload, type=ServiceType.POSTGRES, hosts={}, opened=Opened("shop-db.apps.org"))
    release = Release("shop", "production", 1, "abcdef0123", NOW, {"web": workload, "db": database})

    assert hosts_of(release, "apps.org", ephemeral=False) == [
        Host("x.org", "shop", HostKind.CUSTOM),
        Host("shop-web.apps.org", "shop", HostKind.GENERATED),
        Host(hosts[2], "shop", HostKind.PASSING),
        Host(hosts[3], "shop", HostKind.PASSING),
        Host("shop-db.apps.org", "shop", HostKind.GENERATED),
    ]
    assert {each.kind for each in hosts_of(release, "apps.org", ephemeral=True)} == {HostKind.PASSING}
