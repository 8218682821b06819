"""Requests that no client of ours makes: each gets a problem that says what is wrong with it, and none is a bug of the daemon."""

import asyncio

import pytest

from tests.integration.api.stage import WITHIN, Stage

WEB = "/v1/projects/shop/environments/production/services/web"
NUL = "holds a NUL character"


async def test_a_body_that_is_not_what_its_head_says(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A body that cannot be decoded is told as such, also to whom nobody knows, and fills no log."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    await stage.project()

    said = await stage.ask("POST /v1/projects", data=b'{"name": "other"}', headers=headers)
    stranger = await stage.ask("POST /v1/projects/shop/webhook", data=b"{}", headers=headers, token="")

    assert (said.status, said.code) == (400, "bad-request")
    assert "cannot be read" in said.json["detail"]
    assert (stranger.status, stranger.code) == (400, "bad-request")
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_goes_in_the_middle_of_a_body(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It is nobody's mistake that could be looked into."""
    host, port = stage.url.removeprefix("http://").split(":")
    head = f"POST /v1/projects HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {stage.token}\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    await stage.ask("GET /v1/whoami")
    writer.close()
    async with asyncio.timeout(WITHIN):
        await reader.read()

    assert (await stage.ask("GET /v1/whoami")).status == 200
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(
    "lines",
    [
        "GET /v1/whoami HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer hst_secret\x00",
        "GET /v1/whoami HTTP/1.1\r\nHost: a\r\nHost: b",
        f"GET /{'a' * 300_000} HTTP/1.1\r\nHost: a",
        "POST /v1/projects HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
    ],
)
async def test_what_is_no_http_fills_no_log(stage: Stage, caplog: pytest.LogCaptureFixture, lines: str) -> None:
    """What anybody can send gets 400 and leaves nothing: neither a traceback each time, nor what was in it."""
    host, port = stage.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{lines}\r\n\r\n".encode())
    async with asyncio.timeout(WITHIN):
        said = await reader.read()
    writer.close()

    assert b" 400 " in said.splitlines()[0]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert "hst_secret" not in caplog.text


async def test_a_method_that_is_not_there_names_those_that_are(stage: Stage) -> None:
    """RFC 9110 wants `Allow` with a 405."""
    said = await stage.ask("PUT /v1/projects")

    assert (said.status, said.headers["Allow"]) == (405, "GET,POST")


@pytest.mark.parametrize(
    ("route", "body"),
    [
        (f"POST {WEB}/run", {"command": ["print", "a\0b"]}),
        (f"POST {WEB}/run", {"command": ["print"], "env": {"A": "x\0"}}),
        ("POST /v1/projects/shop/environments/production/jobs/report/runs", {"env": {"A": "\0"}}),
        (f"GET {WEB}/terminal?command=%5B%22a%5Cu0000b%22%5D", None),
    ],
)
async def test_no_word_has_a_nul(stage: Stage, route: str, body: object) -> None:
    """What no process can be given is refused at the door, in one sentence, before anything is begun or written down."""
    await stage.live()

    said = await stage.ask(route, body)

    assert (said.status, said.code) == (422, "invalid-request")
    assert NUL in said.json["detail"]
