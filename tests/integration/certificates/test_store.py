"""Certificates on disk: whole or not there, readable by the proxy only, and each broken one by itself."""

import asyncio
import logging
import os
import ssl
import stat
from pathlib import Path

import pytest

from hostess.adapters.certificates.store import FileCertificates, Reader
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.problem import Problem
from tests.fakes.clock import FakeClock
from tests.integration.certificates.rights import NOBODY, may, only_root
from tests.integration.state.folder import holding, names
from tests.issuing import DAY, NOW, Issued, authorities, issue, openssl

ROOT, MIDDLE = authorities()


@pytest.fixture
def store(tmp_path: Path) -> FileCertificates:
    """Return a store in a folder that is not there yet."""
    return FileCertificates(tmp_path / "certs", SystemClock())


async def kept(store: FileCertificates, *hosts: str) -> tuple[Issued, Certificate]:
    """Keep a certificate of the authority for *hosts*."""
    issued = issue(hosts or ("shop.example.org",), MIDDLE)
    return issued, await store.save(issued.chain, issued.key, Source.ACME, "https://ca.example/directory")


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


async def test_what_is_saved_is_found_again(store: FileCertificates, tmp_path: Path) -> None:
    """A saved certificate is found by another process as it was returned; chain and key are in its folder, the key is 0600."""
    issued, certificate = await kept(store)

    chain, key = store.files(certificate)
    assert await FileCertificates(tmp_path / "certs", SystemClock()).all() == [certificate]
    assert (chain.read_text(), key.read_text()) == (issued.chain, issued.key)
    assert (certificate.source, certificate.authority) == (Source.ACME, "https://ca.example/directory")
    assert certificate.renewal_id
    assert chain.parent == tmp_path / "certs" / certificate.id
    assert (mode(key), mode(tmp_path / "certs") & 0o077) == (0o600, 0)


async def test_openssl_agrees(store: FileCertificates, tmp_path: Path) -> None:
    """`openssl verify` accepts the kept chain for its names, and no other, and finds the kept key to be the certificate's."""
    _, certificate = await kept(store, "shop.example.org", "*.example.org", "203.0.113.7")
    chain, key = store.files(certificate)
    (tmp_path / "root.pem").write_text(ROOT.pem)

    verify = ("verify", "-CAfile", tmp_path / "root.pem", "-untrusted", chain)
    for asked in (("-verify_hostname", "any.example.org"), ("-verify_ip", "203.0.113.7")):
        assert "OK" in openssl(*verify, *asked, chain)
    with pytest.raises(AssertionError, match="mismatch"):
        openssl(*verify, "-verify_hostname", "shop.example.com", chain)
    assert openssl("pkey", "-in", key, "-pubout") == openssl("x509", "-in", chain, "-noout", "-pubkey")


async def test_the_id_is_the_certificates_own(store: FileCertificates, tmp_path: Path) -> None:
    """Saving a certificate again changes nothing; its successor for the same names gets a folder of its own, and both are there."""
    issued, certificate = await kept(store, "*.example.org")
    before = (tmp_path / "certs" / certificate.id).stat().st_ino
    again = await store.save(issued.chain, issued.key, Source.ACME, "https://ca.example/directory")
    _, successor = await kept(store, "*.example.org")

    assert again == certificate
    assert (tmp_path / "certs" / certificate.id).stat().st_ino == before
    assert names(tmp_path / "certs") == {certificate.id, successor.id}
    assert certificate.id.startswith("_wildcard.example.org-")


async def test_a_bad_pair_leaves_nothing(store: FileCertificates, tmp_path: Path) -> None:
    """A certificate that is not served (another's key, expired, not yet valid) leaves no trace, its key least of all."""
    good = issue(above=MIDDLE)
    late, early = issue(above=MIDDLE, ends=NOW - DAY / 2), issue(above=MIDDLE, begins=NOW + DAY)

    for chain, key in [(good.chain, issue().key), (late.chain, late.key), (early.chain, early.key)]:
        with pytest.raises(Problem) as caught:
            await store.save(chain, key, Source.IMPORTED)
        assert caught.value.code == "certificate-invalid"
    assert not (tmp_path / "certs").exists() or not names(tmp_path / "certs")


async def test_an_expired_certificate_is_still_kept(tmp_path: Path) -> None:
    """What has expired in the store is returned: it is for others to say whether it is better than nothing."""
    clock = FakeClock(NOW)
    store = FileCertificates(tmp_path / "certs", clock)
    _, certificate = await kept(store)
    clock.advance(200 * 86400)

    assert await store.all() == [certificate]


