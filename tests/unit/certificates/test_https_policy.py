"""Where plain HTTP leads to HTTPS, and the URLs that people are told."""

from datetime import timedelta
from typing import Any

import pytest

from hostess.adapters.proxy.route_keys import keys_of
from hostess.domain.hostess_yml.stack import Proxy, Remembered
from hostess.domain.ports import ServedCertificate, Upstreams
from hostess.domain.ports.proxy import Hsts
from hostess.domain.routing.https_policy import secured, trusted
from hostess.domain.routing.route_settings import RouteSettings
from hostess_proxy.tables.parsing import parse_table


def shown(*names: str, good: bool = True) -> ServedCertificate:
    """Return a certificate as the proxy shows it."""
    return ServedCertificate(names, "/chain", "/key", trusted=good)


def route(host: str, **asked: Any) -> Upstreams:
    """Return a route whose service asks for this."""
    settings = RouteSettings(Proxy(**asked)) if asked else None
    return Upstreams(host, "shop", "web", "v1", (), settings=settings)


@pytest.mark.parametrize(
    ("certificates", "is_trusted"),
    [
        ([], False),
        ([shown("a.x.org")], True),
        ([shown("*.x.org")], True),
        ([shown("b.x.org")], False),
        ([shown("a.x.org", good=False)], False),
        ([shown("*.x.org"), shown("a.x.org", good=False)], False),
        ([shown("*.x.org", good=False), shown("a.x.org")], True),
        ([shown("a.x.org"), shown("a.x.org", good=False)], True),
    ],
)
def test_what_is_shown_counts(certificates: list[ServedCertificate], *, is_trusted: bool) -> None:
    """A host is trusted when the certificate is that the proxy shows for it: the exact one, or else a wildcard, the first of its kind."""
    assert trusted(certificates)("a.x.org") is is_trusted


def test_many_hosts() -> None:
    """The certificates are looked through once, however many hosts are asked about."""
    is_trusted = trusted(iter([shown("a.x.org"), shown("*.y.org")]))

    assert [host for host in ("a.x.org", "b.x.org", "a.y.org", "b.y.org") if is_trusted(host)] == [
        "a.x.org",
        "a.y.org",
        "b.y.org",
    ]


@pytest.mark.parametrize(
    ("asked", "redirected", "hsts"),
    [
        ({}, True, None),
        ({"hsts": Remembered()}, True, Hsts(31_536_000)),
        ({"redirect_https": ()}, False, None),
        ({"redirect_https": (), "hsts": Remembered()}, False, None),
        ({"redirect_https": ("a.x.org",)}, True, None),
        ({"redirect_https": ("b.x.org",), "hsts": Remembered()}, False, None),
    ],
)
def test_a_trusted_host_leads_to_https(asked: dict[str, Any], hsts: Hsts | None, *, redirected: bool) -> None:
    """Plain HTTP leads to HTTPS unless the service turned that off for the domain; what it says for later is said only then."""
    [found] = secured([route("a.x.org", **asked)], [shown("a.x.org")])
    [other] = secured([route("a.x.org", **asked)], [shown("a.x.org", good=False)])

    assert (found.redirect_https, found.hsts) == (redirected, hsts)
    assert (other.redirect_https, other.hsts) == (False, None)


def test_the_keys() -> None:
    """The proxy is told in seconds, and of what is wanted alone."""
    asked = Remembered(timedelta(days=400), subdomains=True, preload=True)

    [found] = secured([route("a.x.org", hsts=asked)], [shown("a.x.org")])

    assert keys_of(found) == {
        "redirect_https": True,
        "hsts": {"max_age": 34_560_000, "subdomains": True, "preload": True},
    }
    raw = {"host": "a.x.org", "service": "web", "release": "v1", "targets": ["127.0.0.1:1"], "redirect_https": True}
    [read] = parse_table({"routes": [raw]}).routes
    assert read.redirect_https
