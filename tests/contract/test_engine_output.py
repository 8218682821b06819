"""What containers say on every engine, what is told of them, and commands within them."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from tests.contract.engines import ECHO_SH, GRACE, LABELS, Bench, refusal, ticks


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

    async with asyncio.timeout(25):
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
