"""The gate, where the world does not answer."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain.ports import Answer
from hostess.domain.problem import Problem
from hostess.services.deploying.gate import Gate
from tests.fakes.clock import FakeClock
from tests.fakes.programs import task
from tests.world import Bench, web


class NobodyThere:
    """Implements `ports.Prober` as the address of a container that has ended: *ends* happens, and then nothing, not even a refusal."""

    def __init__(self, bench: Bench, container: str) -> None:
        self._bench = bench
        self._container = container

    async def http(self, address: str, port: int, path: str, host: str, timeout: timedelta) -> Answer:
        """Never answer."""
        assert address, (port, path, host, timeout)
        await self._bench.engine.kill(self._container)
        await asyncio.Event().wait()
        raise AssertionError

    async def tcp(self, address: str, port: int, timeout: timedelta) -> bool:
        """Accept every connection."""
        return bool(address and port and timeout)


async def test_a_crash_is_told_while_a_probe_gets_no_answer(bench: Bench) -> None:
    """A replica that ends while it is asked is told as crashed, although the question would wait for its whole timeout (12)."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    live = await bench.live("shop")
    assert live is not None
    [container] = await bench.world.replicas.of_place("shop", "production")
    gate = Gate(bench.engine, NobodyThere(bench, container.id), FakeClock(), str)

    with pytest.raises(Problem, match="stopped right after its start"):
        await gate.passed(live.workloads["web"], container)


@pytest.mark.parametrize(
    ("code", "remedy"), [(126, "git update-index --chmod=+x"), (127, "(CR LF)"), (3, "read its last lines above")]
)
@pytest.mark.parametrize("more", ["    command: [work]\n", "    lifecycle: {migrate: {command: [work]}}\n"])
async def test_what_could_not_be_begun_says_what_mends_it(bench: Bench, code: int, remedy: str, more: str) -> None:
    """A replica or a migration whose file may not be executed, or has a line end of Windows, says how that is mended."""
    bench.engine.commands["work"] = task(code, "no")

    verdict = await bench.push("shop", web("plain:1", more=more))

    assert not verdict.accepted
    assert remedy in bench.text()
