"""HTTP/2 by TLS: chosen by ALPN, and for no host that the certificate is not for."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.integration.proxy.http2_peer import PREFACE, Peer, asking, head, raw
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Stage, a_stage
from tests.integration.proxy.test_grpc import BIG, Service
from tests.integration.proxy.tls_client import careless


@pytest.fixture
async def stage(tmp_path: Path, papers: Papers) -> AsyncIterator[Stage]:
    """Give a proxy whose clients come by TLS, with one backend for every host and one certificate."""
    async with a_stage(tmp_path, papers=papers) as one:
        backend = await one.backend()
        route = {"host": "*", "service": "web", "release": "1", "targets": [backend.address], "redirect_https": True}
        one.publish({"routes": [route], "certificates": [papers.certificate("a.x", "b.x")]})
        yield one


async def connect(stage: Stage, *protocols: str) -> Peer:
    """Connect, naming these protocols, and open HTTP/2 whatever was chosen."""
    context = careless()
    context.set_alpn_protocols(list(protocols))
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=context, server_hostname="a.x")
    stage._writers.append(writer)
    secured: ssl.SSLObject = writer.get_extra_info("ssl_object")
    assert secured.selected_alpn_protocol() == protocols[-1]
    peer = Peer(reader, writer)
    peer.send(PREFACE, raw(4, 0, 0))
    return peer


async def test_by_alpn(stage: Stage) -> None:
    """A client that names h2 is served by HTTP/2, and its backend hears of https."""
    peer = await connect(stage, "http/1.1", "h2")
    peer.send(head(1, asking()), head(3, asking(host="b.x")))

    assert [(await peer.answered(number))[":status"] for number in (1, 3)] == ["200", "200"]
    assert all(b"X-Forwarded-Proto: https\r\n" in request for request in stage._backends[0].heads)
    await peer.close()


async def test_another_host(stage: Stage) -> None:
    """A request for a host that the certificate does not name is 421, so that the client asks on another connection."""
    peer = await connect(stage, "h2")
    peer.send(head(1, asking(host="c.x")), head(3, asking()))

    assert [(await peer.answered(number))[":status"] for number in (1, 3)] == ["421", "200"]
    await peer.close()


async def test_not_what_was_agreed(stage: Stage) -> None:
    """Who agreed on HTTP/1.1 gets no HTTP/2 by opening it all the same."""
    context = careless()
    context.set_alpn_protocols(["http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, ssl=context, server_hostname="a.x")
    stage._writers.append(writer)
    writer.write(PREFACE)

    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")


async def test_curl(stage: Stage) -> None:
    """Curl chooses HTTP/2 by itself."""
    url = f"https://a.x:{stage.port}/"
    command = ["curl", "-sk", "--connect-to", f"::127.0.0.1:{stage.port}", "-w", " %{http_version}", url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()

    assert said == b"A 2"


async def test_grpc(stage: Stage, papers: Papers) -> None:
    """A client of gRPC comes by TLS, and believes the certificate."""
    service = Service()
    await service.server.start()
    route = {
        "host": "a.x",
        "service": "calls",
        "release": "1",
        "targets": [f"127.0.0.1:{service.port}"],
        "protocol": "h2c",
    }
    stage.publish({"routes": [route], "certificates": [papers.certificate("a.x")]})
    believed = grpc.ssl_channel_credentials(papers.authority())
    options = [("grpc.ssl_target_name_override", "a.x"), ("grpc.default_authority", "a.x")]
    async with aio.secure_channel(f"127.0.0.1:{stage.port}", believed, options=options) as channel:
        assert await channel.unary_unary("/test.Echo/Unary")(BIG) == BIG

    assert ("x-forwarded-proto", "https") in service.seen
    await service.server.stop(None)
