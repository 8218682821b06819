"""Secrets of builds on a real engine: they arrive, stay out of what is left, and are nobody else's."""

import asyncio
import hashlib
import os
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.ports import BuildSecrets
from hostess.domain.problem import Problem
from tests.contract.engines import Bench, a_bench, refusal, until_there

pytestmark = pytest.mark.docker

STORES = "FROM busybox:1\nRUN --mount=type=secret,id=TOKEN,required=true sha256sum < /run/secrets/TOKEN > /sum\n"
"""Leaves the checksum of a secret in the image."""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a real engine; what was made on it is removed afterwards."""
    async with a_bench(DockerEngine()) as there:
        yield there


def owner(name: str = "shop") -> str:
    """Return whose a build is, new to the engine's cache."""
    return f"{name}/{os.getpid()}/{uuid4().hex}"


def docker(*words: str) -> str:
    """Return what Docker's client says."""
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def checksum(image: str) -> str:
    """Return what a build left in /sum."""
    return docker("run", "--rm", "--network=none", image, "cat", "/sum").split()[0]


def expected(value: str) -> str:
    """Return the checksum of a value."""
    return hashlib.sha256(value.encode()).hexdigest()


def sessions() -> list[str]:
    """Return the threads that hold sessions."""
    return [thread.name for thread in threading.enumerate() if thread.name == "engine: a build's session"]


def connections() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except OSError:
            continue  # the one that lists
    return found


@pytest.mark.parametrize("length", [7, 65_536])
async def test_a_secret_is_read_and_left_nowhere(bench: Bench, tmp_path: Path, length: int) -> None:
    """A step reads the value; the image, its history, what was said and the cache's key do not have it."""
    value = (uuid4().hex * (length // 32 + 1))[:length]
    await bench.engine.facts()  # its connection stays
    before = connections()
    image = await bench.build({"Dockerfile": STORES}, secrets=BuildSecrets(owner(), {"TOKEN": value}))
    sum_of_it = checksum(image)
    described = docker("history", "--no-trunc", image) + docker("inspect", image)
    docker("save", "--output", str(tmp_path / "image.tar"), image)
    saved = (tmp_path / "image.tar").read_bytes()

    assert sum_of_it == expected(value)
    assert sum_of_it.encode() in saved  # so that a value in it would have been found, too
    assert value.encode() not in saved
    assert value not in described + "\n".join(bench.said)
    assert not sessions()
    assert connections() == before


async def test_the_value_is_no_part_of_the_cache(bench: Bench) -> None:
    """Another value changes nothing that is built already, as with Docker's own; without the cache it does."""
    whose = owner()
    first = await bench.build({"Dockerfile": STORES}, secrets=BuildSecrets(whose, {"TOKEN": "first-value"}))
    again = await bench.build({"Dockerfile": STORES}, secrets=BuildSecrets(whose, {"TOKEN": "second-value"}))
    fresh = await bench.build(
        {"Dockerfile": STORES}, secrets=BuildSecrets(whose, {"TOKEN": "second-value"}), no_cache=True
    )

    assert checksum(again) == checksum(first) == expected("first-value")
    assert checksum(fresh) == expected("second-value")


async def test_builds_at_once_have_their_own(bench: Bench) -> None:
    """The same lines, built at the same time for several owners, give each what its own secret makes."""
    slow = STORES.replace("sha256sum", "sleep 1; sha256sum")

    async def built(value: str, *, no_cache: bool) -> str:
        image = await bench.build(
            {"Dockerfile": slow},
            tag=f"hostess-engine-test/{os.getpid()}:{value}",
            secrets=BuildSecrets(owner(value), {"TOKEN": value}),
            no_cache=no_cache,
        )
        return checksum(image)

    names = [f"value-{number}" for number in range(3)]
    for no_cache in (False, True):
        found = await asyncio.gather(*(built(name, no_cache=no_cache) for name in names))
        assert found == [expected(name) for name in names]
    for name in names:
        await bench.engine.remove_image(f"hostess-engine-test/{os.getpid()}:{name}")


async def test_what_is_not_handed_over(bench: Bench) -> None:
    """A secret that is required and was not handed over fails its step in a sentence; an optional one is not there."""
    with refusal("build-failed") as raised:
        await bench.build({"Dockerfile": STORES}, secrets=BuildSecrets(owner(), {"OTHER": "value"}))
    optional = "FROM busybox:1\nRUN --mount=type=secret,id=TOKEN,required=false test ! -e /run/secrets/TOKEN\n"
    await bench.build({"Dockerfile": optional}, secrets=BuildSecrets(owner()))

    assert "the secret TOKEN, which build.secrets does not name" in raised.value.what
    assert not sessions()


async def test_a_cancelled_build_leaves_nothing(bench: Bench) -> None:
    """Cancelled while its step runs, a build is dead, and so are its session, its thread and its connections."""
    await bench.engine.facts()  # its connection stays
    before = connections()
    words = f"sleep 65; echo {os.getpid()}-with-secret"
    lines = f"FROM busybox:1\nRUN --mount=type=secret,id=TOKEN {words}\n"
    building = asyncio.create_task(
        bench.build({"Dockerfile": lines}, secrets=BuildSecrets(owner(), {"TOKEN": "value"}))
    )
    await until_there(words, there=True)
    held = len(sessions())
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building

    await until_there(words, there=False)
    assert held == 1
    assert not sessions()
    assert connections() == before


async def test_an_engine_that_is_closed_ends_its_sessions() -> None:
    """When the daemon stops, its builds and their sessions end with it."""
    words = f"sleep 66; echo {os.getpid()}-closed"
    lines = f"FROM busybox:1\nRUN --mount=type=secret,id=TOKEN {words}\n"
    engine = DockerEngine()
    order = BuildSecrets(owner(), {"TOKEN": "value"})
    building = asyncio.create_task(Bench(engine, str).build({"Dockerfile": lines}, secrets=order))
    await until_there(words, there=True)
    await engine.close()
    with pytest.raises(Problem):
        await building

    await until_there(words, there=False)
    assert not sessions()
