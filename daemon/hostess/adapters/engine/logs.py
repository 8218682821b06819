"""What a container wrote: the engine's frames taken apart into lines, and lines handed from a reading thread to the event loop.

A frame is a head of eight bytes (stream, three zeros, length as a big-endian 32-bit number) and a payload that begins with a
timestamp. A line longer than 16 KiB comes in several frames; only the last of them ends with a newline.
"""

import asyncio
import struct
import threading
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

from docker.errors import NotFound

from hostess.adapters.engine.calls import Api, Calls, Line, checked, url_of
from hostess.domain.ports import LogLine

T = TypeVar("T")

EPOCH = datetime.fromtimestamp(0, UTC)
HEAD = struct.Struct(">BxxxL")
STREAMS = {1: "stdout", 2: "stderr"}
LONGEST = 64 * 1024
"""Characters at which a line is cut in two, so that one without an end costs no memory without an end."""
AHEAD = 16
"""Pieces that may be read before the one who follows has taken the first."""


class Frames:
    """Takes the engine's bytes as they come and gives whole frames: stream and payload."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return the frames that *data* completes."""
        self._bytes += data
        found: list[tuple[str, bytes]] = []
        start = 0
        while len(self._bytes) - start >= HEAD.size:
            number, length = HEAD.unpack_from(self._bytes, start)
            end = start + HEAD.size + length
            if len(self._bytes) < end:
                break
            found.append((STREAMS.get(number, "stdout"), bytes(self._bytes[start + HEAD.size : end])))
            start = end
        del self._bytes[:start]
        return found


class Lines:
    """Takes the engine's bytes as they come and gives lines."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._open: dict[str, tuple[datetime, str]] = {}

    def feed(self, data: bytes) -> list[LogLine]:
        """Return the lines that *data* completes."""
        found: list[LogLine] = []
        for stream, payload in self._frames.feed(data):
            found += self._take(stream, payload.decode(errors="replace"))
        return found

    def rest(self) -> list[LogLine]:
        """Return the lines that were begun and never ended."""
        begun, self._open = self._open, {}
        return [LogLine(at, stream, text) for stream, (at, text) in begun.items()]

    def _take(self, stream: str, payload: str) -> list[LogLine]:
        stamp, _, text = payload.partition(" ")
        at, begun = self._open.pop(stream) if stream in self._open else (datetime.fromisoformat(stamp.strip()), "")
        text = begun + text
        if text.endswith("\n") or len(text) >= LONGEST:
            return [LogLine(at, stream, text.rstrip("\r\n"))]
        self._open[stream] = (at, text)
        return []


class Feed(Generic[T]):
    """Pieces on their way from a thread to the event loop; the thread waits when it is too far ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: asyncio.Queue[list[T] | None] = asyncio.Queue()
        self._room = threading.Semaphore(AHEAD)

    def put(self, piece: list[T], line: Line) -> None:
        """Hand a piece over; called on the thread. Returns without having done so when *line* was cut."""
        while not self._room.acquire(timeout=0.5):
            if line.cut:
                return
        self._loop.call_soon_threadsafe(self._queue.put_nowait, piece)

    def end(self) -> None:
        """Let who takes know that nothing more comes; called on the loop."""
        self._queue.put_nowait(None)

    async def take(self) -> list[T] | None:
        """Return the next piece, None at the end."""
        piece = await self._queue.get()
        self._room.release()
        return piece


def last_lines(container: str, tail: int, api: Api) -> list[LogLine]:
    """Return the last lines of a container."""
    response = checked(api.get(url_of(api, f"/containers/{container}/logs"), params=query(tail, None)))
    lines = Lines()
    return [*lines.feed(response.content), *lines.rest()][-tail:]


async def follow(calls: Calls, container: str, tail: int, since: datetime | None) -> AsyncIterator[LogLine]:
    """Yield the last lines and then each new one, until the container ends or the iterator is closed; none when it is gone."""
    feed: Feed[LogLine] = Feed(asyncio.get_running_loop())
    params = {**query(tail, since), "follow": "1"}
    reading = asyncio.create_task(calls.alone("follow a log", partial(pump, container, params, feed)))
    reading.add_done_callback(lambda _: feed.end())
    try:
        while (piece := await feed.take()) is not None:
            for line in piece:
                yield line
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def pump(container: str, params: Mapping[str, str], feed: Feed[LogLine], api: Api, line: Line) -> None:
    """Read a log to its end; runs on a thread of its own."""
    url = url_of(api, f"/containers/{container}/logs")
    try:
        answer = checked(api.get(url, params=params, stream=True, timeout=(10, None)))
    except NotFound:
        return  # gone, and its log with it
    with line.hold(answer) as response:
        lines = Lines()
        for data in response.iter_content(chunk_size=None):
            if piece := lines.feed(data):
                feed.put(piece, line)
        if piece := lines.rest():
            feed.put(piece, line)


def query(tail: int, since: datetime | None) -> dict[str, str]:
    """Return the parameters that ask for both streams with timestamps."""
    params = {"stdout": "1", "stderr": "1", "timestamps": "1", "tail": str(max(tail, 0))}
    if since is None:
        return params
    return {**params, "since": moment(since)}


def moment(at: datetime) -> str:
    """Return a time as the engine takes it."""
    seconds, rest = divmod(at - EPOCH, timedelta(seconds=1))  # a float would lose the last digit
    return f"{seconds}.{rest.microseconds:06d}"
