"""Upgrades of databases that come to nothing: how soon, and what is left of them. Those that go well need real servers."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain import labels
from hostess.domain.ports import ContainerSpec
from hostess.domain.releases.release import State
from hostess.services.databases import upgrades
from hostess.services.databases.upgrade_notes import UpgradeNote, UpgradeNotes
from tests.fakes.building import Recipe
from tests.fakes.images import stock
from tests.fakes.programs import Box
from tests.world import Bench

DATABASE = """version: "1.0"
services:
  data: {type: postgres, resources: small, special: {version: 16}}
"""
OTHER = """version: "1.0"
services:
  data: {type: custom, image: "busybox:1", command: [sh, -c, "sleep 1000"]}
"""


async def psql(box: Box) -> int:
    """Be the client of a server of PostgreSQL 16 that never comes round to keeping writes away."""
    if "server_version_num" in box.stdin:
        box.out("160004")
    elif "pg_database_size" in box.stdin:
        box.out("1000")
    elif box.stdin.startswith("SHOW default_transaction_read_only"):
        await asyncio.sleep(30)
    return 0


async def upgraded(bench: Bench, version: str) -> tuple[State, str, list[str]]:
    """Try to upgrade; return how it ended, why, and what the server was asked."""
    real, asked = stock()["postgres:16"], list[str]()

    async def noted(box: Box) -> int:
        asked.append(box.stdin)
        return await psql(box)

    recipe = Recipe({**real.commands, "psql": noted}, cmd=real.cmd)
    bench.engine.add_image("postgres:16", recipe)
    assert (await bench.push("shop", {"hostess.yml": DATABASE})).accepted, bench.text()
    asked.clear()
    begun = await bench.world.upgrades.begin("shop", "production", "data", version, "a test")
    async with asyncio.timeout(25):
        await bench.world.deployments.ended(begun)
    ended = await bench.journal.deployment(begun)
    assert ended is not None
    return ended.state, str(ended.problem), asked


async def test_an_upgrade_to_what_is_not_later_changes_nothing(bench: Bench) -> None:
    """That the version is no later one is found out before writes are kept away and before anything is dumped."""
    state, problem, asked = await upgraded(bench, "16")

    assert (state, "data is brought to a later major alone" in problem) == (State.FAILED, True)
    assert not [script for script in asked if "read_only" in script]
    assert await bench.journal.backups("shop") == []


async def test_a_server_that_goes_on_taking_writes_is_given_up_in_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time to keep writes away is what passes, however long a single question takes; they are let in again."""
    monkeypatch.setattr(upgrades, "WITHIN", timedelta(seconds=0.3))

    state, problem, asked = await upgraded(bench, "17")

    assert (state, "data did not stop taking writes" in problem) == (State.FAILED, True)
    assert "RESET default_transaction_read_only" in asked[-1]


async def test_the_next_major_is_fetched_with_the_login(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the registry gives images to those only who are signed in, an upgrade has the login that deployments have."""
    monkeypatch.setattr(upgrades, "WITHIN", timedelta(seconds=0.3))
    await bench.engine.remove_image("postgres:17")
    bench.engine.accounts["docker.io"] = ("octocat", "open sesame")
    bench.engine.registry["postgres:17"] = stock()["postgres:16"]

    without = await upgraded(bench, "17")
    await bench.world.registries.login("docker.io", "octocat", "open sesame")
    with_login = await upgraded(bench, "17")

    assert "postgres:17 was not found" in without[1]
    assert "did not stop taking writes" in with_login[1]


async def test_what_is_left_of_an_upgrade_ends_when_its_service_is_no_database(bench: Bench) -> None:
    """A name that has become another service's is asked nothing; the volume beside goes, and nothing is tried for ever."""
    assert (await bench.push("shop", {"hostess.yml": OTHER})).accepted, bench.text()
    [deployment] = await bench.journal.deployments("shop")
    notes = UpgradeNotes(bench.journal)
    await bench.engine.make_volume("left", {})
    await notes.put(UpgradeNote(deployment.id, "shop", "production", "data", "left"))

    await bench.world.upgrades.recover()
    async with asyncio.timeout(25):
        while await notes.all():
            await asyncio.sleep(0.01)

    assert await bench.engine.volumes({}) == []
    await bench.world.upgrades.stop()


async def test_the_data_before_goes_once_its_server_is_gone(bench: Bench) -> None:
    """Asked for at once after an upgrade, the removal waits for the old server, which is removed when the new one is live already."""
    assert (await bench.push("shop", {"hostess.yml": DATABASE})).accepted, bench.text()
    instance = await bench.journal.instance()
    place = labels.of_place(instance, "shop", "production")
    volume = labels.volume_name(instance, "shop", "production", "data", "data-before")
    await bench.engine.make_volume(volume, place)
    [new] = await bench.engine.containers(place)
    before = await bench.engine.create(
        ContainerSpec("before", "postgres:16", new.labels, "", volumes={volume: "/data"})
    )

    dropping = asyncio.create_task(bench.world.upgrades.drop_old("shop", "production", "data"))
    done, _ = await asyncio.wait({dropping}, timeout=0.6)
    assert not done, dropping.result()
    await bench.engine.remove(before)
    async with asyncio.timeout(25):
        assert await dropping == [volume]

    assert volume not in await bench.engine.volumes({})
