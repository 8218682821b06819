"""TLS as clients meet it: which certificate, which protocol, who is refused, and how connections end."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from hostess_proxy.tls import handshake as tls
from hostess_proxy.tls.context import TICKET_KEYS_LENGTH
from hostess_proxy.tls.handshake import HANDSHAKES, Handshake
from hostess_proxy.tls.transport import SecureTransport
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Backend, Reader, Response, Stage, Writer, a_stage, ok, read_response
from tests.integration.proxy.test_tunnels import ASK, SWITCH, echo
from tests.integration.proxy.tls_client import TlsClient, careless

GET = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
PROTOCOL_VERSION = b"\x02\x46"  # a fatal alert


@pytest.fixture
async def stage(tmp_path: Path, papers: Papers) -> AsyncIterator[Stage]:
    """Give a proxy whose clients come by TLS."""
    async with a_stage(tmp_path, papers=papers) as one:
        yield one


def serve(stage: Stage, backend: Backend, *certificates: dict[str, object]) -> None:
    """Serve every host from one backend, with these certificates and no others."""
    route = {"host": "*", "service": "web", "release": "1", "targets": [backend.address]}
    stage.publish({"routes": [route], "certificates": list(certificates)})


def shown(writer: Writer) -> list[str]:
    """Return the names of the certificate that a client was shown."""
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return sorted(str(name.value) for name in names)


async def ask(stage: Stage, name: str | None, host: str, context: ssl.SSLContext | None = None) -> Response:
    """Ask for *host* on a connection that asks for the certificate of *name*."""
    reader, writer = await connect(stage, name, context)
    writer.write(GET % host.encode())
    return await read_response(reader)


async def connect(stage: Stage, name: str | None, context: ssl.SSLContext | None = None) -> tuple[Reader, Writer]:
    """Connect as a client that believes any certificate; None asks for no name."""
    chosen = context or careless()
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=chosen, server_hostname=name or "")
    stage._writers.append(writer)
    return reader, writer


async def test_by_name(stage: Stage, papers: Papers) -> None:
    """The very name goes before a wildcard, a wildcard before the default; case does not matter, and one label is one."""
    backend = await stage.backend()
    serve(stage, backend, *(papers.certificate(name) for name in ("b.x", "*.x", "*", "[::1]")))

    for name, expected in {"b.x": "b.x", "B.X": "b.x", "c.x": "*.x", "d.c.x": "a.x", "y": "a.x", None: "a.x"}.items():
        _, writer = await connect(stage, name)
        assert shown(writer) == [expected]


async def test_by_address(stage: Stage, papers: Papers) -> None:
    """Who asks for no name gets the certificate of the address, and may ask for that host."""
    serve(stage, await stage.backend(), papers.certificate("127.0.0.1"), papers.certificate("*"))

    _, writer = await connect(stage, None)

    assert shown(writer) == ["127.0.0.1"]
    assert (await ask(stage, None, f"127.0.0.1:{stage.port}")).status == 200
    assert (await ask(stage, None, "a.x")).status == 421


async def test_only_certificate(stage: Stage, papers: Papers) -> None:
    """Who asks for no name gets the only certificate that there is; who asks for another one still gets none."""
    serve(stage, await stage.backend(), papers.certificate("b.x"))

    _, writer = await connect(stage, None)

    assert shown(writer) == ["b.x"]
    assert (await ask(stage, None, "b.x")).status == 200
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await connect(stage, "other.x")


@pytest.mark.parametrize("name", ["other.x", "y.b.x", None, "a" * 60 + ".x"])
async def test_unknown_name(stage: Stage, papers: Papers, name: str | None) -> None:
    """Without a certificate for a name the handshake is refused by an alert that says so; it is counted, not logged."""
    serve(stage, await stage.backend(), papers.certificate("b.x"), papers.certificate("c.x"))

    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await connect(stage, name)

    assert (stage.tls.unknown_names, stage.tls.failed, stage.tls.done) == (1, 1, 0)
    assert stage.traffic.requests == 0


async def test_name_that_is_none(stage: Stage, papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not ASCII is refused, and nothing is written about it."""
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)
    tls.ignore_odd_names()
    serve(stage, await stage.backend(), papers.certificate("*"))
    hello = client_hello(b"\xff\xfe.x")

    reader, writer = await knock(stage)
    writer.write(hello)

    assert (await asyncio.wait_for(reader.read(), 10))[:1] == b"\x15"
    assert (told, stage.tls.failed) == ([], 1)
    writer.close()


