"""The API at a name of its own, on the bench: its route is in every table, and its host is nobody else's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hostess.domain.problem import Problem
from hostess.domain.records import LiveDomain
from hostess.domain.settings import ApiSettings
from tests.fakes.router import FakeRouter
from tests.world import WEB, Bench, a_bench

HOST = "hostess.example.com"
DOMAIN = f"    domains: [{HOST}]\n"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an installation whose API has a host."""
    async with a_bench(tmp_path, ApiSettings(host=HOST)) as running:
        yield running


def web(more: str = "") -> dict[str, str]:
    """Return a service's hostess.yml."""
    return {"hostess.yml": WEB.format(image="plain:1", mark="1") + more}


async def test_its_route_is_in_every_table(bench: Bench) -> None:
    """Before the API listens its host is in the table without a target, then with its address, whatever is deployed."""
    await bench.world.routing.publish()
    assert bench.router.routes == {HOST: ()}

    await bench.world.api_host.listens("0.0.0.0", 7654)
    assert bench.router.routes == {HOST: ("127.0.0.1:7654",)}
    await bench.push("shop", web())
    assert bench.router.routes[HOST] == ("127.0.0.1:7654",)
    assert "shop-web.localhost" in bench.router.routes


async def test_what_its_route_asks(bench: Bench) -> None:
    """It is served by TLS alone, waits half an hour for an answer, takes bodies of any size, and lets the API know the proxy."""
    await bench.world.api_host.listens("::", 7654)

    [route] = bench.router.tables[-1]
    assert (route.targets, route.redirect_https, route.voucher) == (("[::1]:7654",), True, bench.world.voucher)
    assert route.settings is not None
    assert (route.settings.asked.response_timeout, route.settings.asked.max_body) == (timedelta(minutes=30), None)
    assert bench.world.voucher not in repr(route)
    certificates = {name for each in bench.router.certificates[-1] for name in each.names}
    assert HOST in certificates


async def test_no_project_may_have_it(bench: Bench) -> None:
    """A push that claims the host is refused before anything is built, and the API's route stays."""
    verdict = await bench.push("shop", web(DOMAIN))

    assert not verdict.accepted
    assert f"{HOST} belongs to service api of project hostess (api.host)" in bench.text() + verdict.reason
    assert await bench.live("shop") is None


async def test_no_command_gives_it_away(bench: Bench) -> None:
    """The host cannot be given to a service by command either."""
    await bench.push("shop", web())
    domain = LiveDomain(HOST, "shop", "production", "web", datetime.now(UTC), "tester")

    with pytest.raises(Problem) as caught:
        await bench.world.domains.add(domain)
    assert caught.value.code == "host-taken"
    assert await bench.journal.domains() == []


async def test_a_project_that_had_it_before(tmp_path: Path) -> None:
    """Where a project had the host before it was set for the API, the API is served there, and the project at its other hosts."""
    async with a_bench(tmp_path) as before:
        verdict = await before.push("shop", web(DOMAIN))
        assert verdict.accepted, before.text()
        assert before.router.routes[HOST]
    async with a_bench(tmp_path, ApiSettings(host=HOST)) as bench:
        await bench.world.api_host.listens("127.0.0.1", 7654)

        assert bench.router.routes[HOST] == ("127.0.0.1:7654",)
        assert "shop-web.localhost" in bench.router.routes


async def test_a_proxy_that_is_not_there(bench: Bench) -> None:
    """The daemon starts without its proxy, and tells it where the API is as soon as it is back."""
    router: FakeRouter = bench.router
    router.unreachable = True
    await bench.world.api_host.listens("127.0.0.1", 7654)
    router.unreachable = False
    await bench.world.routing.publish()

    assert router.routes == {HOST: ("127.0.0.1:7654",)}


async def test_a_proxy_that_is_older(bench: Bench) -> None:
    """A proxy that does not know such a route serves all others, whatever is pushed, and this one when it was restarted."""
    router: FakeRouter = bench.router
    router.outdated = True
    await bench.world.api_host.listens("127.0.0.1", 7654)
    verdict = await bench.push("shop", web())

    assert verdict.accepted, bench.text()
    assert HOST not in router.routes
    assert router.routes["shop-web.localhost"]
    router.outdated = False
    await bench.world.routing.publish()
    assert router.routes[HOST] == ("127.0.0.1:7654",)
