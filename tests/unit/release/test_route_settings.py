"""What a service asks of the proxy: how its paths look from outside, what of it is told, what proves that it is served."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hostess.adapters.proxy.route_keys import keys_of
from hostess.domain.hostess_yml.stack import Buffer, Health, Protocol, Proxy, RateLimit
from hostess.domain.ports import CanaryTargets, Maintenance, Pause, Upstreams
from hostess.domain.ports.proxy import Hsts
from hostess.domain.releases.difference import Facts, changes
from hostess.domain.releases.fingerprint import fingerprint
from hostess.domain.releases.plan import plan
from hostess.domain.releases.release import Workload
from hostess.domain.routing.closures import Closing, Closure
from hostess.domain.routing.route_settings import Login, RouteSettings, changed
from hostess.domain.routing.routes import hosts_of, proves, question_of, routes
from hostess_proxy.tables.parsing import parse_table
from tests.build import NOON, a_container, a_release, a_workload

DIGEST = "11" * 32
MAINTENANCE = Closure("shop", "production", Closing.MAINTENANCE, "", NOON, "ann")
PAUSE = replace(MAINTENANCE, kind=Closing.PAUSE, until=NOON + timedelta(seconds=20))


def asking(health: Health | None = None, **asked: Any) -> Workload:
    """Return a workload whose service asks for this."""
    logins = (Login("ann", "00", "11"),) if "basic_auth" in asked else ()
    return a_workload(health=health, proxy=RouteSettings(Proxy(**asked), logins))


@pytest.mark.parametrize(
    ("prefix", "strip", "path", "seen"),
    [
        ("/", False, "/health", "/health"),
        ("/api", True, "/health", "/api/health"),
        ("/api", False, "/api/health", "/api/health"),
        ("/api", False, "/api", "/api"),
        ("/api", False, "/health", None),
        ("/api", False, "/apiary", None),
    ],
)
def test_a_path_from_outside(prefix: str, path: str, seen: str | None, *, strip: bool) -> None:
    """A path of a service has the prefix before it where that is stripped; elsewhere it is reached only below the prefix."""
    assert RouteSettings(Proxy(path=prefix, strip_prefix=strip)).outside(path) == seen


def test_the_question_that_proves() -> None:
    """The health check is asked for where it is reached from outside; otherwise the prefix is, and any answer of the app will do."""
    checked = Health(http="/health")

    assert question_of(a_workload(), 8000) == ("/", False)
    assert question_of(a_workload(health=checked), 8000) == ("/health", True)
    assert question_of(asking(checked, path="/api", strip_prefix=True), 8000) == ("/api/health", True)
    assert question_of(asking(checked, path="/api"), 8000) == ("/api", False)


@pytest.mark.parametrize(
    ("asked", "answer", "proved"),
    [
        ({}, (200, ""), True),
        ({}, (500, ""), True),
        ({}, (401, "password-needed"), False),
        ({"basic_auth": {"ann": "A"}}, (401, "password-needed"), True),
        ({"basic_auth": {"ann": "A"}}, (200, ""), False),
        ({"basic_auth": {"ann": "A"}}, (401, ""), False),
        ({"allow": ("10.0.0.0/8",)}, (403, "not-allowed"), True),
        ({"allow": ("127.0.0.1/32",)}, (200, ""), True),
        ({"compress": True}, (403, "not-allowed"), False),
        ({"rate_limit": RateLimit(1, timedelta(1), 1)}, (429, "too-many"), True),
        ({"allow": ("10.0.0.0/8",)}, (502, "unreachable"), False),
    ],
)
def test_what_proves_a_service(asked: dict[str, Any], answer: tuple[int, str], *, proved: bool) -> None:
    """Where the proxy asks or refuses by the service's wish, that is the proof; what should ask and does not is not proved."""
    assert proves(asking(**asked), 8000, answer) is proved


def test_what_proves_a_service_in_maintenance() -> None:
    """What is in maintenance is proved by the page of that, or by the service where this host may come through."""
    checked, open_to_all = a_workload(health=Health(http="/health")), a_workload()

    for workload in (checked, open_to_all):
        for answer in ((200, ""), (503, "maintenance"), (200, "in-maintenance")):
            assert proves(workload, 8000, answer, [MAINTENANCE])
        assert not proves(workload, 8000, (503, "no-targets"), [MAINTENANCE])
        assert not proves(workload, 8000, (503, "maintenance"), [PAUSE])


def test_a_change_of_settings_is_told_and_restarts_nothing() -> None:
    """The plan names the keys that changed, without their values, and the containers stay."""
    old = asking(path="/api", allow=("10.0.0.0/8",))
    new = replace(asking(path="/v2", compress=True), spec=old.spec)
    live, wanted = a_release(old), a_release(new, number=2)

    lines = [str(c) for c in changes(live, wanted, plan(live, wanted, [a_container(old)]), Facts())]

    assert fingerprint(old, {}, {}) == fingerprint(new, {}, {})
    assert lines == [
        "route    api (adds shop-api.localhost/v2)",
        "route    api (removes shop-api.localhost/api)",
        "route    api (proxy: path, compress, allow)",
        "keep     api",
    ]


