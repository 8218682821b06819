"""Installations for system tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.host import Host, a_host


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every system test the marker for an engine, and time for real containers."""
    for item in items:
        if "tests/system" in str(item.path):
            item.add_marker(pytest.mark.docker)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give an installation that the tests of a module share, each with projects of its own."""
    with a_host(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[Host]:
    """Give an installation of the test's own: it may kill it."""
    with a_host(tmp_path / "host") as running:
        yield running
