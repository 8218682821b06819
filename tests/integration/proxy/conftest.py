"""The loop that workers run on, and a stage for each test."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.integration.proxy.papers import Papers
from tests.integration.proxy.stage import Stage, a_stage


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    """Run on uvloop, as workers do."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Give an authority for certificates."""
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
async def stage(tmp_path: Path, papers: Papers, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Give a proxy with an empty table, backends and clients around it; by TLS where a test asks for "https"."""
    is_secure = getattr(request, "param", "http") == "https"
    async with a_stage(tmp_path, papers=papers if is_secure else None) as one:
        yield one


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module once for each of its SCHEMES; those that are marked ONLY_HTTP are about that one."""
    schemes = getattr(metafunc.module, "SCHEMES", None)
    own = metafunc.definition.get_closest_marker("parametrize")
    if schemes is not None and "stage" in metafunc.fixturenames and (own is None or own.args[0] != "stage"):
        metafunc.parametrize("stage", schemes, indirect=True)
