"""A client of HTTP/2 that says exactly the frames a test wants, good or bad, and tells what came back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import hpack
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from hostess_proxy.http2.downstream import Http2Downstream
from tests.integration.proxy.stage import SOON, Reader, Stage, Writer

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Fields = list[tuple[str, str]]


def asking(method: str = "GET", path: str = "/", *more: tuple[str, str], host: str = "a.x") -> Fields:
    """Return the fields of a request."""
    return [(":method", method), (":scheme", "http"), (":authority", host), (":path", path), *more]


def head(number: int, fields: Iterable[tuple[str, str]] | bytes, *flags: str) -> bytes:
    """Return HEADERS with fields (or with a block as it is), which enter no table, and with these flags."""
    frame = HeadersFrame(number)
    frame.data = fields if isinstance(fields, bytes) else block(fields)
    for flag in flags or ("END_HEADERS", "END_STREAM"):
        frame.flags.add(flag)
    return bytes(frame.serialize())


def block(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return fields as literals that enter no table."""
    out = b""
    for name, value in fields:
        out += b"\x00" + _text(name) + _text(value)
    return out


def _text(text: str) -> bytes:
    data = text.encode("latin-1")
    return bytes(hpack.hpack.encode_integer(len(data), 7)) + data


def raw(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """Return a frame of these very numbers."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + number.to_bytes(4, "big") + payload


def body(number: int, data: bytes, *, ended: bool = False) -> bytes:
    """Return DATA."""
    frame = DataFrame(number, data, flags=["END_STREAM"] if ended else [])
    return bytes(frame.serialize())


class Peer:
    """One connection. *frames* are those that came, in order; windows are given back as bytes come, unless *reads* is false."""

    def __init__(self, reader: Reader, writer: Writer, *, reads: bool = True) -> None:
        self.frames: list[Frame] = []
        self.closed = False
        self._reader = reader
        self.writer = writer
        self._decoder = hpack.Decoder()
        self._heads: dict[int, list[dict[str, str]]] = {}
        self._reads = reads
        self._news = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    def send(self, *frames: bytes) -> None:
        """Send frames."""
        self.writer.write(b"".join(frames))

    def got(self, kind: type[Frame], number: int = 0) -> list[Frame]:
        """Return the frames of a kind and a stream that came."""
        return [frame for frame in self.frames if isinstance(frame, kind) and frame.stream_id == number]

    def data(self, number: int) -> bytes:
        """Return the body that came in a stream."""
        return b"".join(bytes(frame.data) for frame in self.got(DataFrame, number))  # type: ignore[attr-defined]

    def head(self, number: int, index: int = 0) -> dict[str, str]:
        """Return the fields that came in a stream: first, second, ... block."""
        return self._heads[number][index]

    def heads(self, number: int) -> int:
        """Return how many blocks of fields came in a stream."""
        return len(self._heads.get(number, ()))

    def ended(self, number: int) -> bool:
        """Whether the other side has ended a stream well."""
        return any(frame.stream_id == number and "END_STREAM" in frame.flags for frame in self.frames)

    def reset_code(self, number: int) -> int | None:
        """Return how a stream was reset, None when it was not."""
        return next((frame.error_code for frame in self.got(RstStreamFrame, number)), None)  # type: ignore[attr-defined]

    def goaway_code(self) -> int | None:
        """Return why the connection ends, None when it does not."""
        return next((frame.error_code for frame in self.got(GoAwayFrame)), None)  # type: ignore[attr-defined]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when a condition on what came holds."""
        async with asyncio.timeout(SOON), self._news:
            await self._news.wait_for(condition)

    async def until_closed(self) -> None:
        """Return when the other side has closed the connection."""
        await self.until(lambda: self.closed)

    async def answered(self, number: int = 1) -> dict[str, str]:
        """Return the fields of the response in a stream, once it has ended."""
        await self.until(lambda: self.ended(number))
        return self.head(number)

    async def settled(self) -> None:
        """Return when everything that was sent has been looked at: a ping was answered, or the connection has ended."""
        count = len(self.got(PingFrame))
        self.send(raw(6, 0, 0, b"settled?"))
        await self.until(lambda: len(self.got(PingFrame)) > count or self.closed)

    async def close(self) -> None:
        """End the connection."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self.writer.transport.abort()

    async def _listen(self) -> None:
        try:
            while True:
                header = await self._reader.readexactly(9)
                frame, size = Frame.parse_frame_header(memoryview(header))
                frame.parse_body(memoryview(await self._reader.readexactly(size)))
                await self._take(frame, size)
        except (asyncio.IncompleteReadError, ConnectionError):
            async with self._news:
                self.closed = True
                self._news.notify_all()

    async def _take(self, frame: Frame, size: int) -> None:
        if isinstance(frame, HeadersFrame):
            fields = dict(self._decoder.decode(bytes(frame.data)))
            self._heads.setdefault(frame.stream_id, []).append(
                {str(name): str(value) for name, value in fields.items()}
            )
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(raw(4, 1, 0))
        if isinstance(frame, DataFrame) and size and self._reads:
            for number in (0, frame.stream_id):
                self.send(bytes(WindowUpdateFrame(number, size).serialize()))
        async with self._news:
            self.frames.append(frame)
            self._news.notify_all()


@asynccontextmanager
async def a_peer(stage: Stage, *, reads: bool = True, settings: bytes = b"") -> AsyncIterator[Peer]:
    """Give a client that has said its preface and settings."""
    reader, writer = await stage.connect()
    peer = Peer(reader, writer, reads=reads)
    peer.send(PREFACE, raw(4, 0, 0, settings))
    try:
        yield peer
    finally:
        await peer.close()


def connections(stage: Stage) -> list[Http2Downstream]:
    """Return the connections of clients that speak HTTP/2."""
    return [client for client in stage.traffic.clients if isinstance(client, Http2Downstream)]
