"""What routes ask of requests is asked of each stream of HTTP/2, too, and of none but that."""

import asyncio
from typing import Any

import pytest

from tests.integration.proxy.http2_peer import a_peer, asking, body, head, raw
from tests.integration.proxy.stage import Backend, Stage
from tests.integration.proxy.test_holding import PAUSE
from tests.integration.proxy.waiting import held


def two_routes(backend: Backend, **options: Any) -> dict[str, Any]:
    """Make a table that asks something below /asked, and nothing elsewhere."""
    route = {"host": "*", "service": "web", "release": "1", "targets": [backend.address]}
    return {"routes": [route, {**route, "path": "/asked", **options}]}


@pytest.mark.parametrize(
    ("options", "status", "field", "value"),
    [
        ({"maintenance": {"message": "Soon."}}, "503", "retry-after", "60"),
        ({"allow": ["10.0.0.0/8"]}, "403", "x-hostess-error", "not-allowed"),
        ({"basic_auth": []}, "401", "www-authenticate", 'Basic realm="a.x/asked"'),
        ({"redirect": {"host": "www.x"}}, "308", "location", "http://www.x/asked?q"),
        ({"error_pages": {"404": "x", "503": "own"}, "targets": []}, "503", "content-length", "3"),
        ({"strip_prefix": True, "maintenance": {"health_path": "/asked"}}, "200", "cache-control", "no-store"),
    ],
)
async def test_answers(stage: Stage, options: dict[str, Any], status: str, field: str, value: str) -> None:
    """A stream is answered with what its route says, while its neighbours reach the backend."""
    backend = await stage.backend()
    stage.publish(two_routes(backend, **options))

    async with a_peer(stage) as peer:
        peer.send(head(1, asking()), head(3, asking("GET", "/asked?q")), head(5, asking()))
        assert [(await peer.answered(number))[":status"] for number in (1, 3, 5)] == ["200", status, "200"]

        assert peer.head(3)[field] == value
        assert len(backend.heads) == 2


async def test_rate(stage: Stage) -> None:
    """Streams are counted one by one."""
    backend = await stage.backend()
    stage.route(backend, rate_limit={"requests": 1, "seconds": 1000, "burst": 3})

    async with a_peer(stage) as peer:
        peer.send(*(head(number, asking()) for number in range(1, 21, 2)))
        statuses = [(await peer.answered(number))[":status"] for number in range(1, 21, 2)]

    assert statuses == ["200"] * 3 + ["429"] * 7


async def test_pause(stage: Stage) -> None:
    """Streams are held in a pause, each with its body; those that are reset are forgotten, and the others answered after it."""
    backend = await stage.backend()
    stage.publish(two_routes(backend, pause=PAUSE))

    async with a_peer(stage) as peer:
        asked = asking("POST", "/asked")
        peer.send(*(head(number, asked, "END_HEADERS") + body(number, b"ab") for number in range(1, 13, 2)))
        peer.send(body(1, b"cd", ended=True), head(101, asking()))
        assert (await peer.answered(101))[":status"] == "200"
        await stage.until(lambda: held(stage) == 6)
        peer.send(raw(3, 0, 3, bytes(4)), raw(3, 0, 5, bytes(4)))
        await stage.until(lambda: held(stage) == 4)

        stage.publish(two_routes(backend))
        peer.send(*(body(number, b"ef", ended=True) for number in (7, 9, 11)))

        for number, text in ((1, b"Aabcd"), (7, b"Aabef"), (9, b"Aabef"), (11, b"Aabef")):
            assert (await peer.answered(number))[":status"] == "200"
            assert peer.data(number) == text
        assert len(backend.heads) == 5


async def test_body_waits_at_the_client(stage: Stage) -> None:
    """The body of a held stream is taken up to its window; the rest is sent when the pause is over."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)
    piece = bytes(16 * 1024)

    async with a_peer(stage) as peer:
        peer.send(head(1, asking("POST"), "END_HEADERS"), *(body(1, piece) for _ in range(16)))
        await peer.settled()
        [exchange] = [waiting.exchange for room in stage.traffic.holding._rooms.values() for waiting in room.waiting]
        assert sum(map(len, exchange.pending)) == 256 * 1024

        stage.route(backend)
        await stage.until(lambda: len(backend.heads) == 1)
        peer.send(*(body(1, piece, ended=number == 3) for number in range(4)))
        assert (await peer.answered(1))[":status"] == "200"
        assert len(peer.data(1)) == 1 + 20 * len(piece)


async def test_hang_up(stage: Stage) -> None:
    """When the connection ends, all its held streams are forgotten."""
    backend = await stage.backend()
    stage.route(backend, pause=PAUSE)

    async with a_peer(stage) as peer:
        peer.send(*(head(number, asking()) for number in range(1, 41, 2)))
        await stage.until(lambda: held(stage) == 20)
    await stage.until(lambda: held(stage) == 0)

    stage.route(backend)
    assert (await stage.get()).status == 200
    assert len(backend.heads) == 1


async def test_too_long(stage: Stage) -> None:
    """A stream that waits too long gets 504, and the connection goes on."""
    stage.route("127.0.0.1:1", pause=PAUSE)

    async with a_peer(stage) as peer:
        peer.send(head(1, asking()))
        await stage.until(lambda: held(stage) == 1)
        for room in stage.traffic.holding._rooms.values():
            for waiting in room.waiting:
                waiting.deadline -= 60
        assert (await peer.answered(1))[":status"] == "504"

        stage.route(await stage.backend())
        peer.send(head(3, asking()))
        assert (await peer.answered(3))[":status"] == "200"
    await asyncio.sleep(0)