@pytest.mark.parametrize("file", ["chain.pem", "key.pem", "meta.json"])
@pytest.mark.parametrize("damage", [b"", b"x" * 5000, None], ids=["empty", "noise", "gone"])
async def test_a_broken_certificate_costs_only_itself(
    store: FileCertificates, caplog: pytest.LogCaptureFixture, file: str, damage: bytes | None
) -> None:
    """A file that is empty, noise or gone takes its own certificate out, told once, and leaves the others; saving again mends it."""
    issued, broken = await kept(store, "a.example.org")
    _, other = await kept(store, "b.example.org")
    path = store.files(broken)[0].parent / file
    path.unlink() if damage is None else path.write_bytes(damage)

    with caplog.at_level(logging.ERROR):
        assert await store.all() == [other]
        assert await store.all() == [other]
    assert len([record for record in caplog.records if broken.id in record.getMessage()]) == 1
    assert await store.save(issued.chain, issued.key, Source.ACME, "https://ca.example/directory") == broken
    assert {each.id for each in await store.all()} == {broken.id, other.id}


async def test_another_key_beside_a_chain_is_noticed(store: FileCertificates) -> None:
    """A key that somebody exchanged on disk, good in itself, takes its certificate out."""
    _, certificate = await kept(store)
    store.files(certificate)[1].write_text(issue().key)

    assert await store.all() == []


async def test_only_certificates_are_looked_at(store: FileCertificates, tmp_path: Path) -> None:
    """Other folders beside the certificates are left alone and are none."""
    await kept(store)
    for name in ("internal", "accounts", "lost+found"):
        (tmp_path / "certs" / name).mkdir()

    assert len(await store.all()) == 1
    assert {"internal", "accounts", "lost+found"} < names(tmp_path / "certs")


async def test_what_is_removed_is_gone(store: FileCertificates, tmp_path: Path) -> None:
    """A removed certificate is gone with its key, removing it again is no error, and an id cannot lead out of the folder."""
    issued, certificate = await kept(store)
    await store.remove(certificate)
    await store.remove(certificate)

    assert (await store.all(), names(tmp_path / "certs")) == ([], set())
    with pytest.raises(ValueError, match="no id"):
        store.files(Certificate("../key", (), Source.ACME, "", "", NOW, NOW))
    assert not holding(tmp_path / "certs", issued.key.splitlines()[1])


async def test_a_server_serves_it(store: FileCertificates) -> None:
    """A TLS server with the kept files is trusted by a client that knows the root only: `openssl s_client` says so."""
    _, certificate = await kept(store)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*store.files(certificate))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    root = store.files(certificate)[0].parent.parent.parent / "root.pem"
    root.write_text(ROOT.pem)
    port = server.sockets[0].getsockname()[1]
    asked = ("s_client", "-connect", f"127.0.0.1:{port}", "-servername", "shop.example.org", "-CAfile", root)
    checked = ("-verify_return_error", "-verify_hostname", "shop.example.org")

    async with server:
        said = await asyncio.to_thread(openssl, *asked, *checked)
    assert "Verify return code: 0 (ok)" in said


async def test_what_has_not_changed_is_not_read_again(store: FileCertificates, tmp_path: Path) -> None:
    """What has not changed on disk is not read again: a certificate that became unreadable without a change is still known."""
    _, certificate = await kept(store)
    await store.all()
    chain = store.files(certificate)[0]
    before = chain.stat()
    content = chain.read_bytes()
    chain.write_bytes(b"x" * len(content))
    os.utime(chain, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert await store.all() == [certificate]
    assert await FileCertificates(tmp_path / "certs", SystemClock()).all() == []


@only_root
async def test_the_proxys_user_owns_the_keys(passable: Path) -> None:
    """Where the proxy has a user of its own, it reads chain and key by their paths, lists no folder above, and others read nothing."""
    store = FileCertificates(passable, SystemClock(), Reader(NOBODY, NOBODY))
    _, certificate = await kept(store)
    (passable / "internal").mkdir(mode=0o700)
    chain, key = store.files(certificate)

    found = key.stat()
    assert (found.st_uid, found.st_gid, mode(key), mode(passable)) == (NOBODY, NOBODY, 0o600, 0o710)
    assert may(NOBODY, chain, key, passable, passable / "internal") == [True, True, False, False]
    assert may(NOBODY - 1, chain, key, passable, passable / "internal") == [False] * 4


@only_root
async def test_rights_are_put_right(tmp_path: Path) -> None:
    """Files that came back from a backup with other rights get those that they should have when they are read."""
    _, certificate = await kept(FileCertificates(tmp_path / "certs", SystemClock()))
    store = FileCertificates(tmp_path / "certs", SystemClock(), Reader(NOBODY, NOBODY))
    key = store.files(certificate)[1]
    key.chmod(0o644)

    assert await store.all() == [certificate]
    assert (key.stat().st_uid, mode(key), mode(key.parent)) == (NOBODY, 0o600, 0o750)
