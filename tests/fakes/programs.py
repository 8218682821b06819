"""What runs in a fake container: small programs that really listen, write and end, with the manners of the real test images.

Test code may write its own: a program is a coroutine function that gets a `Box` and returns an exit code. It is cancelled when
its container is killed, and told by `box.stopping` when it is asked to stop.
"""

import asyncio
import json
import shlex
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

LINGER = 2.0


@dataclass(frozen=True, slots=True)
class Box:
    """The inside of a fake container: what the program is called with, where it may listen, and where it writes to."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    address: str
    write: Callable[[str, str], None]
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    files: Mapping[str, tuple[int, bytes]] = field(default_factory=dict)
    stdin: str = ""

    def out(self, text: str) -> None:
        """Write a line to stdout."""
        self.write("stdout", text)

    def err(self, text: str) -> None:
        """Write a line to stderr."""
        self.write("stderr", text)


Program = Callable[[Box], Awaitable[int]]


async def ended_or_stopped(work: Awaitable[object], box: Box, code: int = 143) -> int:
    """Return 0 when *work* ends, or *code* (as after SIGTERM) when the box is asked to stop before."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(box.stopping.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return 0 if tasks[0].done() else code
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def echo(box: Box) -> int:
    """Be the test server: `/echo` alone serves, `/echo print WORD..`, `exit CODE` and `sleep SECONDS` do what they say."""
    match box.argv[1:]:
        case ("print", *words):
            box.out(" ".join(words))
            return 0
        case ("exit", code):
            return int(code)
        case ("sleep", seconds):
            return await ended_or_stopped(asyncio.sleep(float(seconds)), box)
        case ("env",):
            for name, value in box.env.items():
                box.out(f"{name}={value}")
            return 0
    if "EXIT_ON_START" in box.env:
        box.err("exiting as EXIT_ON_START says")
        return int(box.env["EXIT_ON_START"])
    await asyncio.sleep(int(box.env.get("START_DELAY_MS", "0")) / 1000)
    return await Server(box).serve(int(box.env.get("PORT", "8000")))


async def crash(box: Box) -> int:
    """End at once, badly."""
    box.err("Traceback (most recent call last):")
    box.err("RuntimeError: no such thing as a good start")
    return 1


async def silent(box: Box) -> int:
    """Run and listen nowhere."""
    await box.stopping.wait()
    return 0


async def absent(box: Box) -> int:
    """Be what the init process says of a program that is not there."""
    box.err(f"[FATAL] exec {box.argv[0] if box.argv else ''} failed: No such file or directory")
    return 127


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(handler: Handler, address: str, port: int) -> AsyncIterator[asyncio.Server]:
    """Listen while the block runs; at its end every connection is cut and every handler has ended."""
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    # In two steps: asyncio forgets the socket of a server that is cancelled between listening and being handed over.
    server = await asyncio.start_server(connection, sock=socket.create_server((address, port)), start_serving=False)
    try:
        await server.start_serving()
        yield server
    finally:
        server.close()
        for _ in range(5):  # turns of the loop after which a connection accepted just now has its task
            await asyncio.sleep(0)
        ending = list(tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


def listening(port: int) -> Program:
    """Return a program that accepts connections and says nothing, as far as a TCP probe can tell a database."""

    async def program(box: Box) -> int:
        async def connection(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        async with listener(connection, box.address, port):
            box.out("ready to accept connections")
            await box.stopping.wait()
        return 0

    return program


def task(code: int = 0, *lines: str) -> Program:
    """Return a program that writes lines and ends, as a migration does."""

    async def program(box: Box) -> int:
        for line in lines:
            box.out(line)
        return code

    return program


async def shell(box: Box) -> int:  # noqa: C901 -- one case per command
    """Be a shell that knows echo (also `>&2`), cat of the files put in, sleep, exit, true, false and `;`."""
    code = 0
    for command in " ".join(box.argv[2:]).split(";"):
        match shlex.split(command):
            case ["echo", *words, ">&2"]:
                box.err(" ".join(words))
            case ["echo", *words]:
                box.out(" ".join(words))
            case ["cat"]:
                box.write("stdout", box.stdin.removesuffix("\n"))
            case ["cat", path] if path in box.files:
                box.out(box.files[path][1].decode())
            case ["sleep", seconds]:
                code = await ended_or_stopped(asyncio.sleep(float(seconds)), box)
            case ["exit", status]:
                return int(status)
            case ["false"]:
                code = 1
            case ["true"] | []:
                code = 0
            case [name, *_]:
                box.err(f"sh: {name}: not found")
                code = 127
        if box.stopping.is_set():
            return 143
    return code


class Server:
    """The HTTP side of the test server."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._well = box.env.get("HEALTH", "") != "fail"
        self._requests = 0
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self, port: int) -> int:
        """Serve until asked to stop, then finish the requests in hand."""
        async with listener(self._connection, self._box.address, port) as server:
            self._box.out(f"listening on {port}")
            await self._box.stopping.wait()
            server.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), LINGER)
        return 0

    def _count(self, more: int) -> None:
        self._busy += more
        if self._busy:
            self._idle.clear()
        else:
            self._idle.set()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            self._count(1)
            try:
                await self._exchange(head.decode("latin-1"), reader, writer)
            finally:
                self._count(-1)

    async def _exchange(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = head.split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self._requests += 1
        status, answer = await self._answer(method, target, body)
        version = self._box.env.get("VERSION", "1")
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(answer)}\r\nX-Version: {version}\r\n\r\n".encode()
            + (b"" if method == "HEAD" else answer)
        )
        await writer.drain()

    async def _answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        url = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        env = self._box.env
        answer = 404, b"no such page"
        match url.path:
            case "/" | "/version":
                answer = 200, env.get("VERSION", "1").encode()
            case "/health":
                answer = (200, b"ok") if self._well else (int(env.get("HEALTH_STATUS", "503")), b"sick")
            case "/unhealthy" | "/healthy":
                self._well = url.path == "/healthy"
                answer = 200, b"ok"
            case "/slow":
                await asyncio.sleep(int(asked.get("ms", "0")) / 1000)
                answer = 200, b"late"
            case "/status":
                answer = int(asked.get("code", "200")), b"as you like"
            case "/env":
                answer = 200, env.get(asked.get("name", ""), "").encode()
            case "/requests":
                answer = 200, str(self._requests).encode()
            case "/log":
                self._box.write(asked.get("stream", "stdout"), asked.get("msg", ""))
                answer = 200, b"written"
            case path if path.startswith("/echo"):
                answer = 200, json.dumps({"method": method, "target": target, "body": body.decode()}).encode()
        return answer
