"""The internal authority: made once, kept private, speaks for what is its own; OpenSSL is the judge."""

import asyncio
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.certificates.authority_internal import ROOT_LIFETIME, FileAuthority
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Source
from hostess.domain.problem import Problem
from hostess.services.certificates.internal import InternalCertificates
from tests.fakes.clock import FakeClock
from tests.integration.state.folder import names
from tests.issuing import NOW, openssl

PLACES = ("apps.example.org", "203.0.113.7")


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that shows the real time until it is moved: OpenSSL looks at that one."""
    return FakeClock(NOW)


@pytest.fixture
def authority(tmp_path: Path, clock: FakeClock) -> FileAuthority:
    """Return an authority that is constrained."""
    return FileAuthority(tmp_path / "certs" / "internal", clock, PLACES)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> FileCertificates:
    """Return the store beside it."""
    return FileCertificates(tmp_path / "certs", clock)


async def verified(authority: FileAuthority, folder: Path, host: str, *, subject: str | None = None) -> None:
    """Have OpenSSL verify a certificate for *subject* (the host itself, by default) as somebody who trusts the root would for *host*."""
    chain, _ = await authority.issue([subject or host])
    (folder / "root.pem").write_text(await authority.root())
    (folder / "leaf.pem").write_text(chain)
    kind = "-verify_ip" if host.replace(".", "").isdigit() or ":" in host else "-verify_hostname"
    openssl("verify", "-x509_strict", "-CAfile", folder / "root.pem", kind, host, folder / "leaf.pem")


async def test_it_speaks_for_what_is_never_public(authority: FileAuthority, tmp_path: Path) -> None:
    """Who trusts the root trusts it for localhost, private names and addresses, the base domain and the host's own address."""
    for host in (
        "localhost",
        "shop-api.localhost",
        "a.b.test",
        "nas.home.arpa",
        "127.0.0.1",
        "192.168.1.7",
        "::1",
        "apps.example.org",
        "shop.apps.example.org",
        "203.0.113.7",
    ):
        await verified(authority, tmp_path, host)
    await verified(authority, tmp_path, "any.apps.example.org", subject="*.apps.example.org")


async def test_it_cannot_speak_for_others(authority: FileAuthority, tmp_path: Path) -> None:
    """Who trusts the root trusts nothing that it signs for another name or address, for whatever host that is asked."""
    for host in ("bank.example.com", "example.org", "xapps.example.org", "8.8.8.8", "2001:db8::1"):
        with pytest.raises(AssertionError, match="permitted subtree violation"):
            await verified(authority, tmp_path, host)


async def test_clients_refuse_wildcards_below_one_label(authority: FileAuthority, tmp_path: Path) -> None:
    """A wildcard of localhost itself is no use, which is why hosts there stand in certificates by name."""
    with pytest.raises(AssertionError, match="hostname mismatch"):
        await verified(authority, tmp_path, "shop.localhost", subject="*.localhost")


async def test_without_acme_it_speaks_for_all(tmp_path: Path) -> None:
    """An authority without constraints is trusted for every host."""
    await verified(FileAuthority(tmp_path / "internal", FakeClock(NOW), None), tmp_path, "intranet.example.com")


async def test_it_is_made_once(tmp_path: Path, clock: FakeClock) -> None:
    """Another process finds the same root, for ten years, whose file nobody else can read."""
    folder = tmp_path / "certs" / "internal"
    first = await FileAuthority(folder, clock, PLACES).root()
    clock.advance((ROOT_LIFETIME - timedelta(days=400)).total_seconds())

    assert await FileAuthority(folder, clock, PLACES).root() == first
    assert names(folder) == {"authority.pem"}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "authority.pem")]
    assert modes == [0o700, 0o600]


