"""What only a real engine can show: that ends are ends, that limits hold, and what containers may not do."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from datetime import timedelta

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.adapters.engine.exec import Executor
from hostess.domain.problem import Problem
from tests.contract.engines import (
    ECHO,
    ECHO_SH,
    GRACE,
    LABELS,
    SUBNET,
    Bench,
    a_bench,
    get,
    network,
    refusal,
    until_there,
)

pytestmark = pytest.mark.docker


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Give a real engine; what was made on it is removed afterwards."""
    async with a_bench(DockerEngine()) as there:
        yield there


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # the library forgets the socket that it could not connect
async def test_unreachable_engine() -> None:
    """An engine that is not there is told as such, with the cause and what to do."""
    engine = DockerEngine("unix:///nowhere/docker.sock")
    problem = Problem("", "")
    try:
        await engine.facts()
    except Problem as raised:
        problem = Problem(raised.code, raised.what, remedy=raised.remedy)
    await engine.close()
    gc.collect()

    assert problem.code == "engine-unreachable"
    assert "No such file or directory" in problem.what
    assert "systemctl status docker" in problem.remedy


async def test_engine_that_refuses_connections() -> None:
    """An engine address where nothing listens is told as such."""
    engine = DockerEngine("tcp://127.0.0.1:9")
    with refusal("engine-unreachable") as raised:
        await engine.containers({})
    await engine.close()

    assert "Connection refused" in raised.value.what


@pytest.mark.parametrize(
    ("image", "command", "words"),
    [
        (ECHO, ("/echo", "sleep", "65"), "/echo sleep 65"),
        (ECHO_SH, ("sh", "-c", "sleep 66 & sleep 67; echo never"), "sleep 66"),
    ],
)
async def test_timed_out_command_is_dead(bench: Bench, image: str, command: tuple[str, ...], words: str) -> None:
    """A command at its timeout is killed inside the container with its children, with or without a shell in the image."""
    container = await bench.running("endless", image=image)
    task = asyncio.create_task(bench.engine.execute(container, command, timedelta(seconds=5)))
    await until_there(words, there=True)
    code, _ = await task

    assert code == 124
    await until_there(words, there=False)
    found = await bench.engine.container(container)
    assert found is not None
    assert found.state == "running"


async def test_command_is_killed_by_a_shell_inside(bench: Bench) -> None:
    """Where the host's processes cannot be reached, a shell inside the container kills the command."""
    container = await bench.running("inside", image=ECHO_SH)
    elsewhere = Executor(bench.engine._calls, None)  # type: ignore[attr-defined]  # the real engine's
    code, _ = await elsewhere.run(container, ("sh", "-c", "sleep 68; echo never"), timedelta(seconds=3))

    assert code == 124
    await until_there("sleep 68", there=False)


async def test_cancelled_command_is_dead(bench: Bench) -> None:
    """A command whose caller is cancelled is killed, too."""
    container = await bench.running("given-up")
    task = asyncio.create_task(bench.engine.execute(container, ("/echo", "sleep", "69"), GRACE * 10))
    await until_there("/echo sleep 69", there=True)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until_there("/echo sleep 69", there=False)


async def test_out_of_memory(bench: Bench) -> None:
    """A container that takes more memory than its limit is killed, and reported so."""
    # On a busy host the engine may hear of the kernel's reason after the end, and keeps nothing of it then.
    for number in range(5):
        if await told_greedy(bench, f"greedy-{number}"):
            return
    raise AssertionError("the engine never told that it was for want of memory")


async def told_greedy(bench: Bench, name: str) -> bool:
    """Let a container take more memory than its limit, which must kill it; return whether the engine tells why."""
    container = await bench.running(name, memory=32 * 1024**2)
    found = await bench.engine.container(container)
    assert found is not None
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        await get(found.address, "/alloc?mb=200")
    code = await bench.engine.wait(container)
    ended = await bench.engine.container(container)

    assert code == 137
    assert ended is not None
    return ended.oom_killed


@pytest.mark.parametrize(("memory", "shared"), [(1024**3, 512 * 1024), (96 * 1024**2, 64 * 1024)])
async def test_shared_memory(bench: Bench, memory: int, shared: int) -> None:
    """Half of a container's memory may be shared by its processes, and never less than the engine's own 64 MB."""
    _, lines = await bench.finished("shared", image="busybox:1", command=("df", "-k", "/dev/shm"), memory=memory)

    assert lines[-1].split()[1] == str(shared)


async def test_what_containers_may_not_do(bench: Bench) -> None:
    """Containers cannot gain privileges, craft packets or make devices, and their processes are numbered."""
    script = "cat /proc/self/status /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; ls -l /proc/1/exe; true"
    _, lines = await bench.finished("caps", image="busybox:1", command=("sh", "-c", script), cpu=64.0)
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    allowed = int(status["CapBnd"], 16)

    assert status["NoNewPrivs"] == "1"
    assert not allowed & (1 << 13)
    assert not allowed & (1 << 27)
    assert "2048" in lines
    assert any("docker-init" in line for line in lines)


