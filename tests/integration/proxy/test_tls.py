"""TLS as clients meet it: which certificate, which protocol, who is refused, and how connections end."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from hostess_proxy.tls import handshake as tls
from hostess_proxy.tls.handshake import HANDSHAKES, Handshake
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Backend, Reader, Response, Stage, Writer, read_response
from tests.integration.proxy.tls_client import careless, client_hello, connect

GET = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
PROTOCOL_VERSION = b"\x02\x46"  # a fatal alert


SCHEMES = ("https",)


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

    assert (await asyncio.wait_for(reader.read(), 25))[:1] == b"\x15"
    assert (told, stage.tls.failed) == ([], 1)
    writer.close()


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

    assert await asyncio.wait_for(reader.read(), 25) == b"\x15\x03\x02\x00\x02" + PROTOCOL_VERSION


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
