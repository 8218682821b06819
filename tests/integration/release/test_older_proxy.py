"""A proxy that is older than the daemon serves on: what it cannot do is told, and in the way of nothing else."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.clock_system import SystemClock
from hostess.adapters.proxy.router_socket import SocketRouter
from hostess.domain.ports import OUTDATED, Pause, Upstreams
from hostess.domain.problem import Problem
from hostess.domain.records import Answers, Counted
from hostess.domain.routing.closures import Closing, Closure
from hostess_proxy.control import wire
from tests.world import Bench, web


@pytest.mark.parametrize("kind", Closing)
async def test_what_it_cannot_close_stays_open(bench: Bench, kind: Closing) -> None:
    """Maintenance and pauses that it does not know are refused and forgotten, and the next push goes live."""
    assert (await bench.push("shop", web())).accepted
    bench.router.outdated = True
    now = SystemClock().now()

    with pytest.raises(Problem, match="older than the daemon"):
        await bench.world.closures.close(
            Closure("shop", "production", kind, "", now, "ann", until=now + timedelta(hours=1))
        )

    assert await bench.journal.closures() == []
    assert (await bench.push("shop", web(mark="b"))).accepted, bench.text()


async def test_a_canary_that_it_cannot_serve(bench: Bench) -> None:
    """A canary fails with what is to be done, leaves nothing behind, and the same commit goes live as an ordinary push."""
    assert (await bench.push("shop", web())).accepted
    before = {container.id for container in await bench.world.replicas.of_place("shop", "production")}
    bench.router.outdated = True

    assert not (await bench.push("shop", web(mark="b"), "canary=10")).accepted

    assert "older than the daemon" in bench.text()
    assert {container.id for container in await bench.world.replicas.of_place("shop", "production")} == before
    assert await bench.journal.canaries() == []
    assert (await bench.push("shop", web(mark="b"))).accepted, bench.text()


@pytest.mark.parametrize(
    ("refusal", "code", "words"),
    [
        (("invalid-table", "unknown key", "routes[0].pause"), OUTDATED, r"does not know 'pause' \(routes\[0\]\)"),
        (("table-not-saved", "the table cannot be saved: no room", ""), "proxy-refused", "no room"),
    ],
    ids=["unknown", "full"],
)
async def test_why_a_table_is_refused(tmp_path: Path, refusal: tuple[str, str, str], code: str, words: str) -> None:
    """A key that it does not know, and a disk that is full, are told as what they are, and not as a proxy that is away."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for question in wire.messages(reader):
            wire.reply(writer, question, wire.refusal(*refusal))
        writer.close()

    route = Upstreams("a.localhost", "a", "web", "v1", ("127.0.0.1:1",), pause=Pause(10, 10))
    async with await asyncio.start_unix_server(take, tmp_path / "proxy.sock"):
        with pytest.raises(Problem, match=words) as refused:
            await SocketRouter(tmp_path).publish([route])

    assert refused.value.code == code


async def test_one_that_knows_no_environments(bench: Bench) -> None:
    """Its tables name none; a proxy that knows them is told which they are from its first table on."""
    bench.router.outdated = True
    assert (await bench.push("shop", web())).accepted, bench.text()
    assert {route.environment for route in bench.router.tables[-1]} == {""}
    assert {service.environment for service in bench.router.insides[-1]} == {""}

    bench.router.outdated = False
    await bench.world.routing.publish()

    assert {route.environment for route in bench.router.tables[-1]} == {"production"}
    assert {service.environment for service in bench.router.insides[-1]} == {"production"}


async def test_what_an_older_one_has_answered(tmp_path: Path) -> None:
    """It counts all environments of a project together, and says so with none."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for question in wire.messages(reader):
            told = {"names": '["shop", "web", "v2"]', "count": 3, "errors": 1, "within": [2, 1]}
            wire.reply(writer, question, {"bounds": [0.1], "answers": [told]})
        writer.close()

    async with await asyncio.start_unix_server(tell, tmp_path / "proxy.sock"):
        bounds, found = await SocketRouter(tmp_path).answers()

    assert bounds == (0.1,)
    assert found == {Counted("shop", "", "web", "v2"): Answers(3, 1, (2, 1))}
