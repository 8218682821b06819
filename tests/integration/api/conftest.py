"""A daemon per test."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api.stage import Stage, opened


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Open a daemon in a folder with a short name: the path of a unix socket has little room."""
    folder = Path(tempfile.mkdtemp(prefix="ht-api-"))
    try:
        async with opened(folder) as found:
            yield found
    finally:
        shutil.rmtree(folder)
