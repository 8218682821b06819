"""What every engine does, the fake one and Docker: the same tests for both."""

import asyncio
import os

import pytest

from hostess.domain.problem import Problem
from tests.contract.engines import ECHO, LABELS, SUBNET, Bench, network


async def test_facts(bench: Bench) -> None:
    """An engine says how many cores and how much memory it has."""
    facts = await bench.engine.facts()

    assert facts.cpus >= 1
    assert facts.memory > 2**28
    assert facts.root.startswith("/")
    assert facts.version
    assert facts.api.startswith("1.")


async def test_images_are_found_by_name_and_id(bench: Bench) -> None:
    """An image is the same by its name and by its id, and an absent one is None."""
    by_name = await bench.engine.image(ECHO)
    assert by_name is not None
    by_id = await bench.engine.image(by_name.id)

    assert by_id == by_name
    assert ECHO in by_name.tags
    assert await bench.engine.image("hostess-engine-test/absent:1") is None


async def test_tags_come_and_go(bench: Bench) -> None:
    """A second name can be given and taken; taking it twice, or while a container uses the image, is no error."""
    await bench.engine.tag(ECHO, "hostess-engine-test/other:name")
    named = await bench.engine.image("hostess-engine-test/other:name")
    await bench.engine.create(bench.spec("user", image="hostess-engine-test/other:name"))
    await bench.engine.remove_image("hostess-engine-test/other:name")
    await bench.engine.remove_image("hostess-engine-test/other:name")

    assert named is not None
    assert await bench.engine.image("hostess-engine-test/other:name") is None
    assert await bench.engine.image(ECHO) is not None


async def test_unreachable_registry(bench: Bench) -> None:
    """A pull from a registry where nothing listens says so within seconds."""
    async with asyncio.timeout(30):
        with pytest.raises(Problem) as raised:
            await bench.engine.pull("127.0.0.1:9/none:1", bench.said.append)

    assert raised.value.code == "registry-unreachable"
    assert "connection refused" in raised.value.what


async def test_networks(bench: Bench) -> None:
    """A network has the subnet it was given, is made once, keeps others out of its subnet, and goes."""
    await bench.engine.make_network(network(), SUBNET, LABELS)
    await bench.engine.make_network(network(), SUBNET, LABELS)
    found = await bench.engine.networks(LABELS)
    with pytest.raises(Problem) as raised:
        await bench.engine.make_network(f"{network()}-2", SUBNET, LABELS)
    await bench.engine.remove_network(network())
    await bench.engine.remove_network(network())

    assert found == {network(): SUBNET}
    assert raised.value.code == "subnet-taken"
    assert await bench.engine.networks(LABELS) == {}


async def test_volumes(bench: Bench) -> None:
    """A volume is made once, is found by its labels, and goes."""
    name = f"ht-{os.getpid()}-data"
    await bench.engine.make_volume(name, LABELS)
    await bench.engine.make_volume(name, LABELS)
    found = await bench.engine.volumes(LABELS)
    await bench.engine.remove_volume(name)
    await bench.engine.remove_volume(name)

    assert found == [name]
    assert await bench.engine.volumes(LABELS) == []
