"""Git's programs as children, and the lines to a pusher, when one side misbehaves."""

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

from hostess.domain.releases.push import Push, Say, Verdict
from hostess.doors.git_child import converse
from hostess.doors.hook_socket import HookSocket
from hostess_hooks.wire import SOCKET_VARIABLE, TICKET_VARIABLE, Answer, End, Frame, Hello, Line, Update, decode, encode
from tests.integration.git.conftest import TOKEN, World, childless

UPDATE = Update("0" * 40, "1" * 40, "refs/heads/main")


def spoken(ticket: str) -> bytes:
    """Return all that a hook says for one ref."""
    frames: tuple[Frame, ...] = (Hello(ticket), UPDATE, End())
    return b"".join(map(encode, frames))


async def test_child_that_nothing_moves_is_killed(world: World) -> None:
    """A conversation in which nothing moves ends after the agreed time, with its child."""
    await world.repositories.create("shop")

    async def silence() -> AsyncIterator[bytes]:
        yield b"0014command"
        await asyncio.Event().wait()

    async def receive(_: bytes) -> None:
        pass

    async with asyncio.timeout(25):
        code = await converse(
            ["upload-pack", "--stateless-rpc", str(world.repositories.path("shop"))], {}, silence(), receive, 0.3
        )

    assert code < 0
    assert await childless()


@pytest.mark.parametrize("cancelled", [True, False])
async def test_broken_upload_ends_the_child(world: World, *, cancelled: bool) -> None:
    """A sender that goes away in the middle ends the child, a cancelled conversation too, and no push comes of it."""
    await world.repositories.create("shop")
    sent = asyncio.Event()

    async def broken() -> AsyncIterator[bytes]:
        yield b"00"
        sent.set()
        if cancelled:
            await asyncio.Event().wait()
        raise ConnectionResetError

    async def receive(_: bytes) -> None:
        pass

    path = str(world.repositories.path("shop"))
    conversation = asyncio.create_task(converse(["receive-pack", "--stateless-rpc", path], {}, broken(), receive, 10))
    async with asyncio.timeout(25):
        await sent.wait()
        if cancelled:
            conversation.cancel()
        outcome = (await asyncio.gather(conversation, return_exceptions=True))[0]

    assert isinstance(outcome, asyncio.CancelledError) if cancelled else isinstance(outcome, int) and outcome < 0
    assert await childless()


async def test_client_that_drops_the_connection_leaves_nothing(world: World) -> None:
    """When the connection is cut in the middle of a pack, git's child ends and the handler hears nothing."""
    await world.repositories.create("shop")
    begun = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        command = f"{'0' * 40} {'1' * 40} refs/heads/main\0report-status side-band-64k".encode()
        yield b"%04x%s0000PACK" % (len(command) + 4, command)
        begun.set()
        await asyncio.Event().wait()

    url = f"{world.url}/git/shop.git/git-receive-pack"
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Bearer {TOKEN}"}
    async with asyncio.timeout(25), aiohttp.ClientSession() as session:
        request = asyncio.create_task(session.post(url, data=half(), headers=headers))
        await begun.wait()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)

    assert await childless()
    assert world.pushes == []


async def test_hidden_refs_cannot_be_pushed(world: World) -> None:
    """Nobody can push to the refs that Hostess keeps for itself, nor replace objects by others."""
    clone = await world.clone()
    for ref in ("refs/hostess/deployments/x", f"refs/replace/{'1' * 40}"):
        done = await clone.git("push", "hostess", f"main:{ref}")

        assert done.code == 1
        assert "deny updating a hidden ref" in done.said


