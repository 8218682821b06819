"""HSTS: who is told that there is TLS alone, and who is not."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.integration.proxy.http2_peer import PREFACE, Peer, asking, head, raw
from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Stage, a_stage, saying
from tests.integration.proxy.tls_client import careless

FIELD = "Strict-Transport-Security"
YEAR = {"max_age": 31536000}


@pytest.fixture
async def secure(tmp_path: Path, papers: Papers) -> AsyncIterator[Stage]:
    """Give a proxy whose clients come by TLS."""
    async with a_stage(tmp_path / "secure", papers=papers) as one:
        yield one


@pytest.mark.parametrize(
    ("hsts", "value"),
    [
        (YEAR, "max-age=31536000"),
        ({"max_age": 60, "subdomains": True}, "max-age=60; includeSubDomains"),
        ({"max_age": 60, "subdomains": True, "preload": True}, "max-age=60; includeSubDomains; preload"),
        ({"max_age": 0}, "max-age=0"),
    ],
)
async def test_told_by_tls(secure: Stage, hsts: dict[str, object], value: str) -> None:
    """Responses by TLS carry what the route asks for."""
    secure.route(await secure.backend(), hsts=hsts)

    assert (await secure.get()).values(FIELD) == [value]


async def test_not_told(secure: Stage, stage: Stage) -> None:
    """Responses by plain HTTP carry nothing of it, nor do those of routes that do not ask for it."""
    stage.route(await stage.backend(), hsts=YEAR)
    secure.route(await secure.backend())

    assert (await stage.get()).values(FIELD) == (await secure.get()).values(FIELD) == []


async def test_behind_a_trusted_proxy(tmp_path: Path) -> None:
    """Who came by TLS to a trusted proxy is told, and who came there by plain HTTP is not."""
    async with a_stage(tmp_path, [ip_network("127.0.0.0/8")]) as stage:
        stage.route(await stage.backend(), hsts=YEAR)

        told = [(await stage.get("/", f"X-Forwarded-Proto: {scheme}")).values(FIELD) for scheme in ("https", "http")]

    assert told == [["max-age=31536000"], []]


async def test_what_the_app_says_stands(secure: Stage) -> None:
    """An app's own field, however it is written, is the only one."""
    answer = b"HTTP/1.1 200 OK\r\nstrict-transport-SECURITY: max-age=5\r\nContent-Length: 0\r\n\r\n"
    secure.route(await secure.backend(saying(answer)), hsts=YEAR)

    assert (await secure.get()).values(FIELD) == ["max-age=5"]


async def test_answers_of_the_proxy(secure: Stage) -> None:
    """Errors and redirects that the proxy answers with carry it, too."""
    secure.route(hsts=YEAR)
    assert (await secure.get()).values(FIELD) == ["max-age=31536000"]
    secure.route(hsts=YEAR, redirect={"host": "www.x"})
    response = await secure.get()

    assert (response.status, response.values(FIELD)) == (308, ["max-age=31536000"])


async def test_http2(secure: Stage) -> None:
    """Clients of HTTP/2 are told alike, in responses of the app and of the proxy."""
    secure.route(await secure.backend(), hsts=YEAR)
    context = careless()
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.port, ssl=context, server_hostname="a.x")
    peer = Peer(reader, writer)
    peer.send(PREFACE, raw(4, 0, 0), head(1, asking()))
    answers = [await peer.answered(1)]
    secure.route(hsts=YEAR)
    peer.send(head(3, asking()))
    answers.append(await peer.answered(3))

    told = [(answer[":status"], answer["strict-transport-security"]) for answer in answers]
    assert told == [("200", "max-age=31536000"), ("503", "max-age=31536000")]
    await peer.close()
