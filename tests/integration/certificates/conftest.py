"""What tests of certificates share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def passable() -> Iterator[Path]:
    """Make a folder that every user may pass through, as the data folder is one."""
    folder = Path(tempfile.mkdtemp(prefix="ht-certs-"))
    folder.chmod(0o711)
    yield folder / "certs"
    shutil.rmtree(folder)
