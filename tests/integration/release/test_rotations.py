"""Rotations of passwords on the bench: what is restarted, what a failed one leaves, and what they are no reason for."""

import asyncio

from hostess.adapters.clock_system import SystemClock
from hostess.domain.databases.logins import Logins
from hostess.domain.releases.release import Deployment, State
from hostess.services.databases.access import DatabaseAccess
from tests.fakes.building import Recipe
from tests.fakes.images import stock
from tests.fakes.programs import Box
from tests.world import Bench

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: echo:1
    ports: [8000]
    health: {http: /health, interval: 1s}
    env: {DATABASE: "${data.url}", MARK: "%s"}
  other: {type: custom, image: "echo:1", ports: [8000], health: {http: /health, interval: 1s}}
  data: {type: postgres, resources: small, special: {version: 16}}
jobs:
  seed: {image: "busybox:1", command: [sh, -c, "true"], run: once, env: {DATABASE: "${data.url}"}, depends_on: [data]}
"""
PLACE = ("shop", "production")


class Server:
    """A stand-in for psql that keeps what it was asked; *refuses* ends it with an error where a script has these words."""

    def __init__(self, bench: Bench) -> None:
        self.asked: list[str] = []
        self.refuses = ""
        real = stock()["postgres:16"]
        bench.engine.add_image("postgres:16", Recipe({**real.commands, "psql": self.psql}, cmd=real.cmd))

    async def psql(self, box: Box) -> int:
        """Be the client."""
        self.asked.append(box.stdin)
        if self.refuses and self.refuses in box.stdin:
            box.out("ERROR: no")
            return 1
        return 0


async def rotated(bench: Bench) -> Deployment:
    """Rotate, and return how the deployment ended."""
    begun = await bench.world.rotations.begin(*PLACE, "data", "", "a test")
    async with asyncio.timeout(25):
        return await bench.world.deployments.ended(begun)


async def settled(bench: Bench) -> Logins:
    """Wait until nothing of a rotation is left to be done, and return what is taken then."""
    access = DatabaseAccess(bench.world.secrets, SystemClock(), bench.world.redactor)
    async with asyncio.timeout(25):
        while await access.unsettled(*PLACE):
            await asyncio.sleep(0.02)
    return await access.logins(*PLACE, "data")


async def urls(bench: Bench) -> dict[str, str]:
    """Return the URL that each consumer of what is live has."""
    live = await bench.journal.live(*PLACE)
    assert live is not None
    parts = [live.workloads["web"], live.jobs["seed"].workload]
    return {part.name: (await bench.world.replicas.env(live, part))["DATABASE"] for part in parts}


async def names(bench: Bench, service: str) -> set[str]:
    """Return the containers of a service."""
    found = await bench.world.replicas.of_place(*PLACE)
    return {each.name for each in found if each.labels["sh.hostess.service"] == service}


async def test_only_those_who_use_a_database_are_restarted(bench: Bench) -> None:
    """Its consumers get another role and password, the database and all others run on; at last the one of before is closed."""
    server = Server(bench)
    assert (await bench.push("shop", {"hostess.yml": STACK % "a"})).accepted, bench.text()
    before, data, other = await urls(bench), await names(bench, "data"), await names(bench, "other")

    ended = await rotated(bench)

    assert ended.state is State.LIVE, ended.problem
    now = await urls(bench)
    assert now["web"].startswith("postgresql://postgres_b:")
    assert now["web"] == now["seed"] != before["web"]
    assert (await names(bench, "data"), await names(bench, "other")) == (data, other)
    assert await settled(bench) == Logins((1,), 1)
    assert 'ALTER ROLE "postgres" PASSWORD NULL;' in server.asked[-1]
    assert "pg_terminate_backend" in server.asked[-1]
    assert "database.rotated" in [event.kind for event in await bench.journal.events(project="shop")]


async def test_a_job_that_ran_once_does_not_run_again(bench: Bench) -> None:
    """Its environment has another password, and that is no change of the job: not after a rotation, nor after a rollback behind it."""
    Server(bench)
    assert (await bench.push("shop", {"hostess.yml": STACK % "a"})).accepted, bench.text()
    assert "ran before" not in bench.text()
    assert (await rotated(bench)).state is State.LIVE

    assert (await bench.push("shop", {"hostess.yml": STACK % "b"})).accepted, bench.text()
    assert "seed: ran before and has not changed" in bench.text()

    back = await bench.world.deployments.rollback(*PLACE, 1, "a test")
    assert (await bench.world.deployments.ended(back)).state is State.LIVE
    assert any("the database stays as the newer release" in line for line in bench.world.transcripts.read(back))
    assert all("//postgres_b:" in url for url in (await urls(bench)).values())
    assert (await bench.push("shop", {"hostess.yml": STACK % "c"})).accepted, bench.text()
    assert "seed: ran before and has not changed" in bench.text()


async def test_a_rotation_that_the_database_refuses_changes_nothing(bench: Bench) -> None:
    """Consumers keep what they have, it is the one password again as soon as the server answers, and the next rotation goes well."""
    server = Server(bench)
    assert (await bench.push("shop", {"hostess.yml": STACK % "a"})).accepted, bench.text()
    before, web = await urls(bench), await names(bench, "web")

    server.refuses = "postgres_b"
    ended = await rotated(bench)

    assert ended.state is State.FAILED
    assert "data could not be set up: it said ERROR: no" in str(ended.problem)
    assert (await urls(bench), await names(bench, "web")) == (before, web)
    server.refuses = ""
    assert await settled(bench) == Logins((0,), 0)
    assert 'ALTER ROLE "postgres_b" PASSWORD NULL;' in server.asked[-1]
    assert (await rotated(bench)).state is State.LIVE
    assert await settled(bench) == Logins((1,), 1)


async def test_a_consumer_with_the_user_written_out_is_refused(bench: Bench) -> None:
    """Whoever takes the password alone would log in as the wrong role: it is named, and the server is asked nothing."""
    server = Server(bench)
    written = (STACK % "a").replace(
        'DATABASE: "${data.url}", MARK', 'USER: postgres, PASSWORD: "${data.password}", MARK'
    )
    assert (await bench.push("shop", {"hostess.yml": written})).accepted, bench.text()
    server.asked.clear()

    ended = await rotated(bench)

    assert (ended.problem or {})["code"] == "user-written-out"
    assert "web takes ${data.password} and not ${data.user}" in str(ended.problem)
    assert not any("PASSWORD" in script for script in server.asked)
    assert await settled(bench) == Logins()
