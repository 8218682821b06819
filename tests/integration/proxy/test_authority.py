"""Challenges of the whole proxy: every worker answers them once a table is acknowledged, and a real authority is content."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.proxy.router_socket import SocketRouter
from hostess.domain.certificates.acme_answers import certificate_request, challenge_certificate, fresh_key
from hostess.domain.certificates.order import Challenge, Kind
from hostess.domain.certificates.pem import read_pair
from hostess.domain.ports import AlpnChallenge, Challenges, Upstreams
from hostess.domain.ports.proxy import NO_CHALLENGES, ServedCertificate
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.processes import Proxy, a_backend, a_proxy
from tests.integration.proxy.stage import Backend
from tests.integration.proxy.test_alpn_challenges import ACME, answering, speaking
from tests.integration.proxy.test_challenges import ANSWER, PATH, TOKEN
from tests.integration.proxy.test_tls_processes import port_of
from tests.integration.proxy.tls_client import TlsClient
from tests.issuing import NOW
from tests.pebble import authority as a_pebble

ASK = f"GET {PATH} HTTP/1.1\r\nHost: nobody.example\r\n\r\n".encode()


@pytest.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    """Give a proxy with two workers."""
    async with a_proxy(tmp_path, HTTPS="127.0.0.1:0", WORKERS="2") as one:
        yield one


@contextmanager
def alone(worker: int, workers: tuple[int, ...]) -> Iterator[None]:
    """Let this worker take all connections."""
    others = [psutil.Process(pid) for pid in workers if pid != worker]
    for other in others:
        other.suspend()
    try:
        yield
    finally:
        for other in others:
            other.resume()


async def test_every_worker(proxy: Proxy, papers: Papers, tmp_path: Path) -> None:
    """Once a table is acknowledged each worker answers its challenges, and once the next one is, none of them does."""
    entry = answering(papers, tmp_path, "new.x")
    raw = {"http": {TOKEN: ANSWER}, "alpn": [entry]}
    workers = proxy.state.workers
    assert len(workers) == 2

    await proxy.client.publish({"routes": [], "challenges": raw})

    for worker in workers:
        with alone(worker, workers):
            assert (await proxy.get(ASK)).body.decode() == ANSWER
            client = await TlsClient.connect(port_of(proxy), "new.x", speaking(ACME))
            assert client.tls.selected_alpn_protocol() == ACME
            client.writer.close()
    await proxy.client.publish({"routes": []})
    for worker in workers:
        with alone(worker, workers):
            assert (await proxy.get(ASK)).status == 404
            with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
                await TlsClient.connect(port_of(proxy), "new.x", speaking(ACME))


async def test_killed_proxy(tmp_path: Path) -> None:
    """A proxy that was killed answers again what its last table asks for, before the daemon has said anything."""
    async with a_proxy(tmp_path) as first:
        await first.client.publish({"routes": [], "challenges": {"http": {TOKEN: ANSWER}}})
    async with a_proxy(tmp_path) as again:
        assert (await again.get(ASK)).body.decode() == ANSWER


@pytest.mark.parametrize("kind", [Kind.HTTP, Kind.ALPN])
async def test_real_authority(proxy: Proxy, tmp_path: Path, kind: Kind) -> None:
    """A certificate is ordered, proved through the proxy at a host that sends everybody to HTTPS, issued, and served."""
    name, key = "shop.example", fresh_key()
    router = SocketRouter(tmp_path / "run")
    with a_pebble(
        tmp_path / "pebble", http_port=int(proxy.state.http.rpartition(":")[2]), tls_port=port_of(proxy)
    ) as pebble:
        async with a_backend() as backend:
            authority = AcmeAuthority(pebble.directory, tmp_path / "accounts", SystemClock(), ca_file=pebble.ca_file)
            order = await authority.begin([name])
            [challenge] = [each for each in order.authorizations[0].challenges if each.kind is kind]
            await router.publish([route(name, backend)], challenges=answers(kind, name, challenge, tmp_path))
            await authority.ready(challenge)
            order = await authority.settled(order)
            pair = read_pair(await authority.finish(order, certificate_request([name], key)), key)
            await authority.close()
            (tmp_path / "chain.pem").write_text(pair.chain)
            (tmp_path / "chain.key").write_text(key)
            own = ServedCertificate((name,), str(tmp_path / "chain.pem"), str(tmp_path / "chain.key"))
            await router.publish([route(name, backend)], certificates=[own], challenges=NO_CHALLENGES)

            client = await TlsClient.connect(port_of(proxy), name, ssl.create_default_context(cadata=pebble.root()))
            await client.send(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            assert (await client.read()).endswith(b"\r\n\r\nA")


def route(name: str, backend: Backend) -> Upstreams:
    """Route a host that is for TLS alone."""
    return Upstreams(name, "shop", "web", "v1", (backend.address,), redirect_https=True)


def answers(kind: Kind, name: str, challenge: Challenge, folder: Path) -> Challenges:
    """Return what answers a challenge of a name."""
    if kind is Kind.HTTP:
        return Challenges({challenge.token: challenge.answer})
    key, chain, path = fresh_key(), folder / "answer.pem", folder / "answer.key"
    path.write_text(key)
    chain.write_text(challenge_certificate(name, challenge.answer, key, NOW))
    return Challenges(alpn=(AlpnChallenge(name, str(chain), str(path)),))
