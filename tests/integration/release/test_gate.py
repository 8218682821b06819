"""The gate, where the world does not answer."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain.ports import Answer
from hostess.domain.problem import Problem
from hostess.services.deploying.gate import Gate
from tests.fakes.clock import FakeClock
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