async def test_it_is_made_anew_when_it_must_be(tmp_path: Path, clock: FakeClock) -> None:
    """A root that may not speak for a new base domain, or ends within the year, is replaced by one of another name; a wider one stays."""
    folder = tmp_path / "internal"
    first = await FileAuthority(folder, clock, PLACES).name()
    second = await FileAuthority(folder, clock, ["other.example.org"]).name()
    third = await FileAuthority(folder, clock, None).name()
    fourth = await FileAuthority(folder, clock, PLACES).name()
    clock.advance((ROOT_LIFETIME - timedelta(days=300)).total_seconds())
    fifth = await FileAuthority(folder, clock, PLACES).name()

    assert third == fourth
    assert len({first, second, third, fifth}) == 4


@pytest.mark.parametrize("damage", ["", "noise"])
async def test_a_damaged_root_is_left_as_it_is(authority: FileAuthority, tmp_path: Path, damage: str) -> None:
    """A file that cannot be read is told, with what to do, and never overwritten."""
    file = tmp_path / "certs" / "internal" / "authority.pem"
    await asyncio.to_thread(file.parent.mkdir, parents=True)
    file.write_text(damage)

    with pytest.raises(Problem, match="damaged") as caught:
        await authority.issue(["localhost"])
    assert caught.value.code == "authority-unreadable"
    assert file.read_text() == damage


async def test_a_half_written_root_is_none(authority: FileAuthority, tmp_path: Path) -> None:
    """What a crash left while the root was written is overwritten by the next one."""
    left = tmp_path / "certs" / "internal" / ".authority.pem.new"
    await asyncio.to_thread(left.parent.mkdir, parents=True)
    left.write_text("half")

    assert await authority.root()
    assert names(left.parent) == {"authority.pem"}


async def test_hosts_have_certificates(authority: FileAuthority, store: FileCertificates, clock: FakeClock) -> None:
    """Asked again, the same certificates are returned; after two thirds of their life, new ones; the old ones stay until tidied away."""
    certificates = InternalCertificates(store, authority, clock, "apps.example.org")
    hosts = {"shop.apps.example.org": "shop", "127.0.0.1": "", "shop.example.com": "shop"}
    first = await certificates.ensure(hosts)
    again = await certificates.ensure(hosts)
    clock.advance(5 * 86400)
    renewed = await certificates.ensure(hosts)

    assert first == again
    assert {frozenset(each.names) for each in first} == {
        frozenset({"apps.example.org", "*.apps.example.org"}),
        frozenset({"127.0.0.1"}),
        frozenset({"shop.example.com"}),
    }
    assert {each.names for each in renewed} == {each.names for each in first}
    assert not {each.id for each in renewed} & {each.id for each in first}
    assert len(await store.all()) == 6
    await certificates.tidy({each.id for each in renewed})
    assert {each.id for each in await store.all()} == {each.id for each in renewed}


async def test_tidying_leaves_those_of_others(
    authority: FileAuthority, store: FileCertificates, clock: FakeClock
) -> None:
    """Only certificates of the internal authority are ever tidied."""
    imported = await store.save(*await authority.issue(["shop.example.com"]), Source.IMPORTED)
    await InternalCertificates(store, authority, clock, "localhost").tidy(set())

    assert await store.all() == [imported]


async def test_a_new_root_signs_all_anew(tmp_path: Path, store: FileCertificates, clock: FakeClock) -> None:
    """Certificates of a former root are not used again."""
    folder = tmp_path / "certs" / "internal"
    hosts = {"a.localhost": "shop"}
    first = await InternalCertificates(store, FileAuthority(folder, clock, []), clock, "localhost").ensure(hosts)
    other = FileAuthority(folder, clock, ["example.org"])
    second = await InternalCertificates(store, other, clock, "localhost").ensure(hosts)

    assert second[0].issuer == await other.name() != first[0].issuer


async def test_the_real_clock_will_do(tmp_path: Path) -> None:
    """With the time of the system a certificate for localhost is kept, and good."""
    clock = SystemClock()
    authority = FileAuthority(tmp_path / "internal", clock, [])
    store = FileCertificates(tmp_path / "certs", clock)
    (made,) = await InternalCertificates(store, authority, clock, "localhost").ensure({"a.localhost": "shop"})
    (tmp_path / "root.pem").write_text(await authority.root())

    openssl("verify", "-CAfile", tmp_path / "root.pem", "-verify_hostname", "a.localhost", store.files(made)[0])
