"""Who gets in, how much they may send, and what happens when they leave."""

import asyncio
import contextlib
import gzip
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import psutil
import pytest

from hostess.domain.releases.push import Push, Say, Verdict
from hostess_hooks.wire import SOCKET_VARIABLE, TICKET_VARIABLE
from tests.integration.git.conftest import HOOK, TOKEN, World, childless, serving

MIB = 1024 * 1024


async def test_wrong_token_is_refused(world: World) -> None:
    """Without a token, or with a wrong one, nobody gets in, and no repository is made."""
    clone = await world.clone()
    wrong = await clone.git("push", world.remote(token="wrong"), "main")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.url}/git/shop.git/info/refs?service=git-receive-pack") as answer,
    ):
        challenge = answer.headers["WWW-Authenticate"]

    assert "Authentication failed" in wrong.said
    assert (answer.status, challenge[:5]) == (401, "Basic")
    assert not world.repositories.path("shop").exists()


@pytest.mark.parametrize(
    ("project", "said"),
    [
        ("Sh..op", 'remote error: "Sh..op" is not a valid name: 2 to 63 characters'),
        ("secret", "remote error: ada may not push secret"),
    ],
)
async def test_refusals_are_told_in_words(world: World, project: str, said: str) -> None:
    """A project name that is none, and a project that is not allowed, are refused in a sentence that git shows."""
    clone = await world.clone()
    done = await clone.git("push", world.remote(project), "main")

    assert done.code != 0
    assert said in done.said


async def test_fetch_shows_the_live_commit_only(world: World) -> None:
    """What was pushed can be fetched, with protocol 2 and 0, and the refs that Hostess keeps for itself are not shown."""
    clone = await world.clone()
    await clone.good("push", "hostess", "main")
    commit = (await clone.good("rev-parse", "HEAD")).strip()
    assert await world.repositories.move_ref("shop", "refs/hostess/deployments/d1", "0" * 40, commit)
    for version in ("2", "0"):
        listed = await clone.good("-c", f"protocol.version={version}", "ls-remote", "hostess")
        target = str(world.folder / f"copy{version}")
        await clone.good("-c", f"protocol.version={version}", "clone", "-q", world.remote(), target)

        assert listed.split() == [commit, "HEAD", commit, "refs/heads/main"]
        assert (Path(target) / "file").exists()


async def test_fetch_of_a_missing_project_says_so(world: World) -> None:
    """Fetching from a project that does not exist is refused with that, and does not create it."""
    clone = await world.clone()
    done = await clone.git("fetch", "hostess")

    assert "remote error: there is no project shop" in done.said
    assert not world.repositories.path("shop").exists()


async def test_compressed_request_is_understood(world: World) -> None:
    """A request body that the client compressed reaches git as it was meant."""
    clone = await world.clone()
    await clone.good("push", "hostess", "main")
    body = gzip.compress(b"0014command=ls-refs\n0000")
    headers = {
        "Content-Type": "application/x-git-upload-pack-request",
        "Content-Encoding": "gzip",
        "Git-Protocol": "version=2",
        "Authorization": f"Bearer {TOKEN}",
    }
    url = f"{world.url}/git/shop.git/git-upload-pack"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        said = await answer.text()

    assert "refs/heads/main" in said


async def test_push_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    """A pack larger than allowed is refused, the handler never hears of it, and the next push is fine."""
    async with serving(tmp_path, max_pack=MIB) as world:
        clone = await world.clone()
        await clone.commit("big", secrets.token_bytes(3 * MIB))
        refused = await clone.git("push", "hostess", "main")
        await clone.good("reset", "-q", "--hard", "HEAD~1")

        assert refused.code != 0
        assert "pack exceeds maximum allowed size" in refused.said
        assert world.pushes == []
        await clone.good("push", "hostess", "main")


async def test_large_blob_costs_the_daemon_no_memory(world: World) -> None:
    """Receiving, checking and archiving a blob of 150 MB leaves the daemon's memory as it was."""
    clone = await world.clone()
    await clone.good("config", "core.bigFileThreshold", "1m")  # spares the client's time, not the server's
    await clone.good("config", "core.compression", "0")
    commit = await clone.commit("large", os.urandom(150 * MIB))
    daemon = psutil.Process()
    before = peak = daemon.memory_info().rss

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, daemon.memory_info().rss)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    await clone.good("push", "hostess", "main")
    size = await asyncio.to_thread(lambda: sum(map(len, world.repositories.context("shop", commit, ".", "Dockerfile"))))
    watching.cancel()

    assert size > 150 * MIB
    assert (peak - before) / MIB < 40


