"""Certificates that people bring: by command or API, checked first, never shown, never told, in place of what was there."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess.adapters.addresses_system import own_addresses
from hostess.cli.tls import tls
from hostess.domain.certificates.certificate import Source
from hostess.domain.certificates.pem import facts_of
from tests.integration.api.stage import Stage, served
from tests.issuing import DAY, NOW, Issued, authorities, issue, openssl

_, AUTHORITY = authorities()
PATH = "/v1/tls/certificates"


def body(issued: Issued, host: str = "") -> dict[str, str]:
    """Return what the API takes."""
    return {"chain": issued.chain, "key": issued.key, "host": host}


def files(stage: Stage, issued: Issued) -> tuple[Path, Path]:
    """Write a certificate and its key beside the stage; return their paths."""
    certificate, key = stage.folder / "given.pem", stage.folder / "given.key"
    certificate.write_text(issued.chain)
    key.write_text(issued.key)
    return certificate, key


async def kept(stage: Stage) -> list[str]:
    """Return the ids of what the store has."""
    return [each.id for each in await stage.world.certificates.all()]


async def test_a_certificate_is_imported_by_command(stage: Stage) -> None:
    """`hostess tls import` has the certificate in the store, with a key that is 0600, and a new table is out."""
    certificate, key = files(stage, issue(("shop.example.org", "www.shop.example.org"), AUTHORITY))
    before = stage.router.generation
    ran = await stage.hostess("tls", "import", "--cert", str(certificate), "--key", str(key), "-o", "json")
    (found,) = await stage.world.certificates.all()

    assert (ran.code, ran.json["id"], ran.json["source"], ran.json["replaced"]) == (0, found.id, "imported", [])
    assert (found.names, found.source) == (("shop.example.org", "www.shop.example.org"), Source.IMPORTED)
    assert stat.S_IMODE(stage.world.certificates.files(found)[1].stat().st_mode) == 0o600
    assert stage.router.generation == before + 1


async def test_the_key_may_come_by_standard_input(stage: Stage) -> None:
    """A key, or certificate and key together, are taken from standard input, so that no file need hold them."""
    issued = issue(above=AUTHORITY)
    certificate, _ = files(stage, issued)
    first = await stage.hostess("tls", "import", "--cert", str(certificate), "--key", "-", given=issued.key)
    other = issue(above=AUTHORITY)
    second = await stage.hostess("tls", "import", "--cert", "-", "--key", "-", given=other.key + other.chain)

    assert (first.code, second.code) == (0, 0)
    assert first.out.startswith("shop.example.org: served from now on, until ")
    assert len(await kept(stage)) == 1


async def test_a_successor_takes_the_place_of_what_it_covers(stage: Stage) -> None:
    """Imported certificates all of whose names are in the new one are removed; others stay, and so does what was not imported."""
    small, other = issue(("a.example.org",), AUTHORITY), issue(("a.example.org", "b.example.org"), AUTHORITY)
    own = issue(("a.example.org",), AUTHORITY)
    ids = [(await stage.ask(f"POST {PATH}", body(each))).json["id"] for each in (small, other)]
    assert await kept(stage) == [ids[1]]
    acme = await stage.world.certificates.save(own.chain, own.key, Source.ACME, "https://ca.example")
    said = await stage.ask(f"POST {PATH}", body(issue(("a.example.org", "c.example.org"), AUTHORITY)))

    assert said.json["replaced"] == []
    assert set(await kept(stage)) == {ids[1], acme.id, said.json["id"]}


async def test_what_is_no_good_changes_nothing(stage: Stage) -> None:
    """Another's key, an expired certificate and one for another host are refused with a sentence, and what was served is served."""
    first = (await stage.ask(f"POST {PATH}", body(issue(above=AUTHORITY)))).json["id"]
    good, late = issue(above=AUTHORITY), issue(above=AUTHORITY, ends=NOW - DAY / 2)
    before = stage.router.generation

    for given, words in [
        ({**body(good), "key": issue().key}, "does not belong"),
        (body(late), "expired on"),
        (body(good, "blog.example.org"), "is not for blog.example.org; it is for shop.example.org"),
    ]:
        said = await stage.ask(f"POST {PATH}", given)
        assert (said.status, said.code) == (422, "certificate-invalid")
        assert words in said.json["detail"]
        assert said.json["remedy"]
    assert (await kept(stage), stage.router.generation) == ([first], before)


async def test_a_host_that_is_covered_will_do(stage: Stage) -> None:
    """`--host` is satisfied by a wildcard, whatever the case of its letters."""
    said = await stage.ask(f"POST {PATH}", body(issue(("*.example.org",), AUTHORITY), "Shop.Example.org"))
    assert said.status == 201, said.text


async def test_a_command_that_cannot_read_its_files_says_so(stage: Stage) -> None:
    """A file that is not there, or holds no PEM, is told with exit code 2."""
    certificate, key = files(stage, issue(above=AUTHORITY))
    gone = await stage.hostess("tls", "import", "--cert", "nowhere.pem", "--key", str(key))
    swapped = await stage.hostess("tls", "import", "--cert", str(key), "--key", str(certificate))

    assert (gone.code, swapped.code) == (2, 2)
    assert "nowhere.pem cannot be read: No such file" in gone.err
    assert "there is no certificate" in swapped.err


async def test_while_the_proxy_cannot_be_told_both_stay(stage: Stage) -> None:
    """When the proxy does not answer, the new certificate is kept, the former one is not removed, and the answer says so."""
    first = (await stage.ask(f"POST {PATH}", body(issue(above=AUTHORITY)))).json["id"]
    stage.router.is_gone = True
    said = await stage.ask(f"POST {PATH}", body(issue(above=AUTHORITY)))

    assert (said.status, said.code) == (503, "proxy-not-told")
    assert len(await kept(stage)) == 2
    assert first in await kept(stage)


