"""What only a real engine can show of images: builds that are dead when they should be, limits, logins, the cache."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import docker
import pytest

from hostess.adapters.docker_config import write_logins
from hostess.adapters.engine.build_limits import BuildLimits
from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.registries import RegistryLogin
from tests.contract.engines import (
    ECHO,
    LABELS,
    Bench,
    a_bench,
    refusal,
    ticks,
    until_there,
)
from tests.contract.registry import registry

pytestmark = pytest.mark.docker

LIMIT = 600 * 1024**2


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a real engine; what was made on it is removed afterwards."""
    async with a_bench(DockerEngine()) as there:
        yield there


async def test_pull(bench: Bench) -> None:
    """An image is fetched from its registry; one that the registry does not have is told so."""
    async with registry("engine") as address:
        image = await bench.engine.pull(f"{address}/shop:1", bench.said.append)
        with refusal("image-not-found") as raised:
            await bench.engine.pull(f"{address}/shop:2", bench.said.append)
    await bench.engine.remove_image(f"{address}/shop:1")

    assert image.tags == (f"{address}/shop:1",)
    assert image.labels == {"hostess.test": "engine"}
    assert bench.said[:2] == [f"pulling {address}/shop:1", "  1 of 1 layers"]
    assert "shop:2" in raised.value.what


async def test_a_private_image_is_fetched_with_a_login(bench: Bench) -> None:
    """A registry that wants a login gives an image to who has it, and a build begins with what was fetched that way."""
    account = ("octocat", "open sesame")
    async with registry("private", account) as address:
        reference, login = f"{address}/shop:1", RegistryLogin(address, *account)
        with refusal("image-not-found") as nobody:
            await bench.engine.pull(reference, bench.said.append)
        with refusal("registry-refused") as wrong:
            await bench.engine.sign_in(RegistryLogin(address, "octocat", "guessed"))
        await bench.engine.sign_in(login)
        image = await bench.engine.pull(reference, bench.said.append, login)
        try:
            built = await bench.build({"Dockerfile": f"FROM {reference}\nLABEL more=1\n"})
        finally:
            await bench.engine.remove_image(reference)

    assert image.labels == {"hostess.test": "private"}
    assert (await bench.engine.image(built) or image).labels["more"] == "1"
    assert "hostess registry login" in nobody.value.remedy
    assert "guessed" not in wrong.value.what


async def test_a_registry_that_is_away_takes_no_login(bench: Bench) -> None:
    """Where nothing listens, that is what is said."""
    with refusal("registry-unreachable"):
        await bench.engine.sign_in(RegistryLogin("127.0.0.1:9", "octocat", "open sesame"))


async def test_a_docker_client_has_the_logins(tmp_path: Path) -> None:
    """With the folder that is made for Railpack, Docker's client fetches what it is refused without."""
    account = ("octocat", "open sesame")
    async with registry("by its client", account) as address:
        reference = f"{address}/shop:1"
        write_logins(tmp_path / "with", tmp_path / "nothing", [RegistryLogin(address, *account)])

        async def pulled(folder: Path) -> int:
            child = await asyncio.create_subprocess_exec(
                "docker", "--config", folder, "pull", reference, stderr=asyncio.subprocess.DEVNULL
            )
            return await child.wait()

        without, with_login = await pulled(tmp_path / "without"), await pulled(tmp_path / "with")
        if with_login == 0:
            await DockerEngine().remove_image(reference)

    assert (without, with_login) == (1, 0)


@pytest.mark.parametrize("kind", ["secret,id=token", "secret,id=token,required=true", "ssh"])
async def test_builds_are_handed_nothing_unasked(bench: Bench, kind: str) -> None:
    """Without a session a step that wants a secret, or an SSH agent, fails in a sentence; it does not run without."""
    with refusal("build-failed") as raised:
        await bench.build(
            {"Dockerfile": f"FROM busybox:1\nRUN --mount=type={kind} echo it-ran-without\n"}, no_cache=True
        )

    assert "it mounts a secret that build.secrets does not name, or an SSH agent" in raised.value.what
    assert "hostess registry login" in raised.value.remedy


async def test_cancelled_build_is_dead(bench: Bench) -> None:
    """Cancelling a build kills the step that runs in the engine (scenario 28)."""
    words = f"sleep 63; echo {os.getpid()}-cancelled"
    building = asyncio.create_task(bench.build({"Dockerfile": f"FROM busybox:1\nRUN {words}\n"}))
    await until_there(words, there=True)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building

    await until_there(words, there=False)