async def test_quiet_push_keeps_its_connection_alive(tmp_path: Path) -> None:
    """While the handler says nothing, bytes still flow to the pusher, and git does not mind them."""
    async with serving(tmp_path, keep_alive=1) as world:
        clone = await world.clone()
        alive = asyncio.Event()

        async def decide(push: Push, _say: Say) -> Sequence[Verdict]:
            await alive.wait()
            return [await world.move(push, update) for update in push.updates]

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with asyncio.TaskGroup() as both:
                upstream = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
                both.create_task(copy(reader, upstream[1]))
                both.create_task(copy(upstream[0], writer))

        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while piece := await source.read(65536):
                if b"0005\x01" in piece:
                    alive.set()
                target.write(piece)
                await target.drain()
            target.close()

        world.decide = decide
        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(25), server:
            said = await clone.good("push", f"http://git:{TOKEN}@127.0.0.1:{port}/git/shop.git", "main")

    assert "main -> main" in said


@pytest.fixture
async def left_alone(world: World) -> tuple[World, asyncio.Event, asyncio.Future[list[Verdict]]]:
    """Give a world whose handler waits for the event, says a lot, and leaves its verdicts in the future."""
    go, ended = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def decide(push: Push, say: Say) -> Sequence[Verdict]:
        say("begun")
        await go.wait()
        for number in range(5000):
            say(f"line {number}")
        verdicts = [await world.move(push, update) for update in push.updates]
        ended.set_result(verdicts)
        return verdicts

    world.decide = decide
    return world, go, ended


async def test_push_goes_on_without_its_pusher(
    left_alone: tuple[World, asyncio.Event, asyncio.Future[list[Verdict]]],
) -> None:
    """A pusher that is killed stops nothing: the branch is moved, and the tag that came along is stored (scenario 5)."""
    world, go, ended = left_alone
    clone = await world.clone()
    await clone.good("tag", "v1")
    child = await clone.start("push", "hostess", "main", "v1")
    assert child.stderr is not None
    async with asyncio.timeout(30):
        while b"remote: begun" not in await child.stderr.readline():
            pass
        os.killpg(child.pid, signal.SIGKILL)
        await child.communicate()
        go.set()
        verdicts = await ended

    assert [verdict.accepted for verdict in verdicts] == [True]
    assert await world.repositories.ref("shop", "refs/heads/main")
    assert await childless()
    assert await world.repositories.ref("shop", "refs/tags/v1")


async def test_push_goes_on_without_gits_child(
    left_alone: tuple[World, asyncio.Event, asyncio.Future[list[Verdict]]],
) -> None:
    """When git's own child and its hook are killed, the handler still ends what it began."""
    world, go, ended = left_alone
    clone = await world.clone()
    child = await clone.start("push", "hostess", "main")
    assert child.stderr is not None
    async with asyncio.timeout(30):
        while b"remote: begun" not in await child.stderr.readline():
            pass
        receivers = [each for each in psutil.Process().children() if "receive-pack" in each.cmdline()]
        for receiver in receivers:
            for each in [receiver, *receiver.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):  # the death of one can be the end of the other
                    each.kill()
        await child.communicate()
        go.set()
        verdicts = await ended

    assert len(receivers) == 1
    assert child.returncode != 0
    assert [verdict.accepted for verdict in verdicts] == [True]


async def test_stopping_daemon_tells_its_pushers(world: World) -> None:
    """A daemon that stops cancels what runs, and the pusher reads why."""
    clone = await world.clone()
    begun = asyncio.Event()

    async def decide(_push: Push, _say: Say) -> Sequence[Verdict]:
        begun.set()
        await asyncio.Event().wait()
        return []

    world.decide = decide
    pushing = asyncio.create_task(clone.git("push", "hostess", "main"))
    async with asyncio.timeout(25):
        await begun.wait()
        await world.hooks.stop()
        done = await pushing

    assert done.code == 1
    assert "main -> main (hostess is stopping, push again)" in done.said


async def test_ticket_is_good_once_and_in_its_time(world: World) -> None:
    """A hook without a ticket, with a used one or with one that has ended is refused, and so is a push past Hostess."""
    clone = await world.clone()
    await clone.good("push", "hostess", "main")
    await clone.commit()
    local = await clone.git("push", str(world.repositories.path("shop")), "main")
    with world.hooks.expecting("shop", "ada") as variables:
        first = await call_hook(variables)
        second = await call_hook(variables)
    late = await call_hook(variables)

    assert "not pushed through Hostess" in local.said
    assert "ok refs/heads/x" in first
    assert "ng refs/heads/x no answer from hostess" in second
    assert "ng refs/heads/x no answer from hostess" in late
    assert set(variables) == {SOCKET_VARIABLE, TICKET_VARIABLE}
    assert len(world.pushes) == 2


async def call_hook(variables: object) -> str:
    """Call the hook as git does, to delete a branch that is not there; return its report."""
    environment = {**os.environ, **dict(variables)}  # type: ignore[call-overload]
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(str(HOOK), stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    zero = "0" * 40
    command = f"{zero} {zero} refs/heads/x"
    output, _ = await child.communicate(f"000eversion=1\n0000{len(command) + 4:04x}{command}0000".encode())
    return output.decode()
