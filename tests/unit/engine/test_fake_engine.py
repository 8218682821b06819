"""What tests of others may rely on in the fake engine beyond the contract: its programs, and what can be turned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from hostess.domain.ports import ContainerSpec
from hostess.domain.problem import Problem
from tests.contract.engines import Bench, get
from tests.fakes.engine import FakeEngine
from tests.fakes.programs import Box, task

GRACE = timedelta(seconds=2)


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    """Yield a fake engine."""
    made = FakeEngine()
    yield made
    await made.close()


async def run(engine: FakeEngine, image: str, *command: str, name: str = "one") -> str:
    """Create and start a container."""
    container = await engine.create(ContainerSpec(name, image, {}, "bridge", command=command or None))
    await engine.start(container)
    return container


async def address(engine: FakeEngine, container: str) -> str:
    """Return where a container listens."""
    found = await engine.container(container)
    assert found is not None
    return found.address


async def test_versions_live_side_by_side(engine: FakeEngine) -> None:
    """Two containers listen on the same port at addresses of their own, and answer with their versions."""
    old, new = await run(engine, "echo:1", name="old"), await run(engine, "echo:2", name="new")

    assert await get(await address(engine, old), "/version") == b"1"
    assert await get(await address(engine, new), "/version") == b"2"


async def test_sick(engine: FakeEngine) -> None:
    """The sick image runs, and its health page says so."""
    assert await get(await address(engine, await run(engine, "sick")), "/health") == b"sick"


async def test_crash(engine: FakeEngine) -> None:
    """The crashing image ends at once with 1 and last words."""
    container = await run(engine, "crash")

    assert await engine.wait(container) == 1
    assert "RuntimeError" in (await engine.logs(container, 1))[0].text


async def test_silent(engine: FakeEngine) -> None:
    """The silent image runs and listens nowhere."""
    container = await run(engine, "silent")

    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(await address(engine, container), 8000)


async def test_databases_listen(engine: FakeEngine) -> None:
    """A database accepts connections and its health command succeeds."""
    container = await run(engine, "postgres:18")
    async with aclosing(engine.follow(container, 1)) as lines:  # type: ignore[type-var]  # a generator
        await anext(lines)  # ready
    _, writer = await asyncio.open_connection(await address(engine, container), 5432)
    writer.close()
    await writer.wait_closed()

    assert (await engine.execute(container, ("pg_isready",), GRACE))[0] == 0


async def test_long_requests_end_properly(engine: FakeEngine) -> None:
    """A request in hand is finished when its container is asked to stop."""
    container = await run(engine, "echo:1")
    place = await address(engine, container)
    await get(place, "/version")
    asking = asyncio.create_task(get(place, "/slow?ms=300"))
    own, all_ = 1, 0
    while all_ <= own:  # until the slow one is in hand, too
        own, all_ = own + 1, int(await get(place, "/requests"))
    await engine.stop(container, GRACE)

    assert await asking == b"late"


async def test_commands_of_ones_own(engine: FakeEngine) -> None:
    """A test can give every container a command, and an image a program of its own."""
    seen: list[Box] = []

    async def alembic(box: Box) -> int:
        seen.append(box)
        return await task(4, "Running upgrade  -> 0001")(box)

    engine.commands["alembic"] = alembic
    container = await engine.create(
        ContainerSpec("m", "crash", {}, "bridge", entrypoint=("alembic",), command=("upgrade",))
    )
    await engine.start(container)

    assert await engine.wait(container) == 4
    assert seen[0].argv == ("alembic", "upgrade")


async def test_failures_on_order(engine: FakeEngine) -> None:
    """A method fails once with the Problem that a test gives, and all fail while the engine is unreachable."""
    engine.fail["start"] = Problem("container-start-failed", "no")
    with pytest.raises(Problem, match="no"):
        await run(engine, "echo:1")
    engine.unreachable = True
    with pytest.raises(Problem, match="cannot be reached"):
        await engine.containers({})
    engine.unreachable = False

    assert [container.state for container in await engine.containers({})] == ["created"]
    assert ("start", engine.calls[1][1]) == engine.calls[1]


async def test_builds_can_be_held(engine: FakeEngine) -> None:
    """A build waits for the gate, and its order is kept."""
    engine.gate = asyncio.Event()
    building = asyncio.create_task(Bench(engine, str).build({"Dockerfile": "FROM echo:2\n"}))
    await asyncio.sleep(0)
    held = not building.done()
    engine.gate.set()
    image = await building

    assert held
    assert len(engine.orders) == 1
    assert await get(await address(engine, await run(engine, image)), "/version") == b"2"
