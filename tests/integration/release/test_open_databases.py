"""Databases that are opened to the outside, on the bench: what the table says of them, and what changes with them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostess.domain.ports import OpenDatabase
from hostess.domain.settings import ProxySettings
from hostess.domain.settings_kinds import Address
from tests.integration.release.test_rotations import PLACE, Server, names, rotated
from tests.world import Bench, a_bench

STACK = """version: "1.0"
services:
  web:
    type: custom
    image: echo:1
    ports: [8000]
    health: {http: /health, interval: 1s}
    env: {URL: "%s"}
  data: {type: postgres, resources: small, special: {version: 16, external: %s}}
"""
HOST = "shop-data.localhost"


def stack(external: str = "true", url: str = "${data.external_url}") -> dict[str, str]:
    """Return a stack whose database is opened so, and whose service has this of it."""
    return {"hostess.yml": STACK % (url, external)}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an installation that listens for PostgreSQL from outside, and not for Redis; its proxy has two workers."""
    async with a_bench(tmp_path, proxy=ProxySettings(postgres=Address("", 5432), workers=2)) as running:
        Server(running)
        yield running


async def url(bench: Bench) -> str:
    """Return what the service that is live was given."""
    live = await bench.journal.live(*PLACE)
    assert live is not None
    return str((await bench.world.replicas.env(live, live.workloads["web"]))["URL"])


def opened(bench: Bench) -> list[OpenDatabase]:
    """Return those of the newest table."""
    return sorted(bench.router.databases[-1], key=lambda each: each.project)


async def test_opened_and_closed(bench: Bench) -> None:
    """The table has it with its container and half of its connections, a certificate is made, and the database runs on all the while."""
    assert (await bench.push("shop", stack("false", "${data.url}"))).accepted, bench.text()
    before = await names(bench, "data")
    assert opened(bench) == []

    await bench.push("shop", stack("{allow: [192.0.2.0/24]}"), "dry-run")
    assert f"route    data (adds {HOST})" in bench.text()
    assert (await bench.push("shop", {})).accepted, bench.text()
    assert "data  postgresql://shop-data.localhost:5432  (from outside)" in bench.text()
    [found] = opened(bench)
    [container] = [each for each in await bench.world.replicas.of_place(*PLACE) if each.name in before]
    assert found == OpenDatabase(
        HOST, "postgres", "shop", "data", "v2", (f"{container.address}:5432",), 16, ("192.0.2.0/24",), "production"
    )
    assert any(HOST in each.names for each in bench.router.certificates[-1])
    assert (await url(bench)).endswith(f"@{HOST}:5432/data?sslmode=require")
    assert await bench.journal.host_owners([HOST]) == {HOST: (*PLACE, "data")}

    assert (await bench.push("shop", stack("false", "${data.url}"))).accepted, bench.text()
    assert opened(bench) == []
    assert await names(bench, "data") == before


async def test_a_name_that_somebody_has(bench: Bench) -> None:
    """Nothing is taken over: the later one gets another name, and is told it."""
    assert (await bench.push("shop", {"hostess.yml": stack()["hostess.yml"].replace("data", "my-data")})).accepted
    assert (await bench.push("shop-my", stack())).accepted, bench.text()

    first, second = opened(bench)
    assert first.host == "shop-my-data.localhost"
    assert second.host.startswith("shop-my-data-")
    assert f"postgresql://{second.host}:5432" in bench.text()


async def test_a_rotation_and_a_rollback_behind_it(bench: Bench) -> None:
    """A consumer that comes from outside, too, is given the new password; a release of before comes back with that of today."""
    assert (await bench.push("shop", stack())).accepted, bench.text()
    before = await url(bench)
    await rotated(bench)
    today = await url(bench)
    assert today.startswith("postgresql://postgres_b:")
    assert today != before

    deployment = await bench.world.deployments.rollback(*PLACE, 1, "ann")
    async with asyncio.timeout(30):
        await bench.world.deployments.ended(deployment)
    assert await url(bench) == today


async def test_what_this_host_cannot_do(bench: Bench) -> None:
    """What it does not listen for, and what is not opened, stop a push at their places, before anything is built."""
    redis = "  kv: {type: redis, special: {external: true}}\n"
    assert not (await bench.push("shop", {"hostess.yml": stack("false")["hostess.yml"] + redis})).accepted

    said = bench.text()
    assert "hostess.yml:8:16: services.web.env.URL: ${data.external_url} has no value" in said
    assert "hostess.yml:10:41: services.kv.special.external: this host does not listen for redis from outside" in said
    assert 'proxy.redis = ":6379"' in said
    assert await bench.journal.live(*PLACE) is None


async def test_a_proxy_that_has_never_heard_of_it(bench: Bench) -> None:
    """It serves all else, and no push waits for it to be restarted."""
    bench.router.outdated = True
    assert (await bench.push("shop", stack())).accepted, bench.text()
    assert opened(bench) == []
    bench.router.outdated = False
    await bench.world.routing.publish()
    assert [each.host for each in opened(bench)] == [HOST]