@pytest.mark.parametrize("score", [900, 100])
async def test_who_is_killed_first(bench: Bench, score: int) -> None:
    """A container's processes have the score by which the kernel chooses whom to kill."""
    command = ("cat", "/proc/self/oom_score_adj")
    _, lines = await bench.finished("score", image="busybox:1", command=command, oom_score=score)

    assert lines == [str(score)]


async def test_aliases(bench: Bench) -> None:
    """A container is reached by its alias on its network."""
    await bench.engine.make_network(network(), SUBNET, LABELS)
    await bench.running("named", network=network(), aliases=("shop",))
    asker = await bench.running("asker", network=network())
    found = await bench.engine.container(asker)
    assert found is not None

    assert b"1" in await get(found.address, "/fetch?url=http://shop:8000/version")


async def test_hosts(bench: Bench) -> None:
    """A container finds the addresses that it was given for names before it asks DNS."""
    await bench.engine.make_network(network(), SUBNET, LABELS)
    target = await bench.running("target", network=network())
    there = await bench.engine.container(target)
    assert there is not None
    asker = await bench.running("asker", network=network(), hosts={"shop": there.address})
    found = await bench.engine.container(asker)
    assert found is not None

    assert b"1" in await get(found.address, "/fetch?url=http://shop:8000/version")


async def test_volumes_keep_data(bench: Bench) -> None:
    """What one container writes to a volume the next one reads."""
    volume = f"ht-{os.getpid()}-kept"
    await bench.engine.make_volume(volume, LABELS)
    write = ("sh", "-c", "echo kept > /data/file")
    await bench.finished("writer", image="busybox:1", command=write, volumes={volume: "/data"})
    _, lines = await bench.finished(
        "reader", image="busybox:1", command=("cat", "/data/file"), volumes={volume: "/data"}
    )
    for container in await bench.engine.containers(LABELS):
        await bench.engine.remove(container.id)
    await bench.engine.remove_volume(volume)

    assert lines == ["kept"]


async def test_both_streams(bench: Bench) -> None:
    """Each line is told with the stream it was written to, and long lines come whole."""
    script = "echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo"
    container = await bench.running("streams", image="busybox:1", command=("sh", "-c", script))
    await bench.engine.wait(container)
    lines = await bench.engine.logs(container, 10)

    assert {("stdout", "out"), ("stderr", "err")} <= {(line.stream, line.text) for line in lines}
    assert max(len(line.text) for line in lines) == 40_000


async def test_output_of_a_command_is_bounded(bench: Bench) -> None:
    """Of a command's output the last 16 KB are kept."""
    container = await bench.running("loud", image=ECHO_SH)
    code, output = await bench.engine.execute(container, ("sh", "-c", "seq 1 100000; echo end"), GRACE)

    assert code == 0
    assert len(output) == 16 * 1024
    assert output.endswith("100000\nend\n")


async def test_closing_ends_followers() -> None:
    """Closing the engine ends who still follows a log."""
    engine, other = DockerEngine(), DockerEngine()
    bench = Bench(engine, str)
    container = await bench.running("closing", image=ECHO_SH, entrypoint=("sh", "-c", "echo hello; sleep 30"))
    async with asyncio.timeout(25), aclosing(engine.follow(container, 10)) as lines:  # type: ignore[type-var]  # a generator
        await anext(lines)
        await engine.close()
        with suppress(StopAsyncIteration, Problem):
            await anext(lines)
    await other.remove(container)
    await other.close()


async def test_a_volume_belongs_to_whom_it_is_given_to(bench: Bench) -> None:
    """A folder belongs to its owner by number or name and keeps its rights and content; a name that the image lacks is told."""
    name = f"ht-{os.getpid()}-owned"
    await bench.engine.make_volume(name, LABELS)
    say = ("sh", "-c", "stat -c %u:%g:%a /data /data/* 2>&1; touch /data/kept; chmod 750 /data")
    seen = []
    try:
        for number, owner in enumerate(["10001:10002", "www-data", "1000:games", "4711"]):
            made = {"volumes": {name: "/data"}, "owners": {"/data": owner}, "image": "python:3.12-slim"}
            seen.append((await bench.finished(f"owned-{number}", command=say, **made))[1])
            await bench.engine.remove(bench.spec(f"owned-{number}").name)
        with refusal("owner-unknown") as raised:
            await bench.engine.create(
                bench.spec(
                    "unknown", image="python:3.12-slim", volumes={name: "/data"}, owners={"/data": "nobody-here"}
                )
            )
        assert await bench.engine.containers(LABELS) == []
    finally:
        for container in await bench.engine.containers(LABELS):
            await bench.engine.remove(container.id)
        await bench.engine.remove_volume(name)

    assert seen[0][0] == "10001:10002:755"
    assert seen[1:] == [["33:33:750", "0:0:644"], ["1000:60:750", "0:0:644"], ["4711:0:750", "0:0:644"]]
    assert "the image has no user nobody-here" in raised.value.what