def client_hello(name: bytes, latest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Make the first message of a client that asks for *name*."""
    outgoing = ssl.MemoryBIO()
    stand_in = b"n" * len(name)
    context = careless()
    context.maximum_version = latest
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=stand_in.decode())
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read().replace(stand_in, name)


async def test_host_of_another_certificate(stage: Stage, papers: Papers) -> None:
    """A request for a host that the connection's certificate is not for gets 421, and the connection lives on."""
    backend = await stage.backend()
    serve(stage, backend, papers.certificate("b.x", "*.w.x"), papers.certificate("c.x"))
    reader, writer = await connect(stage, "b.x")

    for host, status in [("b.x", 200), ("c.x", 421), ("B.X:443", 200), ("v.w.x", 200), ("u.v.w.x", 421), ("d.x", 421)]:
        writer.write(GET % host.encode())
        assert ((await read_response(reader)).status, host) == (status, host)

    assert len(backend.heads) == 3
    line = (await stage.logged(6))[1]
    assert (line["status"], line["host"], line["error"]) == (421, "c.x", "misdirected-request")


async def test_versions(stage: Stage) -> None:
    """TLS 1.2 and 1.3 are spoken, and of ALPN's names HTTP/1.1; TLS 1.1 is refused."""
    stage.route(await stage.backend())
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = careless()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["spdy/3", "http/1.1"])

        _, writer = await connect(stage, "a.x", context)

        secured = writer.get_extra_info("ssl_object")
        assert (secured.version().replace(".", "_"), secured.selected_alpn_protocol()) == (version.name, "http/1.1")
    hello = client_hello(b"a.x", ssl.TLSVersion.TLSv1_2).replace(b"\x03\x03", b"\x03\x02", 1)  # it says 1.1 at most

    reader, writer = await knock(stage)
    writer.write(hello)

    assert await asyncio.wait_for(reader.read(), 10) == b"\x15\x03\x02\x00\x02" + PROTOCOL_VERSION


