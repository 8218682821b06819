"""The host of the pages' readers."""

from collections.abc import Iterator

import pytest

from tests.system.documentation.world import a_host_of_readers
from tests.system.host import Host


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Give the host that the pages of a module are read on."""
    with a_host_of_readers(tmp_path_factory.mktemp("pages")) as running:
        yield running
