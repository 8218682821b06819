"""Backups at the client's side."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hostess.cli.backups import own_name
from hostess.cli.main import cli


@pytest.mark.parametrize("told", ["cache-1.tar.zst", "/etc/cron.d/cache-1.tar.zst", "../../.ssh/cache-1.tar.zst"])
def test_a_download_is_written_here(told: str) -> None:
    """A host that is not to be trusted does not choose the folder that a download is written to."""
    assert own_name(told) == Path("cache-1.tar.zst")


@pytest.mark.parametrize("told", ["..", ".", "/", ""])
def test_a_name_that_is_none(told: str) -> None:
    """What names no file gets no place outside of this folder, either."""
    assert own_name(told).parent == Path()


@pytest.mark.parametrize(
    "words", [["database", "--to", ""], ["database", ""], ["database/"], ["database", "--backup", ""]]
)
def test_an_empty_word_means_no_backup_at_all(words: list[str]) -> None:
    """A script whose variable is not set does not get the newest backup in the place of what there is; nobody is even asked."""
    options = ["--force", "--project", "shop", "--url", "http://127.0.0.1:1", "--token", "none"]

    done = CliRunner().invoke(cli, ["backups", "restore", *words, *options])

    assert done.exit_code == 2
    assert "is empty; nothing was done" in done.output
