"""Which names are good for which hosts, and which certificates a set of hosts needs."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.internal_names import MOST_NAMES, Group, grouped, renewal_due, usable
from hostess.domain.certificates.names import covered, covers, name_fault, spelled, takes_wildcard
from tests.issuing import DAY, NOW

HOSTS = st.dictionaries(
    st.sampled_from(
        [f"{name}{end}" for name in "abcdefgh" for end in (".localhost", ".apps.test", ".x.apps.test", ".org")]
        + ["10.0.0.1", "1.1.1.1", "apps.test", "localhost"]
    ),
    st.sampled_from(["shop", "blog"]),
)
BASES = st.sampled_from(["localhost", "apps.test"])


@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        ("a.example.org", "a.example.org", True),
        ("*.example.org", "a.example.org", True),
        ("*.example.org", "example.org", False),
        ("*.example.org", "b.a.example.org", False),
        ("*.example.org", ".example.org", False),
        ("*.0.0.1", "10.0.0.1", False),
        ("10.0.0.1", "10.0.0.1", True),
    ],
)
def test_a_wildcard_stands_for_one_label(name: str, host: str, good: bool) -> None:
    """A name is good for the same host, a wildcard for exactly one label in its place, and never for an address."""
    assert covers(name, host) is good


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (" Shop.Example.ORG. ", "shop.example.org"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("*.bücher.example.", "*.xn--bcher-kva.example"),
        ("2001:DB8::1", "2001:db8::1"),
        ("..ü", "..ü"),
    ],
)
def test_how_people_write_a_name(written: str, name: str) -> None:
    """Letter case, spaces around, a dot at the end and letters of other alphabets make no other name; what is none stays as it is."""
    assert spelled(written) == name
    assert spelled(name) == name


def test_where_wildcards_are_accepted() -> None:
    """Browsers take no wildcard below a single label, a suffix that many share, or an address."""
    assert [takes_wildcard(domain) for domain in ("localhost", "home.arpa", "10.0.0.1", "a.localhost", "x.org")] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert name_fault("*.localhost")
    assert not name_fault("*.a.localhost")


@given(hosts=HOSTS, base=BASES)
def test_every_host_has_a_certificate(hosts: Mapping[str, str], base: str) -> None:
    """Each host is covered, each name may be in a certificate, and what was made once is used again as it is."""
    groups = grouped(hosts, base)

    assert all(any(covered(group, host) for group in groups) for host in hosts)
    assert not [name for group in groups for name in group if name_fault(name)]
    assert set(grouped(hosts, base, groups)) == set(groups)


@given(hosts=HOSTS, base=BASES, before=HOSTS)
def test_hosts_of_others_are_not_told(hosts: Mapping[str, str], base: str, before: Mapping[str, str]) -> None:
    """Whatever was there before, hosts that are neither below the base domain nor private share certificates within their project only."""

    def public(group: Group) -> set[str]:
        ends = ("localhost", "apps.test" if base == "apps.test" else "localhost", "10.0.0.1")
        return {hosts[name] for name in group if name in hosts and not name.endswith(ends)}

    for group in grouped(hosts, base, grouped(before, base)):
        assert len(public(group)) <= 1
        assert not public(group) or all(hosts.get(name) in {None, *public(group)} for name in group)


def test_a_thousand_hosts_need_few_certificates() -> None:
    """A thousand hosts below the base domain need one certificate; a thousand of localhost ten, each with a hundred names."""
    below = {f"shop-{number}.apps.test": "shop" for number in range(1000)}
    local = {f"shop-{number}.localhost": "shop" for number in range(1000)}

    assert grouped(below, "apps.test") == [{"apps.test", "*.apps.test"}]
    assert [len(group) for group in grouped(local, "localhost")] == [MOST_NAMES] * 10


def test_one_more_host_costs_one_certificate() -> None:
    """A new host is put into the certificate that has room, the full ones stay; hosts that are gone stay in theirs while most are there."""
    local = {f"shop-{number:03}.localhost": "shop" for number in range(250)}
    before = grouped(local, "localhost")
    more = grouped({**local, "new.localhost": "shop"}, "localhost", before)
    fewer = grouped(dict.fromkeys(sorted(local)[40:], "shop"), "localhost", before)

    assert len(set(more) - set(before)) == 1
    assert len(more) == 3
    assert set(fewer) == set(before)


def test_a_certificate_with_few_of_its_hosts_left_is_given_up() -> None:
    """A certificate in which more than half of the names are gone is made anew without them."""
    before = grouped({f"{name}.localhost": "shop" for name in "abcde"}, "localhost")
    assert grouped({"a.localhost": "shop", "b.localhost": "shop"}, "localhost", before) == [
        {"a.localhost", "b.localhost"}
    ]


def test_renewal_is_due_when_a_third_is_left() -> None:
    """A certificate of seven days is renewed in its fifth, and is not used when it has ended or not begun."""
    certificate = Certificate("a-1", ("a.localhost",), Source.INTERNAL, "a root", "1", NOW, NOW + 7 * DAY)

    moments = [NOW, NOW + timedelta(days=4.6), NOW + timedelta(days=4.7), NOW + 8 * DAY]
    assert [renewal_due(certificate, moment) for moment in moments] == [False, False, True, True]
    assert [usable(certificate, moment) for moment in (NOW - DAY, NOW, NOW + 6 * DAY, NOW + 7 * DAY)] == [
        False,
        True,
        True,
        False,
    ]
