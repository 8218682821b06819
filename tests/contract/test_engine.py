"""What every engine does: the same tests for the fake and for Docker."""

import asyncio
import io
import os
import tarfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.domain.ports import BuildOrder, Container, ContainerSpec, Engine
from hostess.domain.problem import Problem
from tests.fakes.engine import FakeEngine, loopback
from tests.side_by_side import own_number

ECHO = "hostess-test/echo:1"
ECHO_SH = "hostess-test/echo:1-sh"
LABELS = {"hostess.test": "engine", "hostess.run": str(os.getpid())}
GRACE = timedelta(seconds=5)
SUBNET = f"10.99.{own_number()}.0/24"


@dataclass
class Bench:
    """An engine, and what the tests need to make things on it."""

    engine: Engine
    seen_at: Callable[[str], str]
    said: list[str] = field(default_factory=list)

    def spec(self, name: str, **changes: object) -> ContainerSpec:
        """Return a spec of the test server."""
        plain = ContainerSpec(f"ht-{os.getpid()}-{name}", ECHO, LABELS, network="bridge")
        return replace(plain, **changes)  # type: ignore[arg-type]  # names are the fields'

    async def running(self, name: str, **changes: object) -> str:
        """Create and start a container."""
        container = await self.engine.create(self.spec(name, **changes))
        await self.engine.start(container)
        return container

    async def until(self, container: str, holds: Callable[[Container], bool]) -> Container:
        """Return the container once that holds of it."""
        async with asyncio.timeout(25):
            async for _ in ticks():
                found = await self.engine.container(container)
                if found and holds(found):
                    return found
        raise AssertionError

    async def finished(self, name: str, **changes: object) -> tuple[int, list[str]]:
        """Run a container to its end; return exit code and log."""
        container = await self.running(name, **changes)
        code = await self.engine.wait(container)
        return code, [line.text for line in await self.engine.logs(container, 100)]

    async def build(self, files: Mapping[str, str], **changes: object) -> str:
        """Build an image from these files."""
        order = BuildOrder(
            tag=f"hostess-engine-test/{os.getpid()}:built",
            context=lambda: packed(files),
            dockerfile="Dockerfile",
            args={},
            labels=LABELS,
            cpus=2.0,
            memory=2 * 1024**3,
            timeout=timedelta(seconds=30),
        )
        return await self.engine.build(replace(order, **changes), self.said.append)  # type: ignore[arg-type]  # as above


@contextmanager
def refusal(code: str) -> Iterator[pytest.ExceptionInfo[Problem]]:
    """Expect a Problem with this code."""
    with pytest.raises(Problem) as raised:
        yield raised
    assert raised.value.code == code


async def ticks() -> AsyncIterator[None]:
    """Yield now and again; for what no event tells of."""
    while True:
        yield
        await asyncio.sleep(0.05)


def network() -> str:
    """Return the name of the network of this run."""
    return f"ht-{os.getpid()}"


def packed(files: Mapping[str, str]) -> Iterator[bytes]:
    """Yield a tar of these files, in two pieces."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    yield raw.getvalue()[:100]
    yield raw.getvalue()[100:]


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Yield an engine; what was made on it is removed afterwards."""
    engine: FakeEngine | DockerEngine = FakeEngine() if request.param == "fake" else DockerEngine()
    there = Bench(engine, loopback if request.param == "fake" else str)
    yield there
    for container in await engine.containers(LABELS):
        await engine.remove(container.id)
    for volume in await engine.volumes(LABELS):
        await engine.remove_volume(volume)
    for image in await engine.images(LABELS):
        for name in image.tags or (image.id,):
            await engine.remove_image(name)
    for name in await engine.networks(LABELS):
        await engine.remove_network(name)
    await engine.close()