async def knock(stage: Stage) -> tuple[Reader, Writer]:
    """Connect without TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    stage._writers.append(writer)
    return reader, writer


async def test_plain_http(stage: Stage) -> None:
    """Who speaks plain HTTP to this port is told so, by a line in the log too; other bytes are answered with silence."""
    reader, writer = await knock(stage)
    writer.write(GET % b"a.x")
    response = await read_response(reader)
    assert (response.status, response.values("x-hostess-error")) == (400, ["plain-http-to-https-port"])
    assert await reader.read() == b""
    writer.close()
    (line,) = await stage.logged(1)
    assert (line["status"], line["error"], line["client"]) == (400, "plain-http-to-https-port", "127.0.0.1")

    reader, writer = await knock(stage)
    writer.write(b"\0\1\2\3")
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("begun", [0, 100, 100_000])
async def test_handshake_that_goes_no_further(stage: Stage, begun: int) -> None:
    """A handshake has ten seconds, wherever it stops; others are not held up meanwhile."""
    stage.route(await stage.backend())
    reader, writer = await knock(stage)
    writer.write(client_hello(b"a.x")[:begun])
    await stage.until(lambda: len(stage.tls.open) == bool(begun) and len(handshakes(stage)) == 1)
    assert (await stage.get()).status == 200

    stage.advance(10)

    await stage.until(lambda: not stage.tls.open and not handshakes(stage))
    with suppress(ConnectionResetError):
        while await reader.read(65536):
            pass


def handshakes(stage: Stage) -> list[Handshake]:
    """Return the connections whose handshakes are not done."""
    return [client for client in stage.traffic.clients if isinstance(client, Handshake)]


async def test_many_handshakes_that_go_no_further(stage: Stage) -> None:
    """Where many clients stay in their handshakes the oldest give way, so that there is always room for one more."""
    stage.route(await stage.backend())
    hello = client_hello(b"a.x")
    for _ in range(HANDSHAKES + 10):
        _, writer = await knock(stage)
        writer.write(hello)
    await stage.until(lambda: stage.tls.failed >= 10)

    assert (await stage.get()).status == 200
    assert len(stage.tls.open) == HANDSHAKES - 1


async def test_redirect_leads_here(stage: Stage) -> None:
    """Who came by TLS is not redirected to HTTPS; who did not is sent to the port where it is spoken."""
    stage.traffic.https_port = 8443
    stage.route(await stage.backend(), redirect_https=True)
    assert (await stage.get("/p?q")).status == 200

    stage.papers = None
    plain = await asyncio.get_running_loop().create_server(stage.protocol, "127.0.0.1", 0)
    stage._servers.append(plain)
    stage.port = plain.sockets[0].getsockname()[1]
    response = await stage.get("/p?q")
    assert (response.status, response.values("location")) == (308, ["https://a.x:8443/p?q"])


async def test_canonical_host(stage: Stage) -> None:
    """Who asks for another spelling of the site is one hop away from its canonical host by TLS, however the client came."""
    stage.traffic.https_port = 8443
    stage.route(await stage.backend(), redirect={"host": "www.x"}, redirect_https=True)
    request = b"GET /p?q HTTP/1.1\r\nHost: x:%d\r\n\r\n"
    assert (await stage.ask(request % 443)).values("location") == ["https://www.x:443/p?q"]

    stage.papers = None
    plain = await asyncio.get_running_loop().create_server(stage.protocol, "127.0.0.1", 0)
    stage._servers.append(plain)
    stage.port = plain.sockets[0].getsockname()[1]
    assert (await stage.ask(request % 80)).values("location") == ["https://www.x:8443/p?q"]


async def test_renewed_in_place(stage: Stage, papers: Papers, tmp_path: Path) -> None:
    """A certificate whose files changed is served from the next table on; open connections live on with what they were shown."""
    backend = await stage.backend()
    entry = papers.issue(tmp_path / "one", "b.x")
    serve(stage, backend, entry)
    reader, writer = await connect(stage, "b.x")
    before = serial(writer)
    papers.issue(tmp_path / "one", "b.x")
    serve(stage, backend, entry)

    _, other = await connect(stage, "b.x")

    assert serial(other) != before
    writer.write(GET % b"b.x")
    assert (await read_response(reader)).status == 200


def serial(writer: Writer) -> int:
    """Return the number of the certificate that a client was shown."""
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


async def test_swap_under_load(stage: Stage, papers: Papers, tmp_path: Path) -> None:
    """While certificates are renewed no handshake fails, and each shows the old one or the new one."""
    backend = await stage.backend()
    entries = [papers.issue(tmp_path / f"c{number}", "b.x") for number in range(10)]
    serve(stage, backend, entries[0])
    seen = set()
    done = False

    async def come_and_go() -> None:
        while not done:
            reader, writer = await connect(stage, "b.x")
            seen.add(serial(writer))
            writer.write(GET % b"b.x")
            assert (await read_response(reader)).status == 200
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(come_and_go())
        for number, entry in enumerate(entries):
            serve(stage, backend, entry)
            await stage.until(lambda count=number: len(seen) > count)  # type: ignore[misc]
        done = True

    assert (len(seen), stage.tls.failed) == (10, 0)


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

    assert (await asyncio.wait_for(client.reader.read(), 10))[:1] == b"\x17"
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
