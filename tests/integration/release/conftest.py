"""An installation on the test bench."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import Bench, a_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give an installation of the test's own."""
    async with a_bench(tmp_path) as running:
        yield running
