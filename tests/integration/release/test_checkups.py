"""Checkups of live replicas: who is not well gets no requests and is replaced, unless that would mend nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from hostess.domain.health import Condition, rest_after
from hostess.domain.hostess_yml.stack import Health
from hostess.domain.ports import FailedTarget
from hostess.services.keeping import checkups
from tests.fakes.building import Recipe
from tests.fakes.programs import Box, crash, echo
from tests.world import Bench, web

HOST = "shop-web.localhost"
TWO = "    replicas: 2\n"


@pytest.fixture
async def bench(bench: Bench) -> AsyncIterator[Bench]:
    """Give the installation with checkups that end with the test."""
    yield bench
    await bench.world.checkups.stop()


async def ask(address: str, path: str) -> None:
    """Ask a replica for a path, whatever it answers."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def told(bench: Bench) -> list[str]:
    """Return what has been told of services, oldest first."""
    return [event.kind for event in await bench.journal.events() if event.kind.startswith("service.")]


async def until_told(bench: Bench, *kinds: str) -> None:
    """Wait until exactly this has been told of services."""
    async with asyncio.timeout(25):
        while await told(bench) != list(kinds):
            await asyncio.sleep(0.02)


async def test_an_unhealthy_replica_gets_no_requests_and_is_replaced(bench: Bench) -> None:
    """After as many failures as the file allows a replica leaves the table; another one takes its place, then it is drained and removed."""
    assert (await bench.push("shop", web(more=TWO))).accepted, bench.text()
    await bench.world.checkups.look()
    sick, well = bench.router.routes[HOST]
    before = len(bench.engine.calls)

    await ask(sick, "/unhealthy")
    await until_told(bench, "service.unhealthy", "service.replaced")
    await bench.until_containers(2)

    seen = [set(route.targets) for table in bench.router.tables for route in table if route.host == HOST]
    assert {well} in seen
    assert {sick, well} not in seen[seen.index({well}) :]
    [successor] = set(bench.router.routes[HOST]) - {well}
    assert successor != sick
    done = [method for method, _ in bench.engine.calls[before:] if method in {"start", "stop", "remove"}]
    assert done == ["start", "stop", "remove"]
    assert (sick,) in bench.router.drains
    [unhealthy] = [each for each in await bench.journal.events() if each.kind == "service.unhealthy"]
    assert unhealthy.data["evidence"] == "answered GET /health with 503"
    assert (unhealthy.data["state"], unhealthy.data["failures"]) == ("unhealthy", 3)


async def test_a_replica_without_room_for_a_successor_is_restarted(bench: Bench) -> None:
    """Where the memory does not suffice for both it is restarted; well again, it returns to the table."""
    assert (await bench.push("shop", web(more=TWO))).accepted, bench.text()
    await bench.world.checkups.look()
    sick, well = bench.router.routes[HOST]
    bench.meter.available = 0

    await ask(sick, "/unhealthy")
    await until_told(bench, "service.unhealthy", "service.restarted", "service.healthy")

    assert (well,) in [route.targets for table in bench.router.tables for route in table if route.host == HOST]
    assert set(bench.router.routes[HOST]) == {sick, well}


