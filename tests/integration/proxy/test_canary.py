"""A release is tried out on some of the clients."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hostess_proxy.draining import drain
from tests.integration.proxy.http2_peer import a_peer, asking, head
from tests.integration.proxy.stage import Backend, Conversation, Response, Stage, gone, ok, read_response, saying
from tests.integration.proxy.test_trouble import GET, POST, unused_address

MANY = 200


def canary(*targets: Backend | str, **more: Any) -> dict[str, Any]:
    """Return what a route says about a canary."""
    addresses = [target if isinstance(target, str) else target.address for target in targets]
    return {"release": "2", "targets": addresses, "values": ["yes"], "header": "X-Canary", **more}


def cookie(number: int) -> str:
    """Return the cookie of a client."""
    return f"Cookie: hostess_canary={number:032x}"


async def ask_all(stage: Stage) -> list[Response]:
    """Ask as many clients, one after another on one connection."""
    reader, writer = await stage.connect()
    answers = []
    for number in range(MANY):
        writer.write(f"GET / HTTP/1.1\r\nHost: a.x\r\n{cookie(number)}\r\n\r\n".encode())
        answers.append(await read_response(reader))
    return answers


async def test_percentage(stage: Stage) -> None:
    """Some clients reach the canary, always the same; log and header name its release; with a higher percentage all of them stay."""
    old, new = await stage.backend(ok, "old"), await stage.backend(ok, "new")
    stage.route(old, canary=canary(new, percent=20), expose_release=True)

    first, second = await ask_all(stage), await ask_all(stage)
    stage.route(old, canary=canary(new, percent=50))
    third = await ask_all(stage)

    bodies = [answer.body for answer in first]
    assert [answer.body for answer in second] == bodies
    assert MANY * 0.12 < bodies.count(b"new") < MANY * 0.28
    assert all(later.body == b"new" for early, later in zip(first, third, strict=True) if early.body == b"new")
    assert {(answer.body, *answer.values("x-hostess-release")) for answer in first} == {(b"old", "1"), (b"new", "2")}
    lines = (await stage.logged(3 * MANY))[:MANY]
    assert [line["release"] for line in lines] == ["2" if body == b"new" else "1" for body in bodies]


async def test_cookie_is_given(stage: Stage) -> None:
    """Who comes without a cookie goes to the stable release, whatever the percentage, and gets a cookie; who has one gets none."""
    stage.route(await stage.backend(ok, "old"), canary=canary(await stage.backend(ok, "new"), percent=100))

    answer = await stage.get()
    [given] = answer.values("set-cookie")
    value, _, attributes = given.partition("; ")
    again = await stage.get("/", f"Cookie: a=b; {value}")

    assert answer.body == b"old"
    assert value.startswith("hostess_canary=")
    assert attributes == "Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"
    assert (again.body, again.values("set-cookie")) == (b"new", [])


async def test_http2(stage: Stage) -> None:
    """A client of HTTP/2 gets the cookie, and reaches the canary by it."""
    stage.route(await stage.backend(ok, "old"), canary=canary(await stage.backend(ok, "new"), percent=100))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking()))
        given = (await peer.answered())["set-cookie"].partition("; ")[0]
        peer.send(head(3, asking("GET", "/", ("cookie", "a=b"), ("cookie", given))))
        await peer.answered(3)

    assert (peer.data(1), peer.data(3)) == (b"old", b"new")


@pytest.mark.parametrize("line", ["X-Canary: yes", "Cookie: hostess_canary=yes"])
async def test_listed(stage: Stage, line: str) -> None:
    """Who shows a listed value reaches the canary at 0 percent, others do not, and nobody gets a cookie."""
    stage.route(await stage.backend(ok, "old"), canary=canary(await stage.backend(ok, "new"), percent=0))

    listed, other = await stage.get("/", line), await stage.get("/", "X-Canary: no")

    assert (listed.body, other.body) == (b"new", b"old")
    assert listed.values("set-cookie") + other.values("set-cookie") == []


@pytest.mark.parametrize("tried_out", [list, lambda: [unused_address()]])
async def test_canary_that_is_not_there(stage: Stage, tried_out: Callable[[], list[str]]) -> None:
    """Where the canary has no target, or none that lets us connect, the stable release answers, bodies intact."""
    stage.route(await stage.backend(ok, "old"), canary=canary(*tried_out(), percent=100))

    for _ in range(5):
        answer = await stage.ask(POST.replace(b"\r\n\r\n", b"\r\nX-Canary: yes\r\n\r\n"))
        assert answer.body == b"oldabc"
    assert {line["release"] for line in await stage.logged(5)} == {"1"}


@pytest.mark.parametrize("how", [gone, saying(b"SSH-2.0-x\r\n\r\n", close=True)])
async def test_canary_that_fails(stage: Stage, how: Conversation) -> None:
    """A canary whose only target is out after failures gets nothing more: the stable release answers."""
    new = await stage.backend(how)
    stage.route(await stage.backend(ok, "old"), canary=canary(new, percent=100))

    answers = [await stage.ask(POST.replace(b"\r\n\r\n", b"\r\nX-Canary: yes\r\n\r\n")) for _ in range(10)]

    assert [answer.status for answer in answers] == [502] * 3 + [200] * 7
    assert len(new.heads) == 3


async def test_swaps_with_a_canary(stage: Stage) -> None:
    """Twenty swaps under mixed load, a canary on in every other table, fail no request, and all old backends may vanish."""
    stop = asyncio.Event()
    counts = {"stable": 0, "canary": 0}

    async def client(message: bytes, number: int) -> None:
        reader, writer = await stage.connect()
        while not stop.is_set():
            writer.write(message.replace(b"\r\n\r\n", f"\r\n{cookie(number)}\r\n\r\n".encode()))
            response = await read_response(reader)
            assert response.status == 200
            counts["canary" if response.body.startswith(b"canary") else "stable"] += 1

    def gone_on(before: dict[str, int], names: list[str]) -> bool:
        return all(counts[name] > before[name] + 10 for name in names)

    current = [await stage.backend(ok, "0")]
    stage.route(*current)
    messages = [GET, POST] * 4
    clients = [asyncio.create_task(client(message, number)) for number, message in enumerate(messages)]
    for turn in range(1, 21):
        await stage.until(partial(gone_on, dict(counts), ["stable", "canary"][: len(current)]))
        new = [await stage.backend(ok, str(turn))]
        more = {}
        if turn % 2:
            new.append(await stage.backend(ok, "canary"))
            more = {"canary": canary(new[1], percent=50)}
        stage.route(new[0], **more)
        assert await drain(stage.traffic.targets.at([backend.address for backend in current]), 5, 5) == 0
        for backend in current:
            for writer in backend.writers:
                writer.transport.abort()
        current = new
    stop.set()

    await asyncio.gather(*clients)
    assert counts["canary"] > 100
