"""Services with hooks, and what is done to them."""

import asyncio

from tests.fakes.programs import Box, Program, echo
from tests.world import Bench, web

HOST = "shop-web.localhost"
HOOKS = "    command: [/watched]\n    lifecycle: {{init: {{{init}}}, shutdown: {{{shutdown}, timeout: 5s}}}}\n"
JOBS = """jobs:
  prepare: {image: plain:1, command: [prepare], run: lifecycle, env: {WHO: "${service.name}"}, retries: 1}
  flush: {image: plain:1, command: [flush], run: lifecycle, timeout: 2s, retries: 0}
"""
STORE = """  store:
    type: custom
    image: plain:1
    command: [/store]
    ports: [9000]
    persistence: {{mount: /data}}
    lifecycle: {{shutdown: {{command: [bye], timeout: 7s}}}}
    env: {{MARK: "{mark}"}}
"""


def noting(order: list[str], name: str, code: int = 0) -> Program:
    """Return a program that notes that it ran."""

    async def program(box: Box) -> int:
        order.append(name)
        box.out(f"{name} of {box.env.get('WHO', 'somebody')}")
        return code

    return program


def watched(order: list[str]) -> Program:
    """Return the test server, which notes that it started, and that it was told to end."""

    async def program(box: Box) -> int:
        order.append("web")
        code = await echo(box)
        order.append("SIGTERM")
        return code

    return program


def hooked(kind: str, mark: str = "a", more: str = "") -> dict[str, str]:
    """Return a stack whose web has both hooks, by "command" or by "job"."""
    init, shutdown = ("job: prepare", "job: flush") if kind == "job" else ("command: [prepare]", "command: [flush]")
    return web("plain:1", mark, HOOKS.format(init=init, shutdown=shutdown) + more + (JOBS if kind == "job" else ""))


async def ended(bench: Bench, begun: str) -> None:
    """Wait for a deployment that has to go live."""
    deployment = await bench.world.deployments.ended(begun)
    assert deployment.state == "live", deployment.problem


async def pushes(bench: Bench, files: dict[str, str]) -> None:
    """Push what has to be accepted."""
    verdict = await bench.push("shop", files)
    assert verdict.accepted, bench.text()


async def scales(bench: Bench, count: int) -> None:
    """Scale web."""
    await ended(bench, await bench.world.deployments.scale("shop", "production", {"web": count}, "tester"))


async def restarts(bench: Bench, service: str = "web") -> None:
    """Restart a service."""
    await ended(bench, await bench.world.deployments.restart("shop", "production", (service,), "tester"))


async def loses_one(bench: Bench) -> None:
    """Lose a container of web, and let it be repaired."""
    for container in await bench.world.replicas.of_place("shop", "production"):
        await bench.engine.remove(container.id)
    await bench.world.reconciler.tick()


async def rolls_back(bench: Bench) -> None:
    """Go back to the first release."""
    await ended(bench, await bench.world.deployments.rollback("shop", "production", 1, "tester"))


async def settled(bench: Bench) -> None:
    """Wait until nothing is being retired any more."""
    async with asyncio.timeout(25):
        while await bench.journal.tasks():
            await asyncio.sleep(0.01)
