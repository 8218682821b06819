"""A daemon per test."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.api.forge import Forge, a_forge
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


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[Forge]:
    """Serve a repository as files, as git's "dumb" protocol reads it."""
    async with a_forge(tmp_path) as found:
        yield found
