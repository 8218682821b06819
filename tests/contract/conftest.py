"""What tests of journals, of engines and of git repositories share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostess.adapters.engine.docker import DockerEngine
from hostess.adapters.git.repositories import DulwichRepositories
from hostess.domain.ports import Journal, Repositories
from tests.contract.engines import Bench, a_bench
from tests.contract.journals import NOW
from tests.contract.source_repository import Source
from tests.fakes.engine import FakeEngine
from tests.later_version import add_to
from tests.new_journal import opened_journal


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


@pytest.fixture(params=["own", "of a later version"])
async def journal(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Journal]:
    """Open a new journal that has one project, "shop"; also one to which a later version has added."""
    journal: Journal
    if request.param != "own":
        await (await opened_journal(tmp_path / "hostess.db")).close()
        add_to(tmp_path / "hostess.db")
    journal = made = await opened_journal(tmp_path / "hostess.db")
    await journal.create_project("shop", NOW)
    yield journal
    await made.close()


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Give an engine; what was made on it is removed afterwards."""
    async with a_bench(FakeEngine() if request.param == "fake" else DockerEngine()) as there:
        yield there