async def test_timed_out_build_is_dead(bench: Bench) -> None:
    """A build that took too long has its step killed in the engine."""
    words = f"sleep 64; echo {os.getpid()}-late"
    for seconds in (6, 20, 60):  # until the step has begun by then
        with refusal("build-timeout") as raised:
            await bench.build({"Dockerfile": f"FROM busybox:1\nRUN {words}\n"}, timeout=timedelta(seconds=seconds))

        await until_there(words, there=False)
        if words in raised.value.what:
            return
    raise AssertionError(raised.value.what)


async def test_build_memory_is_limited(bench: Bench) -> None:
    """A build that takes more memory than its limit is killed, and the message says so (scenario 52)."""
    if os.geteuid():
        pytest.skip("only root can limit builds")
    with refusal("build-failed") as raised:
        # The limit is one for all builds of an engine: another daemon's (of a test beside) whose build ends right now lifts it.
        for number in range(5):
            greedy = f'python3 -c "x = bytearray({2 * LIMIT}); print(len(x), {os.getpid()}, {number})"'
            await bench.build({"Dockerfile": f"FROM python:3.12-slim\nRUN {greedy}\n"}, memory=LIMIT)

    assert "killed" in raised.value.what
    assert "600 MiB" in raised.value.what
    assert not any("not limited" in line for line in bench.said)


async def test_unlimited_builds_are_told_once(tmp_path: Path) -> None:
    """Where builds cannot be limited the first build says so, and works."""
    engine = DockerEngine(limits=BuildLimits(tmp_path))
    bench = Bench(engine, str)
    await bench.build({"Dockerfile": f"FROM {ECHO}\n"})
    await bench.build({"Dockerfile": f"FROM {ECHO}\n"})
    for image in await engine.images(LABELS):
        await engine.remove_image(image.tags[0])
    await engine.close()

    assert [line for line in bench.said if "not limited" in line] == [bench.said[0]]


async def test_the_cache_of_builds_is_cut(bench: Bench) -> None:
    """What was used longest ago goes, only as much as is too much; a bound above what there is removes nothing."""
    await bench.build({"Dockerfile": "FROM busybox:1\nCOPY big /big\n", "big": secrets.token_hex(500_000)})
    await bench.engine.remove_image(f"hostess-engine-test/{os.getpid()}:built")  # what an image has is not the cache's
    there = build_cache()

    assert await bench.engine.trim_build_cache(there + 10 * 1024**3) == 0
    for _ in range(10):  # others may build meanwhile
        there = build_cache()
        if await bench.engine.trim_build_cache(max(there - 1, 0)) > 0 and build_cache() < there:
            return
    raise AssertionError("nothing was removed")


def build_cache() -> int:
    """Return the bytes of the engine's cache of builds."""
    with closing(docker.APIClient()) as api:
        return sum(each["Size"] for each in api.df()["BuildCache"] or () if not each["Shared"])


async def test_build_output_is_live(bench: Bench) -> None:
    """What a step writes is told while it runs."""
    words = f"echo first {os.getpid()}; sleep 62"
    building = asyncio.create_task(bench.build({"Dockerfile": f"FROM busybox:1\nRUN {words}\n"}))
    async with asyncio.timeout(25):
        async for _ in ticks():
            if f"  first {os.getpid()}" in bench.said:
                break
    still = not building.done()
    building.cancel()
    await asyncio.gather(building, return_exceptions=True)

    assert still


async def test_no_cache(bench: Bench) -> None:
    """A build runs its steps again only when asked to."""
    files = {"Dockerfile": f"FROM busybox:1\nRUN cat /proc/sys/kernel/random/uuid > /id; echo {os.getpid()}\n"}
    first = await bench.build(files)
    second = await bench.build(files)
    third = await bench.build(files, no_cache=True)

    assert first == second != third
    assert any(line.endswith("(cached)") for line in bench.said)


async def test_an_image_without_a_command(bench: Bench) -> None:
    """A container of an image that says no command, where nothing else does, is refused with what is missing."""
    image = await bench.build({"Dockerfile": "FROM hostess-test/echo:1-sh\nENTRYPOINT []\nCMD []\n"})

    with refusal("no-command") as raised:
        await bench.engine.create(bench.spec("idle", image=image, command=None))

    assert "`command:` in hostess.yml" in raised.value.remedy