async def get(address: str, path: str, port: int = 8000) -> bytes:
    """Return the answer of a server that may still be starting."""
    async with asyncio.timeout(25):
        while True:
            try:
                reader, writer = await asyncio.open_connection(address, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                return await reader.readexactly(int(length.split(b":")[1]))
            finally:
                writer.close()


# ---- what it is, and what it has


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
    async with asyncio.timeout(20):
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


# ---- the life of a container


async def test_life(bench: Bench) -> None:
    """A container is created, starts (twice is once), answers at its address, stops in peace, and is removed."""
    container = await bench.engine.create(bench.spec("life"))
    created = await bench.engine.container(container)
    await bench.engine.start(container)
    await bench.engine.start(container)
    running = await bench.engine.container(container)
    assert running is not None
    answer = await get(running.address, "/version")
    await bench.engine.stop(container, GRACE)
    await bench.engine.stop(container, GRACE)
    stopped = await bench.engine.container(container)
    await bench.engine.remove(container)
    await bench.engine.remove(container)

    assert created is not None
    assert (created.state, created.exit_code, created.started_at) == ("created", None, None)
    assert (running.id, running.name, running.state, running.exit_code) == (container, created.name, "running", None)
    assert running.started_at is not None
    assert running.labels.items() >= LABELS.items()
    assert answer.strip() == b"1"
    assert stopped is not None
    assert (stopped.state, stopped.exit_code, stopped.oom_killed) == ("exited", 0, False)
    assert await bench.engine.container(container) is None


async def test_absent_containers(bench: Bench) -> None:
    """Stopping, killing and removing what is not there is no error; starting and awaiting it is."""
    await bench.engine.stop("ht-absent", GRACE)
    await bench.engine.kill("ht-absent")
    await bench.engine.remove("ht-absent")
    with refusal("container-start-failed"):
        await bench.engine.start("ht-absent")
    with refusal("container-not-found"):
        await bench.engine.wait("ht-absent")

    assert await bench.engine.container("ht-absent") is None
    assert await bench.engine.logs("ht-absent", 10) == []
    assert [line async for line in bench.engine.follow("ht-absent", 10)] == []


async def test_listing(bench: Bench) -> None:
    """All containers that carry all labels are listed, stopped ones too, oldest first, with the image's id."""
    names = ["zero", "one", "two"]
    for name in names:
        await bench.engine.create(bench.spec(name, labels={**LABELS, "which": name}))
    image = await bench.engine.image(ECHO)
    assert image is not None

    found = await bench.engine.containers(LABELS)
    assert [container.labels["which"] for container in found] == names
    assert {container.image for container in found} == {image.id}
    assert [found[1].id] == [container.id for container in await bench.engine.containers({"which": "one", **LABELS})]
    assert await bench.engine.containers({**LABELS, "which": "other"}) == []


async def test_names_are_unique(bench: Bench) -> None:
    """A name that a container has is refused to another."""
    await bench.engine.create(bench.spec("unique"))

    with refusal("name-taken"):
        await bench.engine.create(bench.spec("unique"))


async def test_create_needs_the_image(bench: Bench) -> None:
    """A container of an image that is not here is refused, not pulled."""
    with refusal("image-not-found"):
        await bench.engine.create(bench.spec("no-image", image="hostess-engine-test/absent:1"))


async def test_start_needs_the_program(bench: Bench) -> None:
    """A program that is not in the image ends its container with 127, and the log names it."""
    code, lines = await bench.finished("no-program", entrypoint=("/nowhere",))

    assert code == 127
    assert "exec /nowhere failed: No such file or directory" in lines[-1]


async def test_taken_address(bench: Bench) -> None:
    """A container does not start at an address that another has."""
    address = SUBNET.replace(".0/24", ".78")
    await bench.engine.make_network(network(), SUBNET, LABELS)
    await bench.running("first", network=network(), address=address)
    second = await bench.engine.create(bench.spec("second", network=network(), address=address))

    with refusal("container-start-failed") as raised:
        await bench.engine.start(second)
    assert "address already in use" in raised.value.what.lower()


async def test_fixed_address(bench: Bench) -> None:
    """A fixed address is the container's before, while and after it runs."""
    address = SUBNET.replace(".0/24", ".77")
    await bench.engine.make_network(network(), SUBNET, LABELS)
    container = await bench.engine.create(bench.spec("fixed", network=network(), address=address, aliases=("web",)))
    before = await bench.engine.container(container)
    await bench.engine.start(container)
    during = await bench.engine.container(container)
    await bench.engine.kill(container)
    after = await bench.engine.container(container)

    assert [found.address for found in (before, during, after) if found] == [bench.seen_at(address)] * 3


async def test_command_and_entrypoint(bench: Bench) -> None:
    """A command replaces the image's CMD, not its ENTRYPOINT; an entrypoint replaces that."""
    by_command = await bench.finished("by-command", command=("print", "one", "two"))
    by_entrypoint = await bench.finished("by-entrypoint", entrypoint=("/echo", "exit"), command=("4",))

    assert by_command == (0, ["one two"])
    assert by_entrypoint[0] == 4


async def test_environment(bench: Bench) -> None:
    """The environment reaches the program, and overrules the image's."""
    _, lines = await bench.finished("env", command=("env",), env={"COLOUR": "blue = green", "VERSION": "9"})

    assert {"COLOUR=blue = green", "VERSION=9", "PORT=8000"} <= set(lines)


async def test_files(bench: Bench) -> None:
    """Files are in the container before its program starts, in folders that are made if need be."""
    files = {"/etc/app.conf": (0o444, b"level = 3"), "/new/folder/key": (0o400, b"k")}
    command = ("sh", "-c", "cat /etc/app.conf; echo ; cat /new/folder/key")

    code, lines = await bench.finished("files", image="busybox:1", command=command, files=files)

    assert code == 0
    assert [line for line in lines if line] == ["level = 3", "k"]


async def test_crash(bench: Bench) -> None:
    """A container that ends by itself tells its exit code and its last words."""
    container = await bench.running("crash", image=ECHO_SH, entrypoint=("sh", "-c", "echo a; echo b '>&2'; exit 3"))
    code = await bench.engine.wait(container)
    found = await bench.engine.container(container)

    assert code == 3
    assert await bench.engine.wait(container) == 3
    assert found is not None
    assert (found.state, found.exit_code, found.restarts) == ("exited", 3, 0)


async def test_restarts(bench: Bench) -> None:
    """A container that should run always is started again when it ends, and not when it was stopped."""
    container = await bench.running("restarts", command=("exit", "5"), restart=True)
    found = await bench.until(container, lambda found: found.restarts >= 1)
    await bench.engine.stop(container, GRACE)
    stopped = await bench.engine.container(container)

    assert found.restarts >= 1
    assert stopped is not None
    assert stopped.state == "exited"


async def test_kept_running(bench: Bench) -> None:
    """A container that is not to be restarted stays ended; one that is told so later is started again when it ends."""
    ended = await bench.running("not-kept", command=("exit", "5"))
    found = await bench.until(ended, lambda found: found.state == "exited")
    kept = await bench.running("kept", image=ECHO_SH, entrypoint=("sh", "-c"), command=("sleep 1; exit 5",))
    await bench.engine.keep_running(kept)
    await bench.engine.keep_running("0" * 64)

    again = await bench.until(kept, lambda found: found.restarts >= 1)

    assert (found.exit_code, found.restarts) == (5, 0)
    assert again.restarts >= 1


async def test_kill(bench: Bench) -> None:
    """A killed container has ended with 137, and removing a running one kills it."""
    killed = await bench.running("killed")
    await bench.engine.kill(killed)
    removed = await bench.running("removed")
    await bench.engine.remove(removed)

    assert await bench.engine.wait(killed) == 137
    assert await bench.engine.container(removed) is None


async def test_waiting_can_be_given_up(bench: Bench) -> None:
    """Who waits for an exit can stop waiting, and the container runs on."""
    container = await bench.running("waited")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bench.engine.wait(container)
    found = await bench.engine.container(container)

    assert found is not None
    assert found.state == "running"


# ---- logs and commands


async def test_logs(bench: Bench) -> None:
    """Logs tell stream, time and text of the last lines, in order."""
    container = await bench.running("logs", image=ECHO_SH, entrypoint=("sh", "-c", "echo one; echo two; echo three"))
    await bench.engine.wait(container)
    lines = await bench.engine.logs(container, 2)
    facts = await bench.engine.container(container)

    assert [(line.stream, line.text) for line in lines] == [("stdout", "two"), ("stdout", "three")]
    assert facts is not None
    assert facts.started_at is not None
    assert all(abs(line.at - facts.started_at) < timedelta(seconds=10) for line in lines)
    assert await bench.engine.logs(container, 0) == []


async def test_follow_to_the_end(bench: Bench) -> None:
    """A follower gets what was written before, what is written now, and the end."""
    script = "echo before; sleep 0.3; echo after"
    container = await bench.running("follow", image=ECHO_SH, entrypoint=("sh", "-c", script))

    async with asyncio.timeout(25):
        lines = [line.text async for line in bench.engine.follow(container, 10)]
    assert lines == ["before", "after"]


async def test_follow_since(bench: Bench) -> None:
    """A follower can ask for what is no older than a moment."""
    script = "echo before; sleep 0.2; echo after"
    container = await bench.running("since", image=ECHO_SH, entrypoint=("sh", "-c", script))
    await bench.engine.wait(container)
    _, after = await bench.engine.logs(container, 10)

    async with asyncio.timeout(25):
        lines = [line.text async for line in bench.engine.follow(container, 10, after.at)]
    assert lines == ["after"]


async def test_follower_leaves(bench: Bench) -> None:
    """A follower can leave a container that says nothing more, at once."""
    container = await bench.running("left", image=ECHO_SH, entrypoint=("sh", "-c", "echo hello; sleep 30"))

    async with asyncio.timeout(25), aclosing(bench.engine.follow(container, 10)) as lines:  # type: ignore[type-var]  # a generator
        first = await anext(lines)
    assert first.text == "hello"


async def test_what_happens(bench: Bench) -> None:
    """Starts, ends with their exit codes, and signals that somebody had sent are told in order, of containers with the labels alone."""
    mine = {**LABELS, "hostess.mine": "1"}
    heard: list[tuple[str, str, int | None]] = []

    async def listen(since: datetime) -> None:
        async with aclosing(bench.engine.events(mine, since)) as events:  # type: ignore[type-var]  # a generator
            async for event in events:
                heard.append((event.what, event.container, event.exit_code))  # noqa: PERF401 -- read while it grows

    listening = asyncio.create_task(listen(datetime.now(UTC)))
    await bench.running("not-mine")
    ended = await bench.running("ended", command=("exit", "3"), labels=mine)
    await bench.engine.wait(ended)
    stopped = await bench.running("stopped", labels=mine)
    await bench.engine.stop(stopped, GRACE)
    code = await bench.engine.wait(stopped)
    async with asyncio.timeout(25):
        async for _ in ticks():
            if len([each for each in heard if each[0] == "die"]) > 1:
                break
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    assert [each for each in heard if each[1] == ended] == [("start", ended, None), ("die", ended, 3)]
    assert [each[:2] for each in heard[2:]] == [("start", stopped), ("kill", stopped), ("die", stopped)]
    assert heard[-1][2] == code


async def test_what_has_happened(bench: Bench) -> None:
    """Up to a moment that has passed only what was before is told; the engine knows when something ended, also after it runs again."""
    mine = {**LABELS, "hostess.mine": "2"}
    began = datetime.now(UTC)
    ended = await bench.running("passed", command=("exit", "3"), labels=mine)
    await bench.engine.wait(ended)
    between = datetime.now(UTC)
    await bench.engine.start(ended)
    await bench.engine.wait(ended)

    async with asyncio.timeout(10):
        told = [(event.what, event.exit_code) async for event in bench.engine.events(mine, began, between)]
    container = await bench.engine.container(ended)

    assert told == [("start", None), ("die", 3)]
    assert container is not None
    assert container.finished_at is not None
    assert between < container.finished_at < datetime.now(UTC)
    assert container.restarts == 0


async def test_execute(bench: Bench) -> None:
    """A command inside gives its exit code and its output, also in an image without a shell."""
    container = await bench.running("execute")

    assert await bench.engine.execute(container, ("/echo", "print", "a  b"), GRACE) == (0, "a  b\n")
    assert await bench.engine.execute(container, ("/echo", "exit", "7"), GRACE) == (7, "")
    code, output = await bench.engine.execute(container, ("sh", "-c", "true"), GRACE)
    assert code == 126
    assert "executable file not found" in output


async def test_execute_feeds_a_command(bench: Bench) -> None:
    """What a command is to read reaches it as it is, whatever a shell would make of it; without a shell inside nothing is run."""
    text = 'it\'s $HOME `id` \\n %s "quoted"\n  second line\n'
    shelled = await bench.running("fed", image=ECHO_SH, entrypoint=("sh", "-c", "sleep 30"))
    bare = await bench.running("bare")

    assert await bench.engine.execute(shelled, ("sh", "-c", "cat"), GRACE, text) == (0, text)
    assert (await bench.engine.execute(shelled, ("sh", "-c", "cat; exit 4"), GRACE, text))[0] == 4
    assert (await bench.engine.execute(bare, ("/echo", "exit", "0"), GRACE, text))[0] != 0


async def test_execute_needs_a_running_container(bench: Bench) -> None:
    """A command cannot run in a container that does not."""
    container = await bench.engine.create(bench.spec("idle"))

    with refusal("container-not-running"):
        await bench.engine.execute(container, ("/echo", "exit", "0"), GRACE)
    with refusal("container-not-running"):
        await bench.engine.execute("ht-absent", ("/echo", "exit", "0"), GRACE)


async def test_execute_has_an_end(bench: Bench) -> None:
    """A command that takes too long ends with 124 and what it said so far."""
    container = await bench.running("endless", image=ECHO_SH)
    result = await bench.engine.execute(container, ("sh", "-c", "echo begun; sleep 30"), timedelta(seconds=3))

    assert result == (124, "begun\n")


# ---- builds


async def test_build(bench: Bench) -> None:
    """A build gives an image with its tag and labels that runs as its Dockerfile says, and tells its steps."""
    dockerfile = "ARG BASE=none\nFROM ${BASE}\nENV VERSION=7\nCOPY page.txt /page.txt\n"
    image = await bench.build({"Dockerfile": dockerfile, "page.txt": "hello"}, args={"BASE": ECHO})
    found = await bench.engine.image(image)
    _, lines = await bench.finished("built", image=image, command=("env",))

    assert found is not None
    assert found.id == image
    assert found.labels.items() >= LABELS.items()
    assert found.tags == (f"hostess-engine-test/{os.getpid()}:built",)
    assert "VERSION=7" in lines
    assert any("COPY page.txt /page.txt" in line for line in bench.said)
    assert [image] == [listed.id for listed in await bench.engine.images(LABELS)]


async def test_build_again(bench: Bench) -> None:
    """The same order gives the same image."""
    files = {"Dockerfile": f"FROM {ECHO}\nENV A=1\n"}

    assert await bench.build(files) == await bench.build(files)


async def test_dockerfile_elsewhere(bench: Bench) -> None:
    """The Dockerfile may lie in a folder of the context."""
    image = await bench.build({"deploy/prod.Dockerfile": f"FROM {ECHO}\n"}, dockerfile="deploy/prod.Dockerfile")

    assert image.startswith("sha256:")


async def test_failing_step(bench: Bench) -> None:
    """A failed build names the step and its exit code and keeps what the step said."""
    with pytest.raises(Problem) as raised:
        await bench.build({"Dockerfile": "FROM busybox:1\nRUN echo on the way; exit 7\n"})

    assert raised.value.code == "build-failed"
    assert "RUN echo on the way; exit 7" in raised.value.what
    assert "exit code 7" in raised.value.what
    assert raised.value.tail == ("on the way",)
    assert "  on the way" in bench.said


@pytest.mark.parametrize(
    ("dockerfile", "code", "words"),
    [
        ("FROM hostess-engine-test-absent:1\n", "base-image-not-found", "hostess-engine-test-absent:1"),
        ("FROM busybox:1\nRAN true\n", "build-failed", "unknown instruction: RAN"),
        ("FROM busybox:1\nCOPY absent.txt /\n", "build-failed", "/absent.txt"),
    ],
)
async def test_mistakes_in_the_dockerfile(bench: Bench, dockerfile: str, code: str, words: str) -> None:
    """A mistake in the Dockerfile is told by what is wrong."""
    with pytest.raises(Problem) as raised:
        await bench.build({"Dockerfile": dockerfile})

    assert raised.value.code == code
    assert words in raised.value.what


async def test_missing_dockerfile(bench: Bench) -> None:
    """A context without its Dockerfile is told by that."""
    with pytest.raises(Problem, match="there is no Dockerfile") as raised:
        await bench.build({"README": "hello"})

    assert raised.value.code == "build-failed"


async def test_build_timeout(bench: Bench) -> None:
    """A build that takes too long is ended."""
    with pytest.raises(Problem) as raised:
        await bench.build(
            {"Dockerfile": f"FROM busybox:1\nRUN sleep 60; echo {os.getpid()}\n"}, timeout=timedelta(seconds=1)
        )

    assert raised.value.code == "build-timeout"


async def test_context_that_fails(bench: Bench) -> None:
    """A Problem met while the context is read is the build's."""

    def broken() -> Iterable[bytes]:
        yield b"x" * 512
        raise Problem("file-too-large", "too large")

    with refusal("file-too-large"):
        await bench.build({}, context=broken)
