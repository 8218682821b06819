"""A worker asks itself whether it serves, and is replaced where it does not."""

import resource
from pathlib import Path

import pytest

from hostess_proxy.process import probe
from hostess_proxy.process.probe import Probe
from tests.integration.proxy.processes import a_backend, a_proxy, table
from tests.integration.proxy.stage import Stage
from tests.integration.proxy.test_metrics import metric


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_worker_that_serves_is_well(stage: Stage) -> None:
    """A worker that serves finds nothing wrong; no backend hears of it, nothing is counted, and nothing stays open."""
    backend = await stage.backend()
    stage.route(backend)
    one = Probe(stage.traffic)
    before = descriptors()

    assert [await one.fails() for _ in range(3)] == ["", "", ""]
    assert backend.heads == []
    assert stage.traffic.counted().get("services", {}) == {}
    await stage.until(lambda: descriptors() <= before)


async def test_a_worker_that_answers_wrongly_is_ill(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer other than the expected one is told in words."""
    monkeypatch.setattr(probe, "_EXPECTED", b"HTTP/1.1 200 ")

    assert "was answered with b'HTTP/1.1 404 Not Found" in await Probe(stage.traffic).fails()


async def test_a_worker_without_descriptors_is_busy(stage: Stage) -> None:
    """Where no descriptor is left a worker is not called ill: it would lose all that it holds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one = Probe(stage.traffic)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() - 1, hard))
    try:
        assert await one.fails() == ""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_looking_after_workers_is_not_counted(tmp_path: Path) -> None:
    """What the supervisor asks of workers is no request of anybody, in metrics and log."""
    async with a_backend() as backend, a_proxy(tmp_path) as proxy:
        await proxy.client.publish(table(backend))
        await proxy.get()
        for _ in range(3):
            assert await metric(proxy, "requests_total") == 1
        assert await proxy.stop() == 0
    assert len((tmp_path / "logs" / "access.log").read_text().splitlines()) == 1
