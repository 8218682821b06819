"""The loop that workers run on, and a stage for each test."""

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from tests.integration.proxy.stage import Stage, a_stage


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], AbstractEventLoop]]:
    """Run on uvloop, as workers do."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Give a proxy with an empty table, backends and clients around it."""
    async with a_stage(tmp_path) as one:
        yield one
