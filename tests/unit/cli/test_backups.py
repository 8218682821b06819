"""Backups at the client's side."""

from pathlib import Path

import pytest

from hostess.cli.backups import own_name


@pytest.mark.parametrize("told", ["cache-1.tar.zst", "/etc/cron.d/cache-1.tar.zst", "../../.ssh/cache-1.tar.zst"])
def test_a_download_is_written_here(told: str) -> None:
    """A host that is not to be trusted does not choose the folder that a download is written to."""
    assert own_name(told) == Path("cache-1.tar.zst")


@pytest.mark.parametrize("told", ["..", ".", "/", ""])
def test_a_name_that_is_none(told: str) -> None:
    """What names no file gets no place outside of this folder, either."""
    assert own_name(told).parent == Path()
