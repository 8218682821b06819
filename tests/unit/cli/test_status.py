"""What `hostess status` says of the host."""

import pytest

from hostess.cli.status import NO_LIMIT, use_of

USE = {
    "cpu": 12.5,
    "load": 0.5,
    "memory": 4 * 1024**3,
    "memory_available": 1024**3,
    "swap": 0,
    "swap_used": 0,
    "strain": [],
    "files": 900,
    "own_files": 40,
}


@pytest.mark.parametrize(
    ("limit", "said"), [(100_000, "900 of 100000; 40 by the daemon"), (NO_LIMIT, "900; 40 by the daemon")]
)
def test_open_files(limit: int, said: str) -> None:
    """Their limit is told where there is one."""
    assert dict(use_of({**USE, "files_limit": limit}))["Open files"] == said
