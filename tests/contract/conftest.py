"""What tests of git repositories share."""

from pathlib import Path

import pytest

from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain.ports import Repositories
from tests.contract.source_repository import Source


@pytest.fixture
async def repositories(tmp_path: Path) -> Repositories:
    """Give the adapter, with a project "shop"."""
    made = DulwichRepositories(tmp_path / "repos", tmp_path / "hook")
    await made.create("shop")
    return made


@pytest.fixture
def source(tmp_path: Path, repositories: Repositories) -> Source:
    """Give a working copy that fills "shop"."""
    assert isinstance(repositories, DulwichRepositories)
    return Source(tmp_path / "work", repositories.path("shop"))
