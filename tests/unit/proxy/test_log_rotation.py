"""Rotation of a file that others write to."""

import gzip
import os
from pathlib import Path

from hostess_proxy.telemetry.access_log import AccessLog
from hostess_proxy.telemetry.log_rotation import rotate


def all_lines(folder: Path) -> list[str]:
    """Return the lines of all files of a log, however old."""
    return [
        line
        for path in folder.iterdir()
        for line in (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode().split()
    ]


def test_the_oldest_goes(tmp_path: Path) -> None:
    """Each rotation makes the older files one older, and those that are too old are removed."""
    log = tmp_path / "access.log"
    for number in range(4):
        log.write_text(f"{number}\n")
        assert rotate(log, size=1, keep=2)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["access.log.1.gz", "access.log.2.gz"]
    assert all_lines(tmp_path) in (["3", "2"], ["2", "3"])


def test_what_is_no_large_file_is_left_alone(tmp_path: Path) -> None:
    """A file below the size, a pipe and an absent file are not rotated."""
    small, pipe = tmp_path / "small", tmp_path / "pipe"
    small.write_text("1234")
    os.mkfifo(pipe)

    assert not any(rotate(path, size=5, keep=2) for path in (small, pipe, tmp_path / "absent"))


def test_what_a_crash_left_is_used(tmp_path: Path) -> None:
    """A file that was not compressed any more, and half of a compressed one, are put in order by the next rotation."""
    log = tmp_path / "access.log"
    (tmp_path / "access.log.1").write_text("older\n")
    (tmp_path / "access.log.1.gz.new").write_bytes(b"half")
    log.write_text("newer\n")

    rotate(log, size=1, keep=3)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["access.log.1.gz", "access.log.2.gz"]
    assert sorted(all_lines(tmp_path)) == ["newer", "older"]


def test_no_line_is_lost(tmp_path: Path) -> None:
    """While three writers write and one rotation follows the other, each line comes into exactly one file, once."""
    path = tmp_path / "access.log"
    logs = [AccessLog(path) for _ in range(3)]

    for number in range(40):
        for name, log in enumerate(logs):
            for part in range(10):
                log.add(f"{name}-{number}-{part}\n")
            log.flush()
        while not rotate(path, size=1, keep=50):
            pass  # none of the three has written yet
    for log in logs:
        log.close()
    rotate(path, size=1, keep=50)

    assert sum(log.dropped for log in logs) == 0
    expected = [f"{name}-{number}-{part}" for name in range(3) for number in range(40) for part in range(10)]
    assert sorted(all_lines(tmp_path)) == sorted(expected)
