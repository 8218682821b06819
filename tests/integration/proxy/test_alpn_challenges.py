"""tls-alpn-01: who is shown the certificate of a challenge, and who never is, through real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hostess_proxy.tls.handshake import Handshake
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Stage, a_stage
from tests.integration.proxy.test_tls import knock, serial
from tests.integration.proxy.tls_client import TlsClient, careless, connect
from tests.unit.proxy.test_client_hello import hello, records

ACME = "acme-tls/1"
HANDSHAKE, ALERT = b"\x16", b"\x15"


@pytest.fixture
async def stage(tmp_path: Path, papers: Papers) -> AsyncIterator[Stage]:
    """Give a proxy whose clients come by TLS."""
    async with a_stage(tmp_path, papers=papers) as one:
        yield one


async def challenge(stage: Stage, papers: Papers, folder: Path, *names: str, served: str = "*") -> None:
    """Serve a site with a certificate, and let these names have challenges."""
    backend = await stage.backend()
    alpn = [answering(papers, folder, name) for name in names]
    route = {"host": "*", "service": "web", "release": "1", "targets": [backend.address]}
    stage.publish({"routes": [route], "certificates": [papers.certificate(served)], "challenges": {"alpn": alpn}})


def answering(papers: Papers, folder: Path, name: str) -> dict[str, Any]:
    """Issue what stands for a challenge's certificate, and return its entry of a table."""
    entry = papers.issue(folder / f"answer-{name}", name)
    return {"name": name, "chain": entry["chain"], "key": entry["key"]}


def speaking(*protocols: str, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Make the context of a client that names these protocols."""
    context = careless()
    context.set_alpn_protocols(list(protocols))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def shown(stage: Stage, name: str, *protocols: str) -> tuple[int, str | None]:
    """Return the serial number of what a client is shown, and the protocol that is agreed on."""
    _, writer = await connect(stage, name, speaking(*protocols))
    return serial(writer), writer.get_extra_info("ssl_object").selected_alpn_protocol()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_authority(stage: Stage, papers: Papers, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """Who names "acme-tls/1" alone is shown the challenge's certificate, agrees on it, and is then told that this was all."""
    await challenge(stage, papers, tmp_path, "a.x")

    client = await TlsClient.connect(stage.port, "A.X", speaking(ACME, version=version))

    assert client.tls.selected_alpn_protocol() == ACME
    der = client.tls.getpeercert(binary_form=True)
    assert der is not None
    assert ssl.DER_cert_to_PEM_cert(der) in (tmp_path / "answer-a.pem").read_text()
    assert await client.read() == b""
    assert (stage.tls.done, stage.tls.failed, len(stage.tls.open)) == (1, 0, 0)


@pytest.mark.parametrize("protocols", [("h2", "http/1.1"), (ACME, "h2"), ("http/1.1", ACME)])
async def test_ordinary_clients(stage: Stage, papers: Papers, tmp_path: Path, protocols: tuple[str, ...]) -> None:
    """Who names anything else, too, gets what is served as ever; so does who names nothing."""
    stage.route(await stage.backend())
    before, _ = await shown(stage, "a.x", *protocols)
    await challenge(stage, papers, tmp_path, "a.x")

    found, agreed = await shown(stage, "a.x", *protocols)

    assert (found, agreed != ACME) == (before, True)
    _, writer = await connect(stage, "a.x")
    assert serial(writer) == before
    assert (await stage.get()).body == b"A"


async def test_other_names(stage: Stage, papers: Papers, tmp_path: Path) -> None:
    """A name without a challenge has none to show; a name that is served by nothing else can have one."""
    await challenge(stage, papers, tmp_path, "new.x", served="a.x")

    _, agreed = await shown(stage, "new.x", ACME)
    assert agreed == ACME
    _, agreed = await shown(stage, "a.x", ACME)
    assert agreed is None
    for name, protocol in (("new.x", "h2"), ("other.x", ACME)):
        with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
            await shown(stage, name, protocol)


async def test_over(stage: Stage, papers: Papers, tmp_path: Path) -> None:
    """A challenge whose files were written anew shows the new ones with the next table, and none when it is over."""
    await challenge(stage, papers, tmp_path, "new.x", served="a.x")
    first, _ = await shown(stage, "new.x", ACME)
    await challenge(stage, papers, tmp_path, "new.x", served="a.x")
    second, _ = await shown(stage, "new.x", ACME)
    assert first != second

    stage.publish({"routes": [], "certificates": [papers.certificate("a.x")]})

    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        await shown(stage, "new.x", ACME)


async def test_broken(stage: Stage, papers: Papers, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A challenge that cannot be loaded is told once, and disturbs nobody."""
    await challenge(stage, papers, tmp_path, "a.x", "b.x")
    (tmp_path / "answer-a.key").write_text("no key")

    agreed = [(await shown(stage, name, ACME))[1] for name in ("a.x", "a.x", "b.x")]

    assert agreed == [None, None, ACME]
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 1
    assert "the challenge of a.x cannot be answered" in told[0]
    assert (await stage.get()).body == b"A"


@pytest.mark.parametrize("step", [1, 50])
@pytest.mark.parametrize("size", [40, 16384])
async def test_pieces(stage: Stage, papers: Papers, tmp_path: Path, step: int, size: int) -> None:
    """A first message in many records, or byte by byte, is put together before anything is answered."""
    await challenge(stage, papers, tmp_path, "a.x")
    first = records(hello("a.x", [ACME])[5:], size)
    reader, writer = await knock(stage)
    for at in range(0, len(first) - 1, step):
        writer.write(first[at : min(at + step, len(first) - 1)])
        await writer.drain()
    assert (await stage.get()).status == 200

    writer.write(first[-1:])

    assert await asyncio.wait_for(reader.read(1), 25) == HANDSHAKE


@pytest.mark.parametrize(
    "first", [b"\x16\x03\x01\x00\x04\x02\0\0\0", b"\x16" * 20, b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380)]
)
async def test_garbage(stage: Stage, papers: Papers, tmp_path: Path, first: bytes) -> None:
    """What is no first message, or far too long, is refused as if there were no challenge."""
    await challenge(stage, papers, tmp_path, "a.x")
    reader, writer = await knock(stage)

    writer.write(first)

    with suppress(ConnectionResetError):
        assert (await asyncio.wait_for(reader.read(), 25))[:1] in {ALERT, b""}
    await stage.until(lambda: stage.tls.failed == 1)


async def test_slow(stage: Stage, papers: Papers, tmp_path: Path) -> None:
    """Who does not come to the end of the first message has ten seconds for it, like everybody."""
    await challenge(stage, papers, tmp_path, "a.x")
    _, writer = await knock(stage)
    writer.write(hello("a.x", [ACME])[:100])
    await stage.until(lambda: len(stage.tls.open) == 1)

    stage.advance(10)

    await stage.until(lambda: not stage.tls.open and stage.tls.failed == 1)


async def test_nothing_is_read_without_challenges(stage: Stage) -> None:
    """While there is no challenge, no first message is looked at."""
    stage.route(await stage.backend())
    _, writer = await knock(stage)
    writer.write(hello()[:100])
    await stage.until(lambda: len(stage.tls.open) == 1)

    [waiting] = [client for client in stage.traffic.clients if isinstance(client, Handshake)]

    assert waiting._reader is None
