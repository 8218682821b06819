"""How connections by TLS end, and how they are resumed."""

import asyncio
import socket
import ssl
import struct
from pathlib import Path

import pytest

from hostess_proxy.tls.context import TICKET_KEYS_LENGTH
from hostess_proxy.tls.transport import SecureTransport
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Backend, Reader, Stage, Writer, a_stage, ok, read_response
from tests.integration.proxy.test_tunnels import ASK, SWITCH, echo
from tests.integration.proxy.tls_client import TlsClient, careless, client_hello, connect

SCHEMES = ("https",)


async def test_half_close_of_a_tunnel(stage: Stage) -> None:
    """In a tunnel a client may say that it sends no more, and still gets the rest; so may a backend."""
    stage.route(await stage.backend(echo))
    client = await TlsClient.connect(stage.port)

    await client.send(ASK % b"echo" + b"ahead" + b"x" * 300_000)
    await client.end()
    received = await client.read()

    assert received.partition(b"\r\n\r\n")[2] == b"hello" + b"ahead" + b"x" * 300_000 + b"bye"
    (line,) = await stage.logged(1)
    assert (line["status"], line["end"], line["in"]) == (101, "ok", 300_005)


async def test_bytes_behind_the_end(stage: Stage) -> None:
    """What comes in a tunnel after TLS's own end of that direction is passed over, and takes no memory while the other one is open."""
    go_on = asyncio.Event()

    async def listen(_backend: Backend, _head: bytes, reader: Reader, writer: Writer) -> None:
        writer.write(SWITCH % b"echo")
        await reader.read()
        await go_on.wait()
        writer.write(b"bye")
        writer.close()

    stage.route(await stage.backend(listen))
    client = await TlsClient.connect(stage.port)
    stage._writers.append(client.writer)
    await client.send(ASK % b"echo")
    await stage.until(lambda: any(one.exchange is not None and one.exchange.upgraded for one in stage.clients()))
    await client.end()
    [kept] = [one.transport for one in stage.clients()]
    assert isinstance(kept, SecureTransport)

    client.writer.write(bytes(32 * 1024 * 1024))
    await client.writer.drain()

    assert kept._incoming.pending < 1024 * 1024
    go_on.set()
    assert (await client.read()).endswith(b"bye")


async def test_cut_without_a_word(stage: Stage) -> None:
    """A connection that ends without TLS's own end is lost: in a tunnel it is no half close."""
    backend = await stage.backend(echo)
    stage.route(backend)
    client = await TlsClient.connect(stage.port)
    await client.send(ASK % b"echo")
    await stage.until(lambda: bool(backend.heads))

    client.writer.write_eof()

    (line,) = await stage.logged(1)
    assert (line["status"], line["end"]) == (101, "ok")
    assert await client.reader.read() is not None
    client.writer.close()


async def test_forged_record(stage: Stage) -> None:
    """A record that is not genuine ends the connection, and nobody else's."""
    stage.route(await stage.backend())
    client = await TlsClient.connect(stage.port)

    client.writer.write(b"\x17\x03\x03\x00\x20" + b"f" * 32)

    assert (await asyncio.wait_for(client.reader.read(), 25))[:1] == b"\x17"
    assert (await stage.get()).status == 200
    client.writer.close()


async def test_end_is_said(stage: Stage) -> None:
    """A connection that the proxy closes ends with TLS's own end, so that a client knows that nothing is missing."""
    stage.route(await stage.backend())
    client = await TlsClient.connect(stage.port)

    await client.send(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n")

    assert (await client.read()).endswith(b"\r\n\r\nA")


async def test_client_that_resets(stage: Stage) -> None:
    """Clients that hang up hard, in the handshake or after it, leave nothing behind."""
    stage.route(await stage.backend())
    for begin in (b"", client_hello(b"a.x")):
        sock = socket.create_connection(("127.0.0.1", stage.port))
        sock.sendall(begin)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    _, writer = await connect(stage, "a.x")
    writer.transport.abort()

    await stage.until(lambda: not stage.traffic.clients and not stage.tls.open)
    assert (await stage.get()).status == 200


async def test_big_pieces(stage: Stage) -> None:
    """Bodies larger than any record or buffer arrive whole, both ways."""
    stage.route(await stage.backend(ok))
    body = bytes(range(256)) * 8192
    reader, writer = await stage.connect()

    writer.write(b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    assert (await read_response(reader)).body == b"A" + body


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_session_resumes_elsewhere(stage: Stage, papers: Papers, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A session that one worker began resumes at another one that has the same keys, and not where the keys are others."""
    keys = bytes(range(TICKET_KEYS_LENGTH))
    context = careless()
    context.minimum_version = context.maximum_version = version
    async with a_stage(tmp_path / "other", papers=papers) as other:
        for one in (stage, other):
            one.route(await one.backend())
            one.tls.share_tickets(keys)
        session = await begin(stage, context, None)
        assert (stage.tls.done, stage.tls.resumed) == (1, 0)

        session = await begin(other, context, session)
        assert (other.tls.done, other.tls.resumed) == (1, 1)

        other.tls.share_tickets(keys[::-1])
        await begin(other, context, session)
        assert (other.tls.done, other.tls.resumed, other.tls.failed) == (2, 1, 0)


async def begin(stage: Stage, context: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLSession:
    """Ask once, in a session if there is one; return the session."""
    client = await TlsClient.connect(stage.port, "a.x", context, session)
    await client.send(b"GET / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n")
    assert (await client.read()).startswith(b"HTTP/1.1 200")
    assert client.tls.session is not None
    return client.tls.session
