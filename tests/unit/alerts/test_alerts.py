"""What is an alert, from when on, and what is told of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.alert import Alert
from hostess.domain.alerts import (
    REMIND,
    Database,
    Facts,
    Memory,
    Troubled,
    Unwell,
    after_look,
    alerts_of,
    crash_loops,
    judge,
    lasting,
    remembered,
)
from hostess.domain.backups.backup import FAILED, OK, PARTIAL, RUNNING, SAFETY, SCHEDULED, Backup, Proof
from hostess.domain.backups.wal import Archive, Base
from hostess.domain.storage import Use

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
WORKING, FAILING = Proof(MIDNIGHT, 1.0), Proof(MIDNIGHT + HOUR, 1.0, "a table is missing")


def backup(after: timedelta, state: str = OK, trigger: str = SCHEDULED, proof: Proof | None = None) -> Backup:
    """Return a backup that began so long after midnight."""
    at = MIDNIGHT + after
    problem = "no room" if state == FAILED else ""
    return Backup(
        f"b{after}", "shop", "production", "db", trigger, at, state, at + MINUTE, problem=problem, proof=proof
    )


def database(*backups: Backup, schedule: str = "daily", proven: datetime | None = None) -> Database:
    """Return a database whose backups, the newest first, are wanted since midnight."""
    return Database("shop", "production", "db", schedule, backups, MIDNIGHT, proven)


def kinds(facts: Facts, after: timedelta, memory: Memory | None = None) -> list[str]:
    """Return what is an alert so long after midnight."""
    now = MIDNIGHT + after
    return [each.kind for each in lasting(alerts_of(facts, memory or Memory(), now), now)]


@pytest.mark.parametrize(
    ("backups", "after", "expected"),
    [
        ([], timedelta(minutes=179), []),
        ([], 3 * HOUR, ["backup.overdue"]),
        ([backup(2 * HOUR, RUNNING)], 3 * HOUR, []),
        ([backup(2 * HOUR)], 2 * DAY, []),
        ([backup(2 * HOUR)], 2 * DAY + 3 * HOUR, ["backup.overdue"]),
        ([backup(DAY + 2 * HOUR, FAILED), backup(2 * HOUR)], DAY + 3 * HOUR, ["backup.failed"]),
        ([backup(DAY + 2 * HOUR, RUNNING), backup(DAY, FAILED), backup(HOUR)], DAY + 3 * HOUR, ["backup.failed"]),
        ([backup(DAY + 2 * HOUR), backup(DAY, FAILED)], DAY + 3 * HOUR, []),
        ([backup(2 * HOUR, FAILED)], 3 * HOUR, ["backup.failed", "backup.overdue"]),
        ([backup(2 * HOUR, trigger=SAFETY)], 3 * HOUR, ["backup.overdue"]),
        ([backup(2 * HOUR, PARTIAL)], 3 * HOUR, ["backup.partial"]),
        ([backup(DAY + 2 * HOUR), backup(2 * HOUR, PARTIAL)], DAY + 3 * HOUR, []),
        ([backup(4 * HOUR, FAILED, SAFETY), backup(2 * HOUR)], 5 * HOUR, []),
    ],
)
def test_backups(backups: Sequence[Backup], after: timedelta, expected: Iterable[str]) -> None:
    """The last one failed, or lacks a place; or the first one, or two in a row, did not come. Those of restores do not count."""
    assert sorted(kinds(Facts([database(*backups)]), after)) == list(expected)


def test_a_weekly_backup_has_two_weeks() -> None:
    """How long no good backup is fine goes by the schedule: 2026-03-02 is a Monday, and its backup of Sunday may fail."""
    weekly = database(backup(-22 * HOUR), schedule="weekly")

    assert kinds(Facts([weekly]), timedelta(days=13)) == []
    assert kinds(Facts([weekly]), timedelta(days=13, hours=3)) == ["backup.overdue"]


@pytest.mark.parametrize(
    ("backups", "after", "expected"),
    [
        ([backup(HOUR, proof=FAILING), backup(timedelta(0), proof=WORKING)], 2 * HOUR, ["backup.drill-failed"]),
        ([backup(HOUR, proof=replace(WORKING, at=MIDNIGHT + DAY)), backup(timedelta(0), proof=FAILING)], DAY, []),
        ([backup(2 * DAY), backup(timedelta(0), proof=WORKING)], 3 * DAY, []),
        ([backup(2 * DAY), backup(timedelta(0), proof=WORKING)], 3 * DAY + MINUTE, ["backup.drill-overdue"]),
        ([], timedelta(0), []),
    ],
)
def test_drills(backups: Sequence[Backup], after: timedelta, expected: Sequence[str]) -> None:
    """The last one failed, or none went well for three days."""
    wanted, proven = remembered(("shop", "production", "db"), backups, MIDNIGHT, Memory())

    assert wanted == MIDNIGHT
    assert kinds(Facts([database(*backups, proven=proven)]), after) == expected


def test_times_outlive_releases_and_backups() -> None:
    """A push does not put off a first backup, and that a proven backup was removed does not undo that it was proven."""
    names = ("shop", "production", "db")
    before = after_look(Memory(), [database(proven=MIDNIGHT)])
    assert remembered(names, [backup(DAY)], MIDNIGHT + DAY, before) == (MIDNIGHT, MIDNIGHT)
    assert after_look(before, []) == Memory()


def test_a_log_that_is_not_kept() -> None:
    """It is an alert while the archive says why nothing is kept, and none for one that nobody wants any more."""
    late = Archive("shop", "production", "db", "1", "1", 1, 16, 3, MIDNIGHT, problem="the bucket does not answer")

    assert kinds(Facts(archives=[late, replace(late, service="a", problem="")]), HOUR) == ["backup.wal-late"]
    assert kinds(Facts(archives=[replace(late, on=False)]), HOUR) == []


def test_a_service_is_given_a_minute() -> None:
    """One that is unwell for less than a minute, as most are before their restart helps, is no alert; a loop is another one."""
    unwell = Facts(unwell=[Unwell("shop", "production", "web", "is unhealthy")])
    memory = judge(alerts_of(unwell, Memory(), MIDNIGHT), Memory(), MIDNIGHT)[1]

    assert kinds(unwell, timedelta(seconds=59), memory) == []
    assert kinds(unwell, MINUTE, memory) == ["service.unwell"]
    looping = Facts(unwell=[Unwell("shop", "production", "web", "ends", looping=True)])
    assert kinds(looping, MINUTE, replace(memory, since={"service.crash-loop service shop/production/web": MIDNIGHT}))


@pytest.mark.parametrize(
    ("state", "restarts", "ago", "expected"),
    [
        ("restarting", 3, None, True),
        ("restarting", 2, None, False),
        ("running", 9, MINUTE, True),
        ("running", 9, 6 * MINUTE, False),
        ("running", 0, MINUTE, False),
    ],
)
def test_a_crash_loop(state: str, restarts: int, ago: timedelta | None, *, expected: bool) -> None:
    """Three restarts by the engine, of which the last is not five minutes ago, are a loop."""
    assert crash_loops(state, restarts, MIDNIGHT - ago if ago else None, MIDNIGHT) is expected


def test_storage_and_certificates() -> None:
    """A disk and a database that are full, and certificates that are not there or end soon, are alerts, the gravest first."""
    facts = Facts(
        uses=[Use("/var", 85, 100), Use("db", 96, 100, "shop", "production", "db"), Use("/", 10, 100)],
        certificates=[
            Troubled(("a.example.com",), "shop", "refused"),
            Troubled(("b.example.com",), "shop", ends=MIDNIGHT + DAY),
            Troubled(("c.example.com",), "", ends=MIDNIGHT - DAY, imported=True),
        ],
    )

    assert kinds(facts, timedelta(0)) == [
        "certificate.expired",
        "certificate.failed",
        "storage.critical",
        "certificate.expiring",
        "storage.warning",
    ]
    assert judge(alerts_of(facts, Memory(), MIDNIGHT), Memory(), MIDNIGHT)[0] == []


def told(alerts: Sequence[Alert], memory: Memory, now: datetime, *, seen: bool = True) -> tuple[list[str], Memory]:
    """Return the kinds of the events that are told, and the memory after it."""
    news, after = judge(alerts, memory, now, services_seen=seen)
    return [each.kind for each in news], after


def test_each_is_told_at_its_beginning_daily_and_at_its_end() -> None:
    """An overdue backup is told once, again after a day, and when it is over; between these nothing is said."""
    overdue = alerts_of(Facts([database()]), Memory(), MIDNIGHT + 3 * HOUR)
    begun, now = MIDNIGHT + 3 * HOUR, MIDNIGHT + 3 * HOUR

    first, memory = told(overdue, Memory(), now)
    assert first == ["backup.overdue"]
    second, memory = told(overdue, memory, now + DAY)
    assert second == []
    third, memory = told(overdue, memory, begun + REMIND)
    assert third == ["backup.overdue"]
    last, memory = told([], memory, begun + 2 * DAY)
    assert (last, memory) == (["backup.recovered"], Memory())


def test_what_failed_is_told_where_it_fails() -> None:
    """The failure itself is an event: from here it is told when a day went by, and the end of two troubles of a subject is one."""
    now = MIDNIGHT + 3 * HOUR
    both = alerts_of(Facts([database(backup(2 * HOUR, FAILED))]), Memory(), now)

    first, memory = told(both, Memory(), now)
    assert first == ["backup.overdue"]
    lasts, memory = told(both, memory, now + REMIND)
    assert sorted(lasts) == ["backup.failed", "backup.overdue"]
    one_left, memory = told([each for each in both if each.kind == "backup.failed"], memory, now + REMIND)
    assert one_left == []
    assert told([], memory, now + REMIND)[0] == ["backup.recovered"]


def test_services_that_cannot_be_seen_stay_as_they_were() -> None:
    """While the engine is away nothing is over, and when it is back nothing is told anew."""
    unwell = alerts_of(Facts(unwell=[Unwell("shop", "production", "web", "is unhealthy")]), Memory(), MIDNIGHT)
    _, memory = told(unwell, Memory(), MIDNIGHT)
    begun, memory = told(unwell, memory, MIDNIGHT + MINUTE)
    assert begun == ["service.unwell"]

    away, memory = told([], memory, MIDNIGHT + HOUR, seen=False)
    back, memory = told(unwell, memory, MIDNIGHT + HOUR)
    over, _ = told([], memory, MIDNIGHT + HOUR)
    assert (away, back, over) == ([], [], ["service.recovered"])


def base(after: timedelta, proof: Proof | None = None, state: str = OK) -> Base:
    """Return a base backup that began so long after midnight."""
    at = MIDNIGHT + after
    return Base(f"base{after}", "shop", "production", "db", at, state, at + MINUTE, proof=proof)


@pytest.mark.parametrize(
    ("bases", "after", "expected"),
    [
        ([], 9 * DAY, []),
        ([base(HOUR)], 2 * DAY, []),
        ([base(HOUR)], 4 * DAY, ["backup.drill-overdue"]),
        ([base(HOUR, state=FAILED)], 9 * DAY, []),
        ([base(HOUR, WORKING), base(2 * HOUR, FAILING)], DAY, ["backup.drill-failed"]),
        ([base(HOUR, FAILING), base(2 * HOUR, Proof(MIDNIGHT + 5 * HOUR, 1.0))], DAY, []),
        ([base(HOUR, WORKING), base(2 * HOUR, FAILING)], 5 * DAY, ["backup.drill-failed", "backup.drill-overdue"]),
    ],
)
def test_a_log_that_cannot_be_played(bases: Sequence[Base], after: timedelta, expected: list[str]) -> None:
    """That the newest drill of a log failed is an alert, and that none worked for days; a log that is not kept is none."""
    archive = Archive("shop", "production", "db", "1", "1", 1, 16, 3, MIDNIGHT)

    assert sorted(kinds(Facts(archives=[archive], bases=bases), after)) == expected
    assert kinds(Facts(archives=[replace(archive, on=False)], bases=bases), after) == []
    assert kinds(Facts(archives=[replace(archive, service="other")], bases=bases), after) == []
