"""Backends that must know what came through the proxy: they are told, and no client can tell them."""

import pytest

from tests.integration.proxy.http2_peer import a_peer, asking, head
from tests.integration.proxy.stage import Stage, read_response

WORD = "5a" * 32


@pytest.mark.parametrize(
    "line",
    [
        "X-Hostess-Voucher: mine",
        f"x-hostess-voucher: {WORD}",
        "X-HOSTESS-VOUCHER:mine\r\nX-Hostess-Voucher: again",
        "Connection: x-hostess-voucher",
    ],
)
async def test_what_a_client_says_is_dropped(stage: Stage, line: str) -> None:
    """Each request of a connection carries the voucher once, in place of whatever the client has put there."""
    backend = await stage.backend()
    stage.route(backend, voucher=WORD)
    reader, writer = await stage.connect()

    for _ in range(2):
        writer.write(f"GET / HTTP/1.1\r\nHost: a.x\r\nA: 1\r\n{line}\r\nB: 2\r\n\r\n".encode())
        assert (await read_response(reader)).status == 200
    for one in backend.heads:
        lines = [each for each in one.split(b"\r\n") if each.lower().startswith(b"x-hostess-voucher")]
        assert lines == [f"X-Hostess-Voucher: {WORD}".encode()]
        assert b"\r\nA: 1\r\n" in one
        assert b"\r\nB: 2\r\n" in one


async def test_a_stream_of_http2(stage: Stage) -> None:
    """What a client says in HTTP/2 is dropped in the same way."""
    backend = await stage.backend()
    stage.route(backend, voucher=WORD)

    async with a_peer(stage) as peer:
        peer.send(head(1, [*asking(), ("x-hostess-voucher", "mine"), ("a", "1")]))
        assert (await peer.answered(1))[":status"] == "200"
    lines = [each for each in backend.heads[0].split(b"\r\n") if b"voucher" in each.lower()]
    assert lines == [f"X-Hostess-Voucher: {WORD}".encode()]


async def test_others_learn_nothing(stage: Stage) -> None:
    """A route without a voucher gives its backend none, nor does the log tell one."""
    backend = await stage.backend()
    stage.route(backend)
    await stage.get()

    assert b"oucher" not in backend.heads[0]