class Hooked:
    """A hook socket of its own with a handler that answers what a test wants, and a hook that the test plays."""

    def __init__(self, folder: Path, *, patience: float = 10.0) -> None:
        self.ended = asyncio.Event()
        self.lines = 0
        self.say: Say | None = None
        self.server = HookSocket(
            folder / "hook.sock", self.handle, lambda bits: secrets.token_hex(bits // 8), patience=patience
        )

    async def handle(self, push: Push, say: Say) -> Sequence[Verdict]:
        """Say as many lines as the test wants, from another thread, and accept."""
        self.say = say

        def talk() -> None:
            for number in range(self.lines):
                say(f"{number} " + "x" * 500)

        talker = threading.Thread(target=talk)
        talker.start()
        await asyncio.to_thread(talker.join)
        self.ended.set()
        return [Verdict(update.ref, accepted=True) for update in push.updates]

    @contextlib.asynccontextmanager
    async def hook(self) -> AsyncIterator[asyncio.StreamReader]:
        """Connect as a hook that is entitled to one push."""
        with self.server.expecting("shop", "ada") as variables:
            reader, writer = await asyncio.open_unix_connection(variables[SOCKET_VARIABLE])
            writer.write(spoken(variables[TICKET_VARIABLE]))
            async with asyncio.timeout(25):
                yield reader
            writer.close()


async def test_lines_from_threads_come_in_order(tmp_path: Path) -> None:
    """Lines that another thread says arrive complete and in order, and the answer after them."""
    hooked = Hooked(tmp_path)
    hooked.lines = 1000
    await hooked.server.start()
    async with hooked.hook() as reader:
        frames = [decode(line) async for line in reader]
    await hooked.server.stop()

    assert [int(frame.text.split()[0]) for frame in frames if isinstance(frame, Line)] == list(range(1000))
    assert frames[1000:] == [Answer("refs/heads/main", accepted=True, reason=""), End()]


async def test_slow_pusher_holds_nothing_up(tmp_path: Path) -> None:
    """A pusher that reads nothing neither stops the handler nor fills the memory, and its connection ends soon after."""
    hooked = Hooked(tmp_path, patience=0.2)
    hooked.lines = 20_000
    await hooked.server.start()
    with hooked.server.expecting("shop", "ada") as variables, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(variables[SOCKET_VARIABLE])
        connection.sendall(spoken(variables[TICKET_VARIABLE]))
        async with asyncio.timeout(25):
            await hooked.ended.wait()
            await hooked.server.stop()
        with connection.makefile("rb") as lines:
            heard = await asyncio.to_thread(lines.readlines)

    assert 0 < len(heard) < 10_000


async def test_lines_for_a_slow_pusher_are_bounded(tmp_path: Path) -> None:
    """A pusher that begins to read late gets a bounded number of lines, is told that some are left out, and gets the answer."""
    hooked = Hooked(tmp_path)
    hooked.lines = 20_000
    await hooked.server.start()
    with hooked.server.expecting("shop", "ada") as variables, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(variables[SOCKET_VARIABLE])
        connection.sendall(spoken(variables[TICKET_VARIABLE]))
        async with asyncio.timeout(25):
            await hooked.ended.wait()
        with connection.makefile("rb") as lines:
            heard = await asyncio.to_thread(lines.readlines)
    await hooked.server.stop()
    frames = [decode(line) for line in heard]

    assert len(frames) < 10_000
    assert any(isinstance(frame, Line) and "lines left out" in frame.text for frame in frames)
    assert frames[-3:] == [Line("19999 " + "x" * 500), Answer("refs/heads/main", accepted=True, reason=""), End()]


async def test_late_lines_are_dropped(tmp_path: Path) -> None:
    """A line said after the end is no error."""
    hooked = Hooked(tmp_path)
    await hooked.server.start()
    async with hooked.hook() as reader:
        await reader.read()
    await hooked.server.stop()
    assert hooked.say is not None
    hooked.say("too late")


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b'["end"]\n', encode(Line("x")), b"x" * 100_000])
async def test_stranger_is_shown_out(tmp_path: Path, said: bytes) -> None:
    """Whoever does not speak as a hook is disconnected without a word, and the next hook is served."""
    hooked = Hooked(tmp_path, patience=0.5)
    await hooked.server.start()
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "hook.sock"))
    writer.write(said)
    answer = b""
    async with asyncio.timeout(25):
        with contextlib.suppress(ConnectionResetError):  # what was said was not read to its end
            answer = await reader.read()
    writer.close()
    async with hooked.hook() as other:
        served = await other.read()
    await hooked.server.stop()

    assert answer == b""
    assert encode(End()) in served