def test_what_changed_beside_the_file() -> None:
    """A password or a page that is another one now is told under its key."""
    one = RouteSettings(Proxy(), (Login("ann", "00", "11"),), {"404": "a"}, ("b.x",))
    other = RouteSettings(Proxy(), (Login("ann", "00", "22"),), {"404": "b"}, ("c.x",))

    assert changed(one, other) == ("basic_auth", "error_pages", "canonical_host")
    assert changed(None, RouteSettings()) == ()
    assert "22" not in repr(other)


def test_a_shared_host_belongs_to_the_shortest_path() -> None:
    """Of services that share a host the one with the shortest path has it in the list of hosts, whatever their order."""
    web = a_workload("web", hosts={8000: ("shop.example",)})
    api = replace(web, name="api", proxy=RouteSettings(Proxy(path="/api")))

    assert hosts_of(a_release(web, api)) == hosts_of(a_release(api, web)) == {"shop.example": "web"}


def test_closed_services_in_the_table() -> None:
    """Maintenance spares the health check's path, as it is from outside; a service's own closure goes before that of all."""
    api = asking(Health(http="/health"), path="/api", strip_prefix=True)
    own = replace(MAINTENANCE, service="api", message="back at 9", allow=("10.0.0.0/8",))

    [route] = routes(a_release(api), [], (), [MAINTENANCE, own, PAUSE])
    [other] = routes(a_release(a_workload("web")), [], (), [MAINTENANCE, own])

    assert route.maintenance == Maintenance("back at 9", 60, ("10.0.0.0/8",), "/api/health")
    assert route.pause == Pause(1000, 20)
    assert (other.maintenance, other.pause) == (Maintenance("", 60), None)


def test_a_route_that_asks_for_nothing_has_no_keys() -> None:
    """A key is in the table only where somebody asked for it."""
    plain = Upstreams("a.x", "shop", "web", "v1", ())

    assert keys_of(plain) == keys_of(replace(plain, settings=RouteSettings())) == {}


def test_the_keys_of_a_route() -> None:
    """Everything that is asked for is a key of the route, in the proxy's units, and the proxy reads all of it."""
    proxy = Proxy(
        path="/api",
        strip_prefix=True,
        response_timeout=timedelta(minutes=2),
        max_body=2**20,
        buffer_requests=Buffer(),
        compress=True,
        basic_auth={"ann": "ANN"},
        allow=("10.0.0.0/8",),
        rate_limit=RateLimit(100, timedelta(minutes=1), 20),
        canonical_host="www.x",
        error_pages="errors",
        expose_release=True,
        slow_start=timedelta(seconds=30),
        protocol=Protocol.H2C,
    )
    settings = RouteSettings(proxy, (Login("ann", "00", DIGEST),), {"404": "<p>"}, ("a.x",))
    closed = Maintenance("back at 9", 60, ("10.0.0.0/8",), "/api/health")
    tried = CanaryTargets("v2", ("10.0.0.2:80",), 10, "X-Canary", ("yes",))
    route = Upstreams(
        "a.x",
        "shop",
        "web",
        "v1",
        (),
        settings=settings,
        maintenance=closed,
        pause=Pause(1000, 30),
        canary=tried,
        redirect_https=True,
        hsts=Hsts(86400, subdomains=True),
    )

    assert keys_of(route) == {
        "strip_prefix": True,
        "first_byte_timeout": 120.0,
        "body_limit": 2**20,
        "buffer": {"memory": 2**20, "disk": 2**30},
        "compress": True,
        "basic_auth": [{"user": "ann", "salt": "00", "digest": DIGEST}],
        "allow": ["10.0.0.0/8"],
        "rate_limit": {"requests": 100, "seconds": 60.0, "burst": 20},
        "redirect": {"host": "www.x", "status": 308},
        "error_pages": {"404": "<p>"},
        "expose_release": True,
        "slow_start": 30.0,
        "protocol": "h2c",
        "maintenance": {
            "message": "back at 9",
            "retry_after": 60,
            "allow": ["10.0.0.0/8"],
            "health_path": "/api/health",
        },
        "pause": {"requests": 1000, "seconds": 30},
        "redirect_https": True,
        "hsts": {"max_age": 86400, "subdomains": True},
        "canary": {
            "release": "v2",
            "targets": ["10.0.0.2:80"],
            "percent": 10,
            "header": "X-Canary",
            "values": ["yes"],
        },
    }
    [read] = parse_table(
        {"routes": [{"host": "a.x", "service": "web", "release": "v1", "targets": [], **keys_of(route)}]}
    ).routes
    assert read.terms.maintenance is not None
    assert read.canary is not None
    assert read.terms.hsts is not None
    assert keys_of(replace(Upstreams("a.x", "shop", "web", "v1", ()), hsts=Hsts(0))) == {"hsts": {"max_age": 0}}
    assert "redirect" not in keys_of(replace(route, host="www.x"))
    assert keys_of(Upstreams("a.x", "shop", "web", "v1", (), maintenance=Maintenance("", 5))) == {
        "maintenance": {"retry_after": 5}
    }
