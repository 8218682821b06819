"""Whatever bytes come, in whatever pieces, a backend never sees more requests than the proxy counted."""

import asyncio
from itertools import pairwise
from typing import cast

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.dialing import Dialer
from hostess_proxy.downstream import Downstream
from hostess_proxy.exchange import Exchange
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.targets import Target
from hostess_proxy.traffic import Traffic
from hostess_proxy.upstream import Upstream

STARTS = [
    b"GET / HTTP/1.1\r\nHost: a.x\r\n", b"POST /p HTTP/1.1\r\nHost: a.x\r\n", b"GET / HTTP/1.0\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a.x\r\n", b"PUT http://a.x/ HTTP/1.1\r\nHost: a.x\r\n", b"GET /", b"",
]  # fmt: skip
LINES = [
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n",
    b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Connection: Content-Length, Transfer-Encoding\r\n",
    b"Expect: 100-continue\r\n", b"Content_Length: 5\r\n", b"X-Request-Id: a\r\n", b" folded\r\n", b"X: a\nb\r\n", b"\x00",
]  # fmt: skip
ENDS = [b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""]
BODIES = [
    b"", b"", b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    b"0x5\r\nhello\r\n", b"\r\n",
]  # fmt: skip
REQUESTS = st.tuples(
    st.sampled_from(STARTS),
    st.lists(st.sampled_from(LINES), max_size=3).map(b"".join),
    st.sampled_from(ENDS),
    st.sampled_from(BODIES),
).map(b"".join)
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nuntil close", b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 3\r\n\r\nabc", b"junk\r\n\r\n", b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\n\r\n", b"\r\n",
]  # fmt: skip


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and says when it is closed, as a real one does a moment later."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.lost = False
        self.protocol = protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closing

    def close(self) -> None:
        """Close."""
        self.closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def can_write_eof(self) -> bool:
        """Tell that it can be half closed."""
        return True

    def write_eof(self) -> None:
        """Nothing more will be written."""

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self) -> None:
        """Nothing to resume."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Tell two addresses; a socket that takes all options."""
        return self if name == "socket" else ("127.0.0.1", 80) if name.endswith("name") else default

    def setsockopt(self, *_option: object) -> None:
        """Take an option."""

    def deliver(self, data: bytes) -> None:
        """Give bytes to the protocol, unless it closed; then tell it so."""
        if not self.closing:
            self.protocol.data_received(data)
        self.settle()

    def settle(self) -> None:
        """Tell the protocol that its connection is gone, if it closed it."""
        if self.closing and not self.lost:
            self.lost = True
            self.protocol.connection_lost(None)


class InstantDialer(Dialer):
    """Opens connections at once, to nowhere."""

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic)
        self.wires: list[Wire] = []
        self._mine = traffic

    def dial(self, target: Target, exchange: Exchange) -> None:
        """Give the exchange a connection."""
        upstream = Upstream(self._mine, target)
        self.wires.append(Wire(cast("asyncio.Protocol", upstream)))
        exchange.connected(upstream)


class Counter:
    """Counts the requests that llhttp sees in what a backend got."""

    def __init__(self) -> None:
        self.heads = 0

    def on_headers_complete(self) -> None:
        """Count."""
        self.heads += 1


def requests_seen(written: bytes) -> int:
    """Return how many requests a backend reads in these bytes; they must be well formed."""
    counter = Counter()
    parser = httptools.HttpRequestParser(counter)
    try:
        parser.feed_data(written)
    except (
        httptools.HttpParserUpgrade,
        httptools.HttpParserInvalidMethodError,
    ):  # a tunnel; a method that llhttp has no name for
        return counter.heads
    return counter.heads


@given(
    st.lists(REQUESTS, max_size=5),
    st.lists(st.sampled_from(ANSWERS), max_size=6),
    st.lists(st.integers(0, 400), max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_no_backend_sees_more(pieces: list[bytes], answers: list[bytes], cuts: list[int]) -> None:
    """Each backend connection carries well-formed requests only, together as many as were begun here."""
    traffic = Traffic(None)
    dialer = InstantDialer(traffic)
    traffic.dialer = dialer
    traffic.targets.swap(
        parse_table(
            {"routes": [{"host": "*", "service": "a", "release": "1", "targets": ["127.0.0.1:1"], "body_limit": 1000}]}
        )
    )
    message = b"".join(pieces)
    marks = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
    client = Wire(cast("asyncio.Protocol", Downstream(traffic, secure=False)))
    left = list(answers)

    for start, end in pairwise(marks):
        client.deliver(message[start:end])
        for wire in dialer.wires:
            if left and not wire.closing:
                wire.deliver(left.pop(0))
            wire.settle()
        client.settle()

    begun = traffic.requests + sum(len(target.exchanges) for target in traffic.targets.at(["127.0.0.1:1"]))
    assert sum(requests_seen(wire.written) for wire in dialer.wires) <= begun
