"""However windows grow and shrink, no byte goes beyond them, and in the end every body has come whole and in order."""

import asyncio
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.http2.client_stream import ClientStream
from hostess_proxy.http2.downstream import Http2Downstream
from hostess_proxy.http2.frames import FIRST_WINDOW, PREFACE
from hostess_proxy.traffic import Traffic
from tests.integration.proxy.http2_peer import raw
from tests.unit.proxy.test_no_smuggling import Wire

NUMBERS = (1, 3, 5)
STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(NUMBERS), st.integers(1, 60_000)),
    st.tuples(st.just("end"), st.sampled_from(NUMBERS), st.just(0)),
    st.tuples(st.just("trail"), st.sampled_from(NUMBERS), st.just(0)),
    st.tuples(st.just("window"), st.sampled_from((0, *NUMBERS)), st.integers(1, 80_000)),
    st.tuples(st.just("first"), st.just(0), st.sampled_from([0, 1, 1000, FIRST_WINDOW, 200_000])),
    st.tuples(st.just("full"), st.just(0), st.integers(0, 1)),
)


class Client:
    """What a client knows: its windows, and what came in each stream."""

    def __init__(self, connection: Http2Downstream, wire: Wire) -> None:
        self.first = FIRST_WINDOW
        self.windows = {0: FIRST_WINDOW} | dict.fromkeys(NUMBERS, FIRST_WINDOW)
        self.came = dict.fromkeys(NUMBERS, b"")
        self.ended: set[int] = set()
        self._connection = connection
        self._wire = wire

    def look(self) -> None:
        """Take what was sent, and check it against the windows."""
        self._connection.flush()
        data, self._wire.written = self._wire.written, b""
        for kind, flags, number, payload in frames(data):
            if kind == 0:
                assert number not in self.ended
                assert not payload or (len(payload) <= self.windows[0] and len(payload) <= self.windows[number])
                self.windows[0] -= len(payload)
                self.windows[number] -= len(payload)
                self.came[number] += payload
            if kind in {0, 1} and flags & 1:
                self.ended.add(number)

    def grow(self, number: int, more: int) -> None:
        """Let more come."""
        if number not in self.ended:
            self.windows[number] += more
            self._connection.data_received(raw(8, 0, number, more.to_bytes(4, "big")))

    def begin_with(self, first: int) -> None:
        """Change what all windows of streams begin with."""
        for number in NUMBERS:
            self.windows[number] += first - self.first
        self.first = first
        self._connection.data_received(raw(4, 0, 0, b"\0\4" + first.to_bytes(4, "big")))


def frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, stream and payload of each frame."""
    while data:
        end = 9 + int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:end]
        data = data[end:]


async def play(steps: list[tuple[str, int, int]]) -> None:
    """Send bodies while windows change, then open all windows."""
    connection = Http2Downstream(Traffic(None), secure=False)
    wire = Wire(connection)
    connection.data_received(PREFACE + raw(4, 0, 0))
    client = Client(connection, wire)
    streams = {number: ClientStream(connection, number, -1, ended=True) for number in NUMBERS}
    connection.streams.update(streams)
    connection.last = max(NUMBERS)
    sent = dict.fromkeys(NUMBERS, b"")
    done: set[int] = set()
    for what, number, size in steps:
        if what == "send" and number not in done:
            piece = bytes([len(sent[number]) % 251]) * size
            sent[number] += piece
            streams[number].send_body(piece)
        elif what in {"end", "trail"} and number not in done:
            done.add(number)
            streams[number].end_body(b"X-Last: 1\r\n" if what == "trail" else b"")
        elif what == "window":
            client.grow(number, size)
        elif what == "first":
            client.begin_with(size)
        elif what == "full":
            connection.pause_writing() if size else connection.resume_writing()
        client.look()
    connection.resume_writing()
    client.look()
    for number in (*NUMBERS, 0):
        client.grow(number, 10_000_000)
        client.look()
    assert client.came == sent
    assert client.ended == done
    assert not connection.closing
    assert set(connection.streams) == set(NUMBERS) - done


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=30))
def test_any_windows(steps: list[tuple[str, int, int]]) -> None:
    """Bodies, trailers, windows that grow, begin elsewhere or go below zero, and a socket that is full now and then, in any order."""
    asyncio.run(play(steps))
