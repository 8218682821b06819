"""One-off commands: output and exit code are passed on, and the container is gone whatever happens."""

import asyncio

import aiohttp

from tests.integration.api.stage import WITHIN, Stage

RUN = "/v1/projects/shop/environments/production/services/web/run"


async def tasks(stage: Stage) -> int:
    """Return how many one-off containers there are."""
    found = await stage.world.replicas.of_place("shop", "production")
    return sum(container.labels.get("sh.hostess.role") == "task" for container in found)


async def until_tasks(stage: Stage, count: int) -> None:
    """Wait until there are so many."""
    async with asyncio.timeout(WITHIN):
        while await tasks(stage) != count:
            await asyncio.sleep(0.02)


async def test_output_and_exit_code_are_passed_on(stage: Stage) -> None:
    """A command runs with the service's environment; its output is printed, its exit code is the client's, nothing is left."""
    await stage.live()

    said = await stage.hostess("run", "web", "-p", "shop", "--set-env", "EXTRA=1", "--", "print", "-x", "hello")
    code = await stage.hostess("run", "-p", "shop", "web", "--", "exit", "7")

    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[-1] == "-x hello"
    assert {"PLAIN=word", "EXTRA=1", "GREETING=[hidden]"} <= set(lines)
    assert code.code == 7
    assert await tasks(stage) == 0


async def test_a_command_dies_with_its_client(stage: Stage) -> None:
    """When the client goes away the command is killed and its container removed; until then the reconciler leaves it alone."""
    await stage.live()
    headers = {"Authorization": f"Bearer {stage.token}"}
    session = aiohttp.ClientSession()
    response = await session.post(stage.url + RUN, json={"command": ["sleep", "60"]}, headers=headers)
    await until_tasks(stage, 1)
    await stage.world.reconciler.tick()
    assert await tasks(stage) == 1

    response.close()
    await session.close()

    await until_tasks(stage, 0)


async def test_a_command_that_a_dead_daemon_left_is_removed(stage: Stage) -> None:
    """A one-off container that nobody holds is a leftover."""
    await stage.live()
    running = asyncio.create_task(stage.ask(f"POST {RUN}", {"command": ["sleep", "60"]}))
    await until_tasks(stage, 1)
    for mark in list(stage.world.replicas._held):
        stage.world.replicas.release(mark)

    await stage.world.reconciler.tick()

    assert await tasks(stage) == 0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_service_that_is_not_there(stage: Stage) -> None:
    """A command in an unknown service is not found, and an empty one is refused."""
    await stage.live()

    absent = await stage.ask(f"POST {RUN.replace('/web/', '/nope/')}", {"command": ["print"]})
    empty = await stage.ask(f"POST {RUN}", {"command": []})

    assert (absent.status, absent.code) == (404, "service-not-found")
    assert (empty.status, empty.code) == (422, "invalid-request")
    assert await tasks(stage) == 0
