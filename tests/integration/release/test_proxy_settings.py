"""`proxy` of a service: it is in the next table, restarts nothing, is proved as it is meant, and a rollback brings it back."""

from hashlib import sha256

from hostess.domain.ports import Upstreams
from hostess.domain.routing.route_settings import RouteSettings
from tests.world import Bench, web

HOST = "shop-web.localhost"


def asking(proxy: str, more: str = "") -> dict[str, str]:
    """Return a stack of one service that asks this of the proxy."""
    return {"hostess.yml": web()["hostess.yml"] + f"    proxy: {proxy}\n{more}"}


def published(bench: Bench, host: str = HOST, path: str = "/") -> Upstreams:
    """Return the route of the newest table."""
    return next(route for route in bench.router.tables[-1] if (route.host, route.path) == (host, path))


def settings(bench: Bench, host: str = HOST) -> RouteSettings:
    """Return what is asked of the proxy there."""
    found = published(bench, host).settings
    assert found is not None
    return found


async def test_a_change_restarts_nothing_and_a_rollback_takes_it_back(bench: Bench) -> None:
    """What a service asks of the proxy changes routes alone, is told, and belongs to its release."""
    assert (await bench.push("shop", web())).accepted
    [before] = await bench.world.replicas.of_place("shop", "production")
    await bench.push("shop", asking("{compress: true, max_body: 1Mi}"), "dry-run")
    assert "route    web (proxy: max_body, compress)" in bench.text()
    assert published(bench).settings is None
    assert (await bench.push("shop", {})).accepted
    assert settings(bench).asked.max_body == 2**20
    assert (await bench.push("shop", asking("{compress: true}"))).accepted
    assert settings(bench).asked.max_body is None

    deployment = await bench.world.deployments.rollback("shop", "production", None, "ann")
    await bench.world.deployments.ended(deployment)

    assert settings(bench).asked.max_body == 2**20
    [after] = await bench.world.replicas.of_place("shop", "production")
    assert after.id == before.id


async def test_a_password_is_a_secret(bench: Bench) -> None:
    """The table has salt and digest; the same password keeps them, another one is told as a change; a missing one stops the push."""
    files = asking('{basic_auth: {ann: "${secret:ANN}"}}')

    assert not (await bench.push("shop", files)).accepted
    assert "hostess secrets add ANN --project shop" in bench.text()
    await bench.world.secrets.add("shop", "production", "ANN", "sesame-cafe")
    assert (await bench.push("shop", {})).accepted
    [first] = settings(bench).logins
    assert (await bench.push("shop", {"README": "x"})).accepted
    assert settings(bench).logins == (first,)
    await bench.world.secrets.edit("shop", "production", "ANN", "another")
    await bench.push("shop", {"README": "y"}, "dry-run")

    assert (first.user, first.digest) == ("ann", sha256(bytes.fromhex(first.salt) + b"sesame-cafe").hexdigest())
    assert "route    web (proxy: basic_auth)" in bench.text()
    live = await bench.live("shop")
    assert "sesame-cafe" not in repr(live) + repr(bench.router.tables)


async def test_pages_come_from_the_commit(bench: Bench) -> None:
    """Error pages are read from the pushed commit; a missing folder, text that is none, and too much of it stop the push."""
    files = asking("{error_pages: ./errors}")

    assert not (await bench.push("shop", files)).accepted
    assert "services.web.proxy.error_pages: the pushed commit has no page in a folder errors" in bench.text()
    assert not (await bench.push("shop", {"errors/404.htm": "x"})).accepted
    large = {f"errors/{code}.html": "x" * 50_000 for code in ("404", "502", "503")}
    assert not (await bench.push("shop", large)).accepted
    assert "more than 128 KB together" in bench.text()
    assert not (await bench.push("shop", dict.fromkeys(large, ""))).accepted
    assert "errors/404.html is empty" in bench.text()
    assert (await bench.push("shop", {**dict.fromkeys(large, "gone"), "errors/5xx.html": "<h1>ö</h1>"})).accepted

    assert settings(bench).pages == {"404": "gone", "502": "gone", "503": "gone", "5xx": "<h1>ö</h1>"}


async def test_two_services_at_one_host(bench: Bench) -> None:
    """Services share a domain by their paths: each has its route there, and its URL with the path."""
    api = """  api:
    type: custom
    image: hostess-test/echo:1
    ports: [8000]
    domains: [shop.example]
    env: {SELF: "${api.external_url}"}
    health: {http: /health, interval: 1s}
    proxy: {path: /api, strip_prefix: true}
"""
    files = {"hostess.yml": web()["hostess.yml"] + "    domains: [shop.example]\n" + api}

    assert (await bench.push("shop", files)).accepted, bench.text()

    assert published(bench, "shop.example").service == "web"
    assert published(bench, "shop.example", "/api").service == "api"
    assert "api  http://shop-api.localhost:8080/api" in bench.text()
    assert ("shop.example", "/api/health") in bench.router.proved
    live = await bench.live("shop")
    assert live is not None
    assert (await bench.world.replicas.env(live, live.workloads["api"]))["SELF"] == "http://shop.example:8080/api"


async def test_a_canonical_host(bench: Bench) -> None:
    """All other domains lead to the canonical host; the generated hosts serve, and the proof asks the canonical one."""
    domains = "    domains: [shop.example, www.shop.example, shop.test]\n"
    files = {"hostess.yml": asking("{canonical_host: www.shop.example}")["hostess.yml"] + domains}

    assert (await bench.push("shop", files)).accepted, bench.text()

    assert settings(bench).redirected == ("shop.example", "shop.test")
    assert bench.router.proved[-1] == ("www.shop.example", "/health")


async def test_what_asks_or_refuses_is_proved_by_that(bench: Bench) -> None:
    """A service behind a password or a list of networks goes live; one that answers without the password does not."""
    await bench.commit("shop", {})
    await bench.world.secrets.add("shop", "production", "ANN", "sesame-cafe")
    locked = '{basic_auth: {ann: "${secret:ANN}"}}'

    assert (await bench.push("shop", asking(locked))).accepted
    assert (await bench.push("shop", asking("{allow: [10.0.0.0/8]}"))).accepted
    bench.router.proof = (200, "")
    assert not (await bench.push("shop", {"hostess.yml": asking(locked)["hostess.yml"].replace('"a"', '"b"')})).accepted
