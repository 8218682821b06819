"""Whatever a backend of HTTP/2 sends, its exchange ends once, and nothing of it becomes somebody else's response."""

import asyncio
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from hostess_proxy.downstream import Downstream
from hostess_proxy.http2.upstream import Http2Upstream, UpstreamStream
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.targets import Target
from hostess_proxy.traffic import Traffic
from tests.integration.proxy.http2_peer import block, raw
from tests.unit.proxy.test_no_smuggling import Wire

PAYLOADS = [
    block([(":status", "200")]), block([(":status", "200"), ("content-length", "5")]), block([(":status", "103")]),
    block([(":status", "101")]), block([("grpc-status", "0")]), block([(":status", "204")]), b"\x88", b"\x88\xbe", b"hello",
    b"hello world", b"", bytes(4), bytes(8), b"\0\0\0\7", b"\0\4\0\0\0\0", b"\x7f\xff\xff\xff", block([(":status", "200\r\nX: y")]),
]  # fmt: skip
FRAMES = st.builds(
    raw, st.integers(0, 10), st.sampled_from([0, 1, 4, 5, 8, 0x25]), st.sampled_from([0, 1, 1, 1, 3, 2]), st.sampled_from(PAYLOADS)
)  # fmt: skip
ASKED = [
    b"GET / HTTP/1.1\r\nHost: a.x\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a.x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 4\r\n\r\nab",
]


class Shared:
    """A proxy whose backends are connections that this test feeds."""

    def __init__(self) -> None:
        self.traffic = Traffic(None)
        self.wires: list[Wire] = []
        self.traffic.dialer.dial = self._dial  # type: ignore[method-assign]
        self.traffic.swap(
            parse_table(
                {
                    "routes": [
                        {"host": "*", "service": "a", "release": "1", "targets": ["127.0.0.1:1"], "protocol": "h2c"}
                    ]
                }
            )
        )

    def _dial(self, target: Target, exchange: object) -> None:
        pool = target.pool
        assert pool is not None
        connection = Http2Upstream(self.traffic, target, pool)
        self.wires.append(Wire(connection))
        pool.add(connection)
        exchange.connected(UpstreamStream(connection, reused=False))  # type: ignore[attr-defined]


async def talk(asked: bytes, answer: bytes, cut: int) -> None:
    """Ask, and give the backend's bytes in two pieces, and then its end."""
    shared = Shared()
    client = Downstream(shared.traffic, secure=False)
    wire = Wire(cast("asyncio.Protocol", client))
    wire.deliver(asked)
    for piece in (answer[:cut], answer[cut:]):
        shared.wires[0].deliver(piece)
    for backend in shared.wires:
        backend.protocol.connection_lost(None)
    assert client.exchange is None or len(shared.wires) > 1
    assert wire.written.count(b"\r\nX-Request-Id: ") <= 1 + wire.written.count(b"HTTP/1.1 103")
    assert b"\r\nX: y" not in wire.written
    assert not [
        target for target in shared.traffic.targets._known.values() if target.exchanges and client.exchange is None
    ]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ASKED), st.lists(FRAMES, max_size=10).map(b"".join), st.integers(0, 200))
def test_any_response(asked: bytes, answer: bytes, cut: int) -> None:
    """Frames of all kinds in any order are a response, a 502, or a response that breaks off."""
    asyncio.run(talk(asked, raw(4, 0, 0) + answer, cut))
