"""Two limits of a push: the last moment at which a replica may become healthy, and the room that a build needs."""

import asyncio
from datetime import datetime, timedelta

import pytest

from hostess.domain.health import gate_limit
from hostess.domain.host_figures import Strain
from hostess.domain.ports import Answer
from hostess.domain.problem import Problem
from hostess.services.building import builder
from hostess.services.deploying.gate import Gate
from tests.fakes.clock import FakeClock
from tests.world import Bench, web


class LateProber:
    """Implements `ports.Prober`: nothing is well before *at*, everything is from then on."""

    def __init__(self, clock: FakeClock, at: datetime) -> None:
        self._clock = clock
        self._at = at

    async def http(self, address: str, port: int, path: str, host: str, timeout: timedelta) -> Answer:
        """Tell whether the time has come."""
        assert address, (port, path, host, timeout)
        return Answer(ok=self._clock.now() >= self._at, evidence="answered with 503")

    async def tcp(self, address: str, port: int, timeout: timedelta) -> bool:
        """Accept every connection."""
        return bool(address and port and timeout)


@pytest.mark.parametrize(("late", "passes"), [(timedelta(0), True), (timedelta(milliseconds=1), False)])
async def test_healthy_exactly_at_the_deadline_counts(bench: Bench, late: timedelta, *, passes: bool) -> None:
    """A replica that is healthy at the very deadline passes by the last probe there, a millisecond later it fails, always (15)."""
    assert (await bench.push("shop", web())).accepted, bench.text()
    live = await bench.live("shop")
    assert live is not None
    workload = live.workloads["web"]
    [container] = await bench.world.replicas.of_place("shop", "production")
    clock = FakeClock()
    gate = Gate(bench.engine, LateProber(clock, clock.now() + gate_limit(workload.health) + late), clock, str)

    if passes:
        await gate.passed(workload, container)
    else:
        with pytest.raises(Problem, match="did not become healthy within 30 s: it answered with 503"):
            await gate.passed(workload, container)


async def test_a_build_without_room_is_refused_with_the_numbers(bench: Bench) -> None:
    """Below a gigabyte of free disk a build is refused with the numbers, nothing is changed, and with room the push is fine (48)."""
    built = {**web(), "Dockerfile": "FROM hostess-test/echo:1\n"}
    assert (await bench.push("shop", web())).accepted, bench.text()
    before = {container.id for container in await bench.world.replicas.of_place("shop", "production")}
    built["hostess.yml"] = built["hostess.yml"].replace("image: hostess-test/echo:1", "build: {source: .}")
    assert "build:" in built["hostess.yml"]
    bench.meter.disk = 700 * 1024**2

    refused = await bench.push("shop", built)

    assert not refused.accepted
    assert "only 700 MB are free" in bench.text()
    assert "at least 1024 MB" in bench.text()
    assert "still serves, untouched" in bench.text()
    assert not bench.engine.orders
    assert {container.id for container in await bench.world.replicas.of_place("shop", "production")} == before
    bench.meter.disk = 50 * 1024**3
    assert (await bench.push("shop", built)).accepted, bench.text()


async def test_a_build_waits_until_the_host_has_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While all work on the host waits for memory no build begins; it goes on by itself, or is refused in the end, with the figure."""
    monkeypatch.setattr(builder, "LOOK_AGAIN", 0.01)
    built = {**web(), "Dockerfile": "FROM hostess-test/echo:1\n"}
    built["hostess.yml"] = built["hostess.yml"].replace("image: hostess-test/echo:1", "build: {source: .}")
    bench.meter.strain = {"memory": Strain(80.0, 45.0)}
    pushing = asyncio.create_task(bench.push("shop", built))
    async with asyncio.timeout(25):
        while "waiting until the host has memory again (all work waited for memory for 45 %" not in bench.text():
            await asyncio.sleep(0.01)
    assert not bench.engine.orders
    bench.meter.strain = {"memory": Strain(10.0, 2.0)}
    assert (await pushing).accepted, bench.text()

    monkeypatch.setattr(builder, "PATIENCE", timedelta())
    bench.meter.strain = {"memory": Strain(80.0, 45.0)}
    refused = await bench.push("shop", {**built, "more": "text"})
    assert not refused.accepted
    assert "web is not built: all work waited for memory for 45 % of the last minute" in bench.text()
    assert "still serves, untouched" in bench.text()
