"""The life of a container on every engine."""

import asyncio

import pytest

from tests.contract.engines import ECHO, ECHO_SH, GRACE, LABELS, SUBNET, Bench, get, network, refusal


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
