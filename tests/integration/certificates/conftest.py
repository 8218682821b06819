"""What tests of certificates share."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.certificates.ordering import Bench, a_bench


@pytest.fixture
def passable() -> Iterator[Path]:
    """Make a folder that every user may pass through, as the data folder is one."""
    folder = Path(tempfile.mkdtemp(prefix="ht-certs-"))
    folder.chmod(0o711)
    yield folder / "certs"
    shutil.rmtree(folder)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a bench with one authority."""
    async with a_bench(tmp_path) as made:
        yield made
