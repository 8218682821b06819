"""Containers that are on their way out: nothing is built on them, nothing is routed to them."""

import asyncio

from tests.fakes.programs import Box, task
from tests.world import Bench, web

HOST = "shop-web.localhost"
WORKER = """  beat:
    type: custom
    image: plain:1
    command: [/worker]
    health: {command: [fine], interval: 1s}
"""


async def rolled_back(bench: Bench, number: int) -> None:
    """Roll back to a release and wait for the end."""
    begun = await bench.world.deployments.rollback("shop", "production", number, "tester")
    ended = await bench.world.deployments.ended(begun)
    assert ended.state == "live", ended.problem


async def scaled(bench: Bench, count: int) -> None:
    """Scale web and wait for the end."""
    begun = await bench.world.deployments.scale("shop", "production", {"web": count}, "tester")
    ended = await bench.world.deployments.ended(begun)
    assert ended.state == "live", ended.problem


async def test_a_rollback_does_not_lean_on_replicas_that_are_drained(bench: Bench) -> None:
    """A rollback while the old release's replicas still drain starts new ones: the draining ones are about to be stopped."""
    await bench.push("shop", web())
    old = bench.router.routes[HOST]
    bench.router.holding = asyncio.Event()
    await bench.push("shop", web("hostess-test/echo:2"))

    await rolled_back(bench, 1)
    new = bench.router.routes[HOST]
    bench.router.holding.set()
    await bench.until_containers(1)

    assert not set(old) & set(new)
    assert await bench.get(HOST) == "200 1"


async def test_a_repair_does_not_lean_on_replicas_that_are_drained(bench: Bench) -> None:
    """The reconciler replaces a lost replica and does not count one of the same kind that is being retired."""
    await bench.push("shop", web())
    bench.router.holding = asyncio.Event()
    await scaled(bench, 2)
    await scaled(bench, 1)
    [kept] = bench.router.routes[HOST]
    for container in await bench.world.replicas.of_place("shop", "production"):
        if f"{container.address}:8000" == kept:
            await bench.engine.remove(container.id)

    await bench.world.reconciler.tick()
    [new] = bench.router.routes[HOST]
    bench.router.holding.set()
    await bench.until_containers(1)

    assert new != kept
    assert await bench.get(HOST) == "200 1"


async def test_scaling_down_routes_to_what_stays(bench: Bench) -> None:
    """After scaling down the table names only the replicas that stay, before the others are stopped."""
    await bench.push("shop", web())
    await scaled(bench, 3)
    assert len(bench.router.routes[HOST]) == 3

    await scaled(bench, 1)

    assert len(bench.router.routes[HOST]) == 1
    await bench.until_containers(1)
    assert await bench.get(HOST) == "200 1"


async def test_a_worker_that_comes_back_waits_for_the_one_that_stops(bench: Bench) -> None:
    """A removed worker that a rollback brings back does not start before the one that is being stopped has ended."""
    alive, most, let_go = 0, 0, asyncio.Event()

    async def worker(box: Box) -> int:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        try:
            await box.stopping.wait()
            await let_go.wait()
        finally:
            alive -= 1
        return 0

    bench.engine.commands |= {"/worker": worker, "fine": task(0)}
    assert (await bench.push("shop", web(more=WORKER))).accepted, bench.text()
    assert (await bench.push("shop", web())).accepted
    back = asyncio.create_task(rolled_back(bench, 1))
    await asyncio.sleep(0.3)  # time in which a second one would start
    let_go.set()
    await back
    async with asyncio.timeout(25):
        while await bench.journal.tasks():
            await asyncio.sleep(0.01)

    assert most == 1
    assert alive == 1


async def test_no_table_is_ever_without_a_live_release(bench: Bench) -> None:
    """Tables that others publish in the middle of a switch route every host to a replica of the old or the new release."""
    await bench.push("shop", web())
    over = False

    async def others() -> None:
        while not over:
            await bench.world.routing.publish()

    publishing = [asyncio.create_task(others()) for _ in range(3)]
    for version in ("2", "1", "2", "1"):
        assert (await bench.push("shop", web(f"hostess-test/echo:{version}", mark=version))).accepted, bench.text()
    over = True
    await asyncio.gather(*publishing)

    assert all(route.targets for table in bench.router.tables for route in table)
