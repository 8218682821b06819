"""Which certificates hosts are shown, and the URLs that people and services are told for that."""

from pathlib import Path

import pytest

from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Source
from hostess.domain.routing.https_policy import trusted
from hostess.services.certificates.internal import InternalCertificates
from hostess.services.certificates.served import ServedCertificates
from hostess.services.routing.public_urls import PublicUrls
from tests.issuing import authorities, issue

PORTS = {"http": 8080, "https": 8443}
NOWHERE = {"http": 80, "https": 0}


@pytest.fixture
def store(tmp_path: Path) -> FileCertificates:
    """Give a store."""
    return FileCertificates(tmp_path / "certs", SystemClock())


@pytest.fixture
def served(tmp_path: Path, store: FileCertificates) -> ServedCertificates:
    """Give what chooses from it."""
    clock = SystemClock()
    authority = FileAuthority(tmp_path / "certs" / "internal", clock, None)
    return ServedCertificates(store, InternalCertificates(store, authority, clock, "localhost"), clock, by_tls=True)


async def bring(store: FileCertificates, *names: str) -> None:
    """Import a certificate."""
    issued = issue(names, authorities()[1])
    await store.save(issued.chain, issued.key, Source.IMPORTED)


async def test_what_was_brought_has_no_rival(store: FileCertificates, served: ServedCertificates) -> None:
    """A wildcard that is imported is shown for a host that stood in a certificate of the house by its full name, and stands there still."""
    hosts = {f"{name}.example.org": "shop" for name in ("a.led", "b", "c")}
    before = await served.of(hosts)
    await bring(store, "*.led.example.org")

    after = await served.of(hosts)

    assert [*map(trusted(before), hosts)] == [False, False, False]
    assert [*map(trusted(after), hosts)] == [True, False, False]
    assert {each.chain for each in before} < {each.chain for each in after}


async def test_urls(store: FileCertificates, served: ServedCertificates) -> None:
    """People are told HTTPS where the certificate is trusted; services where there will be one for good. No listener, no URL of it."""
    await bring(store, "a.example.org")
    await served.of({})
    both = PublicUrls(PORTS.__getitem__, served, plain=True, acme=True)
    plain = PublicUrls(NOWHERE.__getitem__, served, plain=True, acme=True)
    own = PublicUrls(PORTS.__getitem__, served, plain=True, acme=False)
    secure = PublicUrls({"http": 0, "https": 443}.__getitem__, served, plain=False, acme=False)

    hosts = ("a.example.org", "b.example.org", "c.localhost")
    assert [both.of(host) for host in hosts] == [
        "https://a.example.org:8443",
        "http://b.example.org:8080",
        "http://c.localhost:8080",
    ]
    assert [both.lasting(host) for host in hosts] == [
        "https://a.example.org:8443",
        "https://b.example.org:8443",
        "http://c.localhost:8080",
    ]
    assert (
        [own.lasting(host) for host in hosts] == [own.of(host) for host in hosts] == [both.of(host) for host in hosts]
    )
    assert [plain.lasting(host) for host in hosts] == [f"http://{host}" for host in hosts]
    assert [secure.of(host) for host in hosts] == [f"https://{host}" for host in hosts]
