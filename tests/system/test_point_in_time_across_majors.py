"""Back to moments on both sides of a major upgrade, and of a restore, with real servers (the images stand for 15 and 17)."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from tests.system.host import Host, a_host, a_repository, until
from tests.system.moments import STACK, psql, reachable, restore, windows, write
from tests.system.sources import pushed

NOWHERE = f"sha256:{'0' * 64}"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Host]:
    """Push the stack to an installation of the test's own, and make a table."""
    with a_host(tmp_path / "host") as host:
        pushed(a_repository(host, "shop", {"hostess.yml": STACK}))
        psql(host, "CREATE TABLE data (word text)")
        until(lambda: windows(host), 60, "the first base backup")
        yield host


def major(host: Host) -> int:
    """Return the major of the server that runs."""
    return int(psql(host, "SHOW server_version_num")) // 10000


def written(host: Host, word: str) -> str:
    """Let the table have one row with that word alone; return a moment after it, when that can be recovered to."""
    moment = write(host, word)
    until(lambda: reachable(host, moment), 90, "it to be kept")
    return moment


def restored(host: Host, moment: str) -> str:
    """Restore to a moment, which must work; return the word that is there then."""
    done = restore(host, moment)
    assert done.returncode == 0, done.stderr + host.log()
    return psql(host, "SELECT word FROM data")


def test_moments_around_an_upgrade_and_a_restore(shop: Host) -> None:
    """A later major gets what the one before had at a moment, and what it had itself, also before the restore; between is told as not kept.

    When the image that a base backup was taken with is gone, the one of its version is used.
    """
    old = written(shop, "old")
    assert major(shop) == 15
    done = shop.hostess("services", "upgrade", "database", "--version", "17", "--force", "-p", "shop")
    assert done.returncode == 0, done.stderr
    assert major(shop) == 17
    until(lambda: len(windows(shop)) > 1, 90, "the first base backup of the new server")
    new = written(shop, "new")
    older, newer = windows(shop)
    end, start = datetime.fromisoformat(older["end"]), datetime.fromisoformat(newer["start"])

    assert restored(shop, old) == "old"
    assert major(shop) == 17
    between = written(shop, "between")
    assert restored(shop, new) == "new"
    assert restored(shop, between) == "between"
    refused = restore(shop, (end + (start - end) / 2).isoformat())
    assert refused.returncode == 2
    assert f"cannot be recovered to {end + (start - end) / 2:%Y-%m-%d}" in refused.stderr
    assert psql(shop, "SELECT word FROM data") == "between"

    forget_image(shop)
    assert restored(shop, old) == "old"


def forget_image(host: Host) -> None:
    """Let the oldest base backup be of an image that is nowhere."""
    host.stop()
    with closing(sqlite3.connect(host.data / "hostess.db")) as journal, journal:
        identity, text = journal.execute("SELECT id, record FROM base_backups ORDER BY id LIMIT 1").fetchone()
        record = json.dumps({**json.loads(text), "image": NOWHERE})
        journal.execute("UPDATE base_backups SET record = ? WHERE id = ?", (record, identity))
    host.start()
