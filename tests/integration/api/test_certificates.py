"""How certificates stand, by command and by the API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostess.domain.certificates.certificate import Source
from tests.integration.api.stage import ADDRESS, FILE, Stage, opened
from tests.issuing import authorities, issue

AUTHORITY = authorities()[1]
WITH_DOMAIN = FILE.replace("visibility: public", "visibility: public\n    domains: [shop.example.org]")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Open a daemon with an app at a domain; nobody looks after its certificates."""
    async with opened(tmp_path, records={"A shop.example.org": (ADDRESS,)}) as found:
        await found.project()
        await found.secret("a-greeting-of-mine")
        assert (await found.push(WITH_DOMAIN)).accepted
        yield found


async def test_the_list_shows_all_kinds(stage: Stage) -> None:
    """`tls list` shows what is wanted, what was brought and what is this installation's own, each with what it waits for."""
    brought = issue(("brought.example.org",), AUTHORITY)
    await stage.world.certificates.save(brought.chain, brought.key, Source.IMPORTED)
    await stage.world.routing.publish()
    ran = await stage.hostess("tls", "list")

    lines = [line.split() for line in ran.out.splitlines()]
    assert ran.code == 0
    assert lines[0] == ["NAMES", "SOURCE", "STATE", "ISSUER", "EXPIRES", "RENEWAL"]
    assert [line[:3] for line in lines if line[0] == "shop.example.org"] == [
        ["shop.example.org", "acme", "issuing"],
        ["shop.example.org", "internal", "serving"],
    ]
    assert ["brought.example.org", "imported", "serving"] in [line[:3] for line in lines]


async def test_no_key_is_in_the_list(stage: Stage) -> None:
    """The list tells names, source, state and dates, and no key."""
    said = await stage.ask("GET /v1/tls")

    assert {each["source"] for each in said.json["items"]} == {"acme", "internal"}
    assert "PRIVATE" not in said.text


async def test_a_scoped_token_sees_its_own(stage: Stage) -> None:
    """A token of another project sees no name of this one, and may not ask for its certificate."""
    token = await stage.a_token("owner", ["other"])

    assert (await stage.ask("GET /v1/tls", token=token)).json["items"] == []
    assert (await stage.ask("POST /v1/tls/retry", {"host": "shop.example.org"}, token=token)).status in {403, 404}


async def test_a_retry_for_a_name_as_people_write_it(stage: Stage) -> None:
    """`tls retry` takes a name with other letters, and a dot at its end, for what certificates call it."""
    ran = await stage.hostess("tls", "retry", "Bücher.example.org.")

    assert "is wanted for xn--bcher-kva.example.org" in ran.err


async def test_a_retry_for_what_nobody_wants(stage: Stage) -> None:
    """`tls retry` of a host for which no authority is asked says so."""
    ran = await stage.hostess("tls", "retry", "nas.localhost")

    assert ran.code == 7
    assert "no certificate of an authority is wanted for nas.localhost" in ran.err
