"""What a service cannot be well without: while that is away, no replica of the service is replaced or restarted."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from hostess.domain import labels
from tests.fakes.building import Recipe
from tests.fakes.programs import echo
from tests.integration.release.test_checkups import HOST, Asked, ask, told, until_told
from tests.world import Bench, web

INNER = "  inner: {type: custom, image: inner:1, ports: [8000], health: {http: /health, interval: 1s}}\n"


async def container_of(bench: Bench, service: str) -> str:
    """Return the id of the only container of a service."""
    there = await bench.world.replicas.of_place("shop", "production")
    [found] = [each.id for each in there if each.labels.get(labels.SERVICE) == service]
    return found


async def remove(bench: Bench, service: str) -> None:
    """Remove the container of a service, as somebody may with the engine's own client."""
    await bench.engine.remove(await container_of(bench, service))


async def stop(bench: Bench, service: str) -> None:
    """Stop the container of a service in the same way."""
    await bench.engine.stop(await container_of(bench, service), timedelta(seconds=5))


async def until_asked(asked: Asked, times: int) -> None:
    """Wait until a replica was asked so often."""
    async with asyncio.timeout(25):
        while await asked.by_others() < times:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("away", [remove, stop])
@pytest.mark.parametrize(
    ("needed", "wants", "services"),
    [
        ("inner", "    depends_on: [inner]\n", INNER),
        ("database", '    env: {DATABASE_URL: "${database.url}"}\n', "  database: {type: postgres}\n"),
    ],
)
async def test_nothing_restarts_for_what_is_not_there(
    bench: Bench, away: Callable[[Bench, str], Awaitable[None]], needed: str, wants: str, services: str
) -> None:
    """Neither for what it depends on nor for a database that only its environment names; when that is back, it is replaced."""
    bench.engine.add_image("inner:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "1"}))
    files = web()
    files["hostess.yml"] = files["hostess.yml"].replace('    env: {MARK: "a"}\n', wants) + services
    assert (await bench.push("shop", files)).accepted, bench.text()
    try:
        await bench.world.checkups.look()
        [target] = bench.router.routes[HOST]

        await away(bench, needed)
        await ask(target, "/unhealthy")
        await until_told(bench, "service.unhealthy")
        await bench.world.checkups.look()
        await until_asked(Asked(target), 4)

        assert await told(bench) == ["service.unhealthy"]
        await bench.world.reconciler.tick()
        await until_told(bench, "service.unhealthy", "service.replaced")
    finally:
        await bench.world.checkups.stop()
