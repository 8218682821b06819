"""Certificates from a real authority: by every challenge, for one name and for several."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hostess.adapters.acme.authority import AcmeAuthority
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.order import Kind
from tests.integration.acme.proving import alpn_answers, dns_answers, http_answers, issued
from tests.issuing import openssl
from tests.pebble import Pebble
from tests.pebble import authority as a_pebble


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """Give an authority that refuses a nonce now and then."""
    with a_pebble(tmp_path_factory.mktemp("pebble"), environment={"PEBBLE_WFE_NONCEREJECT": "5"}) as running:
        yield running


@pytest.fixture
async def authority(pebble: Pebble, tmp_path: Path) -> AsyncIterator[AcmeAuthority]:
    """Give a client that has no account yet."""
    made = AcmeAuthority(pebble.directory, tmp_path / "accounts", SystemClock(), ca_file=pebble.ca_file)
    yield made
    await made.close()


async def test_by_http(pebble: Pebble, authority: AcmeAuthority, tmp_path: Path) -> None:
    """An apex and its www are in one certificate, proved by http-01; its chain leads to the authority's root."""
    names = ["shop.example.org", "www.shop.example.org"]
    async with http_answers(pebble.http_port) as answers:
        pair = await issued(authority, names, {Kind.HTTP: answers.prepare})

    assert sorted(pair.names) == names
    assert set(answers.hosts) == set(names)
    (tmp_path / "root.pem").write_text(pebble.root())
    (tmp_path / "chain.pem").write_text(pair.chain)
    openssl(
        "verify",
        *("-CAfile", tmp_path / "root.pem"),
        *("-untrusted", tmp_path / "chain.pem"),
        *("-verify_hostname", "shop.example.org"),
        tmp_path / "chain.pem",
    )


async def test_by_tls(pebble: Pebble, authority: AcmeAuthority, tmp_path: Path) -> None:
    """The certificate of RFC 8737 proves a name by tls-alpn-01."""
    async with alpn_answers(pebble.tls_port, tmp_path) as prepare:
        pair = await issued(authority, ["tls.example.org"], {Kind.ALPN: prepare})

    assert pair.names == ("tls.example.org",)


async def test_by_dns(pebble: Pebble, authority: AcmeAuthority) -> None:
    """A wildcard and its apex, whose records have the same name, are proved by dns-01 in one order."""
    pair = await issued(authority, ["*.wild.example.org", "wild.example.org"], {Kind.DNS: dns_answers(pebble)})

    assert set(pair.names) == {"*.wild.example.org", "wild.example.org"}
