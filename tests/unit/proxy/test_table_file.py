"""The table on disk, when the program or the disk fails in the middle of writing it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hostess_proxy.tables import file as table_file
from hostess_proxy.tables.parsing import parse_table
from hostess_proxy.tables.table import Table


def a_table(release: str) -> Table:
    """Return a table with one route to a release."""
    one = {"host": "a.x", "service": "web", "release": release, "targets": ["127.0.0.1:1"], "pause": {"seconds": 5}}
    return parse_table({"routes": [one]})


class Crash(BaseException):
    """The program ends here."""


def dying(*_arguments: object) -> int:
    """End the program."""
    raise Crash


def full(*_arguments: object) -> int:
    """Say that there is no room."""
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
@pytest.mark.parametrize(("failing", "kind"), [(dying, Crash), (full, OSError)])
def test_a_failure_at_any_step_leaves_the_last_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, failing: Callable[..., int], kind: type[BaseException]
) -> None:
    """Whatever fails while a table is written, the one before is loaded, options and pauses too, and the next can be written."""
    path = tmp_path / "proxy" / "table.json"
    table_file.save(path, a_table("1"))
    with monkeypatch.context() as patched:
        patched.setattr(Path if step == "replace" else os, step, failing)
        with pytest.raises(kind):
            table_file.save(path, a_table("2"))

    assert table_file.load(path) == a_table("1")
    table_file.save(path, a_table("3"))
    assert table_file.load(path) == a_table("3")


def test_half_of_a_table_is_not_taken_for_one(tmp_path: Path) -> None:
    """What a crash left beside the table, half-written, changes nothing."""
    path = tmp_path / "table.json"
    table_file.save(path, a_table("1"))
    text = path.read_text()
    for length in range(0, len(text), 10):
        path.with_name("table.json.new").write_text(text[:length])
        assert table_file.load(path) == a_table("1")
