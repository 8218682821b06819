"""The journal's file: survives being killed, is never shared, and is never overwritten."""

import asyncio
import resource
import sqlite3
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.problem import Problem
from hostess.domain.releases.release import State
from tests.integration.state.folder import names

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WRITER = Path(__file__).with_name("journal_writer.py")
DEADLINE = 25
ROUNDS = 10


async def refused(path: Path) -> Problem:
    """Return the Problem for which the journal at *path* is not opened."""
    with pytest.raises(Problem) as caught:
        await SqliteJournal.open(path)
    return caught.value


async def made(path: Path) -> Path:
    """Make a journal with one project in it and close it."""
    journal = await SqliteJournal.open(path)
    await journal.create_project("shop", NOW)
    await journal.close()
    return path


async def start_writer(path: Path, limit: Callable[[], None] | None = None) -> asyncio.subprocess.Process:
    """Start the program that makes switches until it is killed."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(WRITER),
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=limit,
    )


async def next_number(writer: asyncio.subprocess.Process) -> int:
    """Return the number of the switch that the writer has just made."""
    assert writer.stdout is not None
    return int(await asyncio.wait_for(writer.stdout.readline(), DEADLINE))


async def assert_whole(path: Path, acknowledged: int) -> None:
    """Assert that the last switch in the journal is whole, and no older than the last one acknowledged."""
    journal = await SqliteJournal.open(path)
    release = await journal.live("shop", "production")
    assert release is not None
    assert release.number >= acknowledged
    owners = await journal.host_owners([f"{number}.x" for number in range(release.number + 2)])
    assert set(owners) == {f"{release.number}.x"}
    assert [task.payload["number"] for task in await journal.tasks()] == [
        each.number for each in reversed(await journal.releases("shop", "production", 100_000))
    ]
    switched = await journal.deployments(states=[State.SWITCHED], limit=1)
    assert switched[0].release == release.number
    await journal.close()


async def test_a_killed_writer_tears_nothing(tmp_path: Path) -> None:
    """Killed in mid-write again and again, the journal is whole and has every switch that was acknowledged."""
    path = tmp_path / "hostess.db"
    for killing in range(ROUNDS):
        writer = await start_writer(path)
        for _ in range(killing + 1):
            acknowledged = await next_number(writer)
        writer.kill()
        await asyncio.wait_for(writer.communicate(), DEADLINE)

        await assert_whole(path, acknowledged)


async def test_a_full_disk_is_a_problem_and_loses_nothing(tmp_path: Path) -> None:
    """When a write does not fit, the call fails with a Problem and everything before it is kept."""
    path = tmp_path / "hostess.db"

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    writer = await start_writer(path, small_files)
    said, complaint = await asyncio.wait_for(writer.communicate(), DEADLINE)

    assert b"hostess.domain.problem.Problem: the journal could not be read or written" in complaint
    await assert_whole(path, int(said.split()[-1]))


async def test_work_goes_on_when_the_disk_has_room_again(tmp_path: Path) -> None:
    """A write that did not fit leaves nothing of itself, and the journal can be written again as soon as there is room."""
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    await journal.set_note("a", "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(Problem) as caught:
            await journal.set_note("a", "x" * 1_000_000)
        kept = await journal.note("a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await journal.set_note("b", "after")

    assert caught.value.code == "journal-failed"
    assert (kept, await journal.note("a"), await journal.note("b")) == ("before", "before", "after")
    await journal.close()


async def test_files_are_private(tmp_path: Path) -> None:
    """The journal, its log and its lock can be read by nobody else, nor can the folder made for them."""
    path = tmp_path / "data" / "hostess.db"
    journal = await SqliteJournal.open(path)
    await journal.create_project("shop", NOW)

    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    await journal.close()
    assert {"hostess.db", "hostess.db-wal", "hostess.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_writes_are_synced(tmp_path: Path) -> None:
    """The journal writes ahead and waits for the disk at every transaction."""
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    pragmas = await journal._do(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    await journal.close()

    assert pragmas == ["wal", 2, 1]


async def test_two_daemons_do_not_share_a_journal(tmp_path: Path) -> None:
    """A second opening is refused while the first is open, and works after it was closed."""
    path = tmp_path / "hostess.db"
    first = await SqliteJournal.open(path)

    problem = await refused(path)

    await first.close()
    assert problem.code == "state-in-use"
    await made(path)


async def test_closing_twice_is_fine(tmp_path: Path) -> None:
    """Closing a closed journal does nothing; using it is an error."""
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    await journal.close()
    await journal.close()

    with pytest.raises(RuntimeError):
        await journal.projects()


async def test_a_creation_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    """What a killed first start left behind does not stop the next one."""
    (tmp_path / "hostess.db.new").write_bytes(b"half a database")
    (tmp_path / "hostess.db.new-journal").write_bytes(b"half a journal")

    path = await made(tmp_path / "hostess.db")

    assert names(tmp_path) == {path.name, "hostess.db.lock"}


def foreign(path: Path) -> None:
    """Make it the database of another program."""
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE notes (text)")
    database.close()


def damaged(path: Path) -> None:
    """Overwrite a page in the middle."""
    with path.open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\xff" * 4096)


def cut(path: Path) -> None:
    """Cut off the second half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def crossed(path: Path) -> None:
    """Make an index use the pages of another table's."""
    database = sqlite3.connect(path)
    database.execute("PRAGMA writable_schema = ON")
    database.execute(
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_projects_1')"
        " WHERE name = 'events_by_project'"
    )
    database.commit()
    database.close()