async def test_a_successor_that_is_never_well_changes_nothing(bench: Bench) -> None:
    """The successor is removed, and the unhealthy replica is restarted as it is."""
    programs = [echo, crash]

    async def app(box: Box) -> int:
        return await (programs.pop(0) if len(programs) > 1 else programs[0])(box)

    bench.engine.add_image("once:1", Recipe({"/app": app}, cmd=("/app",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", web("once:1"))).accepted, bench.text()
    await bench.world.checkups.look()
    [sick] = await bench.world.replicas.of_place("shop", "production")

    await ask(f"{sick.address}:8000", "/unhealthy")
    await until_told(bench, "service.unhealthy", "service.restarted")

    assert [each.id for each in await bench.world.replicas.of_place("shop", "production")] == [sick.id]
    assert await bench.journal.tasks() == []


async def test_when_none_is_well_all_stay_routed(bench: Bench) -> None:
    """The last replicas keep their requests though all are unhealthy, and they are replaced one at a time."""
    assert (await bench.push("shop", web(more=TWO))).accepted, bench.text()
    await bench.world.checkups.look()
    both = bench.router.routes[HOST]
    for address in both:
        await ask(address, "/unhealthy")

    async with asyncio.timeout(25):
        while (kinds := await told(bench)).count("service.replaced") < len(both):
            await asyncio.sleep(0.02)
            assert bench.router.routes[HOST]

    assert sorted(kinds) == ["service.replaced", "service.replaced", "service.unhealthy", "service.unhealthy"]
    assert not set(bench.router.routes[HOST]) & set(both)
    assert len(bench.router.routes[HOST]) == len(both)


async def test_nothing_restarts_for_the_fault_of_another(bench: Bench) -> None:
    """A service is not restarted while what it depends on does not answer, and a database never is."""
    files = web(more="    depends_on: [inner]\n")
    files["hostess.yml"] += (
        "  inner: {type: custom, image: inner:1, ports: [8000], health: {http: /health, interval: 1h}}\n"
    )
    bench.engine.add_image("inner:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", files)).accepted, bench.text()
    await bench.world.checkups.look()
    inner = next(c for c in await bench.world.replicas.of_place("shop", "production") if "inner" in c.name)
    await ask(f"{inner.address}:8000", "/unhealthy")
    await ask(bench.router.routes[HOST][0], "/unhealthy")
    await until_told(bench, "service.unhealthy")
    for _ in range(3):
        await bench.world.checkups.look()

    assert await told(bench) == ["service.unhealthy"]
    await ask(f"{inner.address}:8000", "/healthy")
    await until_told(bench, "service.unhealthy", "service.replaced")


@asynccontextmanager
async def heeding(bench: Bench) -> AsyncIterator[None]:
    """Heed what the proxy tells of failed requests meanwhile."""
    task = asyncio.create_task(bench.world.failed.run(bench.world.checkups.suspect))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Asked:
    """How often others have asked a replica, since this was made."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._begun = self._own = 0

    async def by_others(self) -> int:
        """Return it."""
        host, _, port = self._address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /requests HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.partition("Content-Length: ")[2].partition("\r\n")[0])
        count = int(await reader.readexactly(length))
        writer.close()
        self._own += 1
        self._begun = self._begun or count - 1
        return count - self._begun - self._own


SLOW = "health: {http: /health, interval: 1h, retries: 1}"


async def test_who_fails_requests_is_asked_at_once(bench: Bench) -> None:
    """Long before its time; what it answers is the reason, what the proxy has counted is told with it."""
    files = web(more=TWO)
    files["hostess.yml"] = files["hostess.yml"].replace("health: {http: /health, interval: 1s, retries: 3}", SLOW)
    assert (await bench.push("shop", files)).accepted, bench.text()
    await bench.world.checkups.look()
    sick, well = bench.router.routes[HOST]
    await ask(sick, "/unhealthy")

    async with heeding(bench):
        bench.router.failed.put_nowait(FailedTarget(sick, 3, "closed", out=False))
        await until_told(bench, "service.unhealthy", "service.replaced")

    [unhealthy] = [each for each in await bench.journal.events() if each.kind == "service.unhealthy"]
    assert (unhealthy.data["requests_failed"], unhealthy.data["last_failure"]) == (3, "closed")
    assert "it answered GET /health with 503; 3 requests failed since" in unhealthy.message
    assert well in bench.router.routes[HOST]


async def test_who_fails_requests_and_answers_its_check_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed requests alone change nothing, and it is asked once before its time, however many there are; they are shown."""
    monkeypatch.setattr(checkups, "COMMAND_PAUSE", 0.0)
    files = web(more=TWO)
    files["hostess.yml"] = files["hostess.yml"].replace("health: {http: /health, interval: 1s, retries: 3}", SLOW)
    assert (await bench.push("shop", files)).accepted, bench.text()
    await bench.world.checkups.look()
    routed = bench.router.routes[HOST]
    asked = Asked(routed[0])
    assert await asked.by_others() == 0

    async with heeding(bench), asyncio.timeout(30):
        for number in range(1, 6):
            bench.router.failed.put_nowait(FailedTarget(routed[0], 1, "connect", out=True))
            while (failed := bench.world.failed.of(routed[0].rpartition(":")[0])) is None or failed.requests < number:
                await asyncio.sleep(0.01)
        while not await asked.by_others():
            await asyncio.sleep(0.02)
        bench.router.failed.put_nowait(FailedTarget(routed[0], 1, "connect", out=True))
        await bench.world.checkups.look()

    assert await asked.by_others() == 1
    assert await told(bench) == []
    assert bench.router.routes[HOST] == routed
    assert bench.world.failed.of(routed[1].rpartition(":")[0]) is None


async def test_a_failing_dependency_restarts_nothing(bench: Bench) -> None:
    """Not even what fails all requests and its own check because of it: failed requests bring a check, and no restart."""
    files = web(more="    depends_on: [inner]\n")
    files["hostess.yml"] = files["hostess.yml"].replace("health: {http: /health, interval: 1s, retries: 3}", SLOW)
    files["hostess.yml"] += (
        "  inner: {type: custom, image: inner:1, ports: [8000], health: {http: /health, interval: 1h}}\n"
    )
    bench.engine.add_image("inner:1", Recipe({"/echo": echo}, cmd=("/echo",), env={"PORT": "8000", "VERSION": "1"}))
    assert (await bench.push("shop", files)).accepted, bench.text()
    await bench.world.checkups.look()
    inner = next(c for c in await bench.world.replicas.of_place("shop", "production") if "inner" in c.name)
    [target] = bench.router.routes[HOST]
    await ask(f"{inner.address}:8000", "/unhealthy")
    await ask(target, "/unhealthy")
    before = {c.id: c.started_at for c in await bench.world.replicas.of_place("shop", "production")}

    async with heeding(bench):
        bench.router.failed.put_nowait(FailedTarget(target, 9, "closed", out=False))
        await until_told(bench, "service.unhealthy")
        bench.router.failed.put_nowait(FailedTarget(target, 9, "closed", out=False))
        await bench.world.checkups.look()

    assert {c.id: c.started_at for c in await bench.world.replicas.of_place("shop", "production")} == before


async def test_an_older_proxy_tells_of_no_failed_requests(bench: Bench) -> None:
    """It is asked again later, and everything else goes on."""
    bench.router.outdated = True

    async with heeding(bench):
        assert (await bench.push("shop", web())).accepted, bench.text()

    assert bench.world.failed.of("127.0.0.1") is None


async def test_a_deployment_is_not_disturbed(bench: Bench) -> None:
    """While somebody deploys nothing is restarted, and what a deployment retires is forgotten without a word."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    await bench.world.checkups.look()
    async with bench.world.turns.turn("shop", "production"):
        await ask(bench.router.routes[HOST][0], "/unhealthy")
        await until_told(bench, "service.unhealthy")
        await bench.world.checkups.look()
        assert await told(bench) == ["service.unhealthy"]
        pushing = asyncio.create_task(bench.push("shop", web("hostess-test/echo:2")))
        async with asyncio.timeout(30):
            while not bench.world.turns.wanted("shop", "production"):
                await asyncio.sleep(0.01)
    assert (await pushing).accepted, bench.text()
    await bench.world.checkups.look()

    assert await bench.get(HOST) == "200 2"
    assert await told(bench) == ["service.unhealthy"]


def test_what_counts() -> None:
    """So many failures in a row as `retries` make a replica unhealthy, one good answer makes it well."""
    health = Health(http="/", retries=3)
    found = Condition()
    states = []
    for answered in (False, False, True, False, False, False, False, True):
        found = found.after(health, answered=answered)
        states.append(found.well)

    assert states == [True, True, True, True, True, False, False, True]
    assert [rest_after(n) for n in (0, 1, 2, 20)] == [
        timedelta(0),
        timedelta(minutes=1),
        timedelta(minutes=2),
        timedelta(minutes=30),
    ]
