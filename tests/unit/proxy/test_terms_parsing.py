"""What a route asks of requests is read strictly, too."""

from ipaddress import ip_network
from typing import Any

import pytest

from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import Route, TableError
from hostess_proxy.tables.terms import NOTHING_ASKED, Credential, Hold, Hsts, Maintenance, RateLimit, Redirect, Terms

ROUTE: dict[str, Any] = {"host": "a.x", "service": "a", "release": "1", "targets": ["127.0.0.1:9000"]}
ANN: dict[str, Any] = {"user": "ann", "salt": "00ff", "digest": "ab" * 32}


def route(**keys: Any) -> Route:
    """Return what a route with these keys is read as."""
    return parse_table({"routes": [{**ROUTE, **keys}], "session_key": "ab" * 16}).routes[0]


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"strip_prefix": "yes"}, "strip_prefix"),
        ({"terms": {}}, "terms"),
        ({"basic_auth": {}}, "basic_auth"),
        ({"basic_auth": [ANN], "sign_in": []}, "basic_auth"),
        ({"basic_auth": [ANN, {**ANN, "salt": "01"}]}, "basic_auth[1].user"),
        ({"basic_auth": [{"user": "ann"}]}, "basic_auth[0]"),
        ({"basic_auth": [{**ANN, "password": "x"}]}, "basic_auth[0].password"),
        ({"basic_auth": [{**ANN, "user": "a:b"}]}, "basic_auth[0].user"),
        ({"basic_auth": [{**ANN, "user": ""}]}, "basic_auth[0].user"),
        ({"basic_auth": [{**ANN, "salt": ""}]}, "basic_auth[0].salt"),
        ({"basic_auth": [{**ANN, "digest": "AB" * 32}]}, "basic_auth[0].digest"),
        ({"basic_auth": [{**ANN, "user": f"u{i}"} for i in range(101)]}, "basic_auth"),
        ({"allow": "10.0.0.0/8"}, "allow"),
        ({"allow": ["10.0.0.0/8", "10.0.0.1/8"]}, "allow[1]"),
        ({"allow": [10]}, "allow[0]"),
        ({"rate_limit": {"requests": 1}}, "rate_limit"),
        ({"rate_limit": {"requests": 0, "seconds": 1}}, "rate_limit.requests"),
        ({"rate_limit": {"requests": 1, "seconds": 0}}, "rate_limit.seconds"),
        ({"rate_limit": {"requests": 1, "seconds": 1, "burst": 0}}, "rate_limit.burst"),
        ({"rate_limit": {"requests": 1, "seconds": 1, "per": "ip"}}, "rate_limit.per"),
        ({"redirect": "www.x"}, "redirect"),
        ({"redirect": {}}, "redirect"),
        ({"redirect": {"host": "*.x"}}, "redirect.host"),
        ({"redirect": {"host": ""}}, "redirect.host"),
        ({"redirect": {"host": "A.X."}}, "redirect.host"),
        ({"redirect": {"host": "www.x/p"}}, "redirect.host"),
        ({"redirect": {"host": "www.x", "status": 303}}, "redirect.status"),
        ({"redirect": {"host": "www.x", "status": []}}, "redirect.status"),
        ({"hsts": 31536000}, "hsts"),
        ({"hsts": {}}, "hsts"),
        ({"hsts": {"max_age": -1}}, "hsts.max_age"),
        ({"hsts": {"max_age": 10**9}}, "hsts.max_age"),
        ({"hsts": {"max_age": 1, "subdomains": "yes"}}, "hsts.subdomains"),
        ({"maintenance": True}, "maintenance"),
        ({"maintenance": {"message": "a\0b"}}, "maintenance.message"),
        ({"maintenance": {"message": "\ud800"}}, "maintenance.message"),
        ({"maintenance": {"message": "a" * 2001}}, "maintenance.message"),
        ({"maintenance": {"retry_after": 0}}, "maintenance.retry_after"),
        ({"maintenance": {"allow": ["x"]}}, "maintenance.allow[0]"),
        ({"maintenance": {"health_path": "health"}}, "maintenance.health_path"),
        ({"pause": {"requests": 0}}, "pause.requests"),
        ({"pause": {"seconds": -1}}, "pause.seconds"),
        ({"wake": {"seconds": 86401}}, "wake.seconds"),
        ({"wake": {}, "targets": [], "static": {"root": "/x"}}, "wake"),
        ({"error_pages": ["x"]}, "error_pages"),
        ({"error_pages": {"200": "x"}}, "error_pages.200"),
        ({"error_pages": {"5XX": "x"}}, "error_pages.5XX"),
        ({"error_pages": {"502": ""}}, "error_pages.502"),
        ({"error_pages": {"502": "é" * (32 * 1024 + 1)}}, "error_pages.502"),
        ({"error_pages": {str(400 + i): "x" for i in range(17)}}, "error_pages"),
    ],
)
def test_invalid_terms(keys: dict[str, Any], place: str) -> None:
    """What cannot be asked is refused, and the place is named."""
    with pytest.raises(TableError) as error:
        route(**keys)
    assert error.value.place == f"routes[0].{place}"


def test_all_terms() -> None:
    """Every term is read."""
    one = route(
        strip_prefix=True,
        basic_auth=[ANN],
        allow=["10.0.0.0/8", "2001:db8::/32"],
        rate_limit={"requests": 100, "seconds": 60, "burst": 20},
        redirect={"host": "WWW.x.", "status": 301},
        hsts={"max_age": 60, "preload": True},
        maintenance={"message": "Zurück um 12\nUhr", "retry_after": 5, "allow": ["::1"], "health_path": "/up"},
        pause={"requests": 5, "seconds": 1.5},
        wake={"requests": 6, "seconds": 2},
        error_pages={"502": "<h1>Oh</h1>", "4xx": "<h1>No</h1>"},
    )

    assert one.terms == Terms(
        strip_prefix=True,
        basic_auth=(Credential(b"ann", b"\x00\xff", b"\xab" * 32),),
        allow=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
        rate_limit=RateLimit(100, 60.0, 20),
        redirect=Redirect("www.x", 301),
        hsts=Hsts(60, preload=True),
        maintenance=Maintenance("Zurück um 12\nUhr", 5, (ip_network("::1"),), "/up"),
        pause=Hold(5, 1.5),
        wake=Hold(6, 2.0),
        error_pages=(("502", "<h1>Oh</h1>"), ("4xx", "<h1>No</h1>")),
    )


def test_defaults() -> None:
    """What is left out has a default; null is the same as left out."""
    one = route(
        rate_limit={"requests": 10, "seconds": 1}, redirect={"host": "www.x"}, maintenance={}, pause={}, wake={}
    )

    assert one.terms == Terms(
        rate_limit=RateLimit(10, 1.0, 10),
        redirect=Redirect("www.x", 308),
        maintenance=Maintenance("", 60, (), ""),
        pause=Hold(1000, 30.0),
        wake=Hold(1000, 60.0),
    )
    assert route(pause=None, allow=None).terms == NOTHING_ASKED
    assert route(allow=[], basic_auth=[]).terms == Terms(allow=(), basic_auth=())