def orphaned(path: Path) -> None:
    """Make a row refer to a project that is not there."""
    database = sqlite3.connect(path)
    database.execute("DELETE FROM projects")
    database.execute("INSERT INTO places VALUES ('gone', 'production', 'n', 's', NULL, '2026-01-01')")
    database.commit()
    database.close()


def newer(path: Path) -> None:
    """Record a migration that nobody here knows."""
    database = sqlite3.connect(path)
    database.execute("INSERT INTO _sqlite_migrations VALUES (99, 'hostess', 'm999_from_the_future', '2030-01-01')")
    database.commit()
    database.close()


@pytest.mark.parametrize(
    ("spoil", "code", "why"),
    [
        (lambda path: path.write_bytes(b""), "state-unreadable", "empty"),
        (lambda path: path.write_bytes(b"this is no database" * 100), "state-unreadable", "file is not a database"),
        (foreign, "state-unreadable", "not Hostess's"),
        (damaged, "state-unreadable", ""),
        (cut, "state-unreadable", ""),
        (crossed, "state-unreadable", "events_by_project"),
        (orphaned, "state-unreadable", "rows that are gone"),
        (newer, "state-newer", "m999_from_the_future"),
    ],
)
async def test_unusable_state_is_refused_and_kept(
    tmp_path: Path, spoil: Callable[[Path], object], code: str, why: str
) -> None:
    """A journal that is damaged, newer or something else is refused with the reason, and its bytes stay as they are."""
    path = await made(tmp_path / "hostess.db")
    spoil(path)
    before = path.read_bytes()

    problem = await refused(path)

    assert problem.code == code
    assert why in problem.what
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_used_is_a_problem(tmp_path: Path) -> None:
    """Where no folder can be made, the reason is told to a person."""
    (tmp_path / "file").touch()

    problem = await refused(tmp_path / "file" / "hostess.db")

    assert problem.code == "state-unreadable"


async def test_a_log_without_its_file_is_refused(tmp_path: Path) -> None:
    """Where only the log of a journal is left, no new journal is put under it."""
    (tmp_path / "hostess.db-wal").write_bytes(b"log")

    problem = await refused(tmp_path / "hostess.db")

    assert problem.code == "state-unreadable"
    assert not (tmp_path / "hostess.db").exists()


async def test_concurrent_calls_are_put_in_order(tmp_path: Path) -> None:
    """Many calls at once each get a number of their own."""
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    await journal.create_project("shop", NOW)

    numbers = await asyncio.gather(*(journal.next_number("shop", "production") for _ in range(100)))

    await journal.close()
    assert sorted(numbers) == list(range(1, 101))


async def test_a_cancelled_call_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """A call that nobody waits for any more leaves either all it writes or nothing, and the journal goes on."""
    journal = await SqliteJournal.open(tmp_path / "hostess.db")
    await journal.create_project("shop", NOW)
    calls = [asyncio.create_task(journal.put_secret("shop", "production", f"S{n}", str, NOW)) for n in range(50)]
    await calls[10]
    for call in calls:
        call.cancel()
    done = await asyncio.gather(*calls, return_exceptions=True)

    kept = {secret.name for secret in await journal.secrets("shop", "production")}
    await journal.close()
    assert {f"S{n}" for n, version in enumerate(done) if version == 1} <= kept