async def test_an_imported_certificate_is_removed(stage: Stage) -> None:
    """`hostess tls remove` takes an id or a name, publishes, and leaves nothing of the key; there is nothing to remove then."""
    issued = issue(("shop.example.org", "*.shop.example.org"), AUTHORITY)
    await stage.ask(f"POST {PATH}", body(issued))
    removed = await stage.hostess("tls", "remove", "*.shop.example.org", "--force")
    again = await stage.hostess("tls", "remove", "*.shop.example.org", "--force")

    assert (removed.code, removed.out) == (0, "shop.example.org, *.shop.example.org: removed\n")
    assert (again.code, await kept(stage)) == (3, [])


async def test_one_is_removed_by_a_name_as_people_write_it(stage: Stage) -> None:
    """`hostess tls remove` takes other letters, and a dot at the end, as the import does."""
    await stage.ask(f"POST {PATH}", body(issue(("xn--bcher-kva.example",), AUTHORITY), "bücher.example"))
    removed = await stage.hostess("tls", "remove", "Bücher.example.", "--force")

    assert (removed.code, await kept(stage)) == (0, []), removed.err


async def test_those_of_authorities_are_not_removed(stage: Stage) -> None:
    """What was not imported is not found for removal."""
    issued = issue(above=AUTHORITY)
    acme = await stage.world.certificates.save(issued.chain, issued.key, Source.ACME)

    for which in (acme.id, "shop.example.org"):
        assert (await stage.ask(f"DELETE {PATH}/{which}")).code == "certificate-not-found"
    assert await kept(stage) == [acme.id]


async def test_no_key_is_told(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """No answer, event or log line has a part of a key that was imported, refused or removed."""
    good, refused = issue(above=AUTHORITY), issue(above=AUTHORITY)
    said = [
        await stage.ask(f"POST {PATH}", body(good)),
        await stage.ask(f"POST {PATH}", {**body(refused), "chain": good.chain}),
        await stage.ask(f"POST {PATH}", {**body(refused), "more": 1}),
        await stage.ask(f"POST {PATH}", {**body(refused), "key": refused.key * 500}),
        await stage.ask(f"DELETE {PATH}/shop.example.org"),
    ]

    assert [each.status for each in said] == [201, 422, 422, 422, 200]
    told = "".join(each.text for each in said) + str(await stage.journal.events()) + caplog.text
    for line in {*good.key.splitlines()[1:-1], *refused.key.splitlines()[1:-1]}:
        assert line not in told
    kinds = [event.kind for event in await stage.journal.events()]
    assert kinds == ["audit.certificate.imported", "audit.certificate.removed"]


async def test_no_key_crosses_a_network_in_the_clear(stage: Stage) -> None:
    """Over plain HTTP at another address than loopback the command sends no key, and the API takes none."""
    issued = issue(above=AUTHORITY)
    certificate, key = files(stage, issued)
    address = own_addresses()[0]
    async with served(stage.services, stage.folder / "wide", address) as url:
        there = url.replace("127.0.0.1", address)
        headers = {"Authorization": f"Bearer {stage.token}"}
        async with stage.session.post(there + PATH, json=body(issued), headers=headers) as response:
            assert (response.status, (await response.json())["code"]) == (403, "insecure-key")
        given = ("--cert", str(certificate), "--key", str(key))
        ran = await stage.hostess("tls", "import", *given, environ={"HOSTESS_URL": there})

    assert (ran.code, await kept(stage)) == (4, [])
    assert "everybody could read the key" in ran.err


async def test_the_unix_socket_takes_a_key(stage: Stage) -> None:
    """On the host itself, over the unix socket, a certificate is imported without a token."""
    certificate, key = files(stage, issue(above=AUTHORITY))
    own = {"HOSTESS_URL": "", "HOSTESS_TOKEN": "", "HOSTESS_DATA_DIR": str(stage.folder)}
    ran = await stage.hostess("tls", "import", "--cert", str(certificate), "--key", str(key), environ=own)

    assert ran.code == 0, ran.err
    assert len(await kept(stage)) == 1


async def test_the_root_is_printed(stage: Stage) -> None:
    """`hostess tls root` prints the root that signs, as PEM and nothing else, with its fingerprint beside; no key is with it."""
    ran = await stage.hostess("tls", "root")
    again = await stage.hostess("tls", "root", "-o", "json")
    (made,) = await stage.world.internal.ensure({"a.localhost": "shop"})
    (stage.folder / "root.pem").write_text(ran.out)

    openssl("verify", "-CAfile", stage.folder / "root.pem", "-verify_hostname", "a.localhost", chain_of(stage, made.id))
    facts = facts_of(ran.out)
    assert facts.fingerprint in ran.err
    assert again.json["fingerprint"] == facts.fingerprint
    assert "PRIVATE" not in ran.out + ran.err + again.out
    assert facts.name == made.issuer


def test_its_help_tells_how_to_trust_it() -> None:
    """`hostess tls root --help` has a line for each place that people know certificates in."""
    said = CliRunner().invoke(tls, ["root", "--help"]).output
    for word in ("update-ca-certificates", "update-ca-trust", "add-trusted-cert", "Firefox", "NODE_EXTRA_CA_CERTS"):
        assert word in said


def chain_of(stage: Stage, certificate: str) -> Path:
    """Return the path of a kept chain."""
    return stage.folder / "certs" / certificate / "chain.pem"
