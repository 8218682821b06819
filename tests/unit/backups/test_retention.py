"""Which backups go, when some are in one place alone."""

from datetime import UTC, datetime, timedelta

from hostess.domain.backups.backup import OK, PARTIAL, Backup, superfluous

START = datetime(2026, 1, 1, tzinfo=UTC)


def made(number: int, state: str) -> Backup:
    """Return the backup of a day."""
    return Backup(str(number), "shop", "production", "database", "scheduled", START + timedelta(days=number), state)


def test_partial_backups_count() -> None:
    """Partial backups are kept and let go by the same count as complete ones."""
    backups = [made(1, OK), made(2, PARTIAL), made(3, PARTIAL), made(4, OK)]

    assert [each.id for each in superfluous(backups, 2, START + timedelta(days=30))] == ["1", "2"]


def test_partial_backups_do_not_push_out_the_last_complete_one() -> None:
    """However long a place is away, the newest backup that is in all places stays."""
    backups = [made(0, OK), made(1, OK), *(made(number, PARTIAL) for number in range(2, 9))]

    assert [each.id for each in superfluous(backups, 3, START + timedelta(days=30))] == ["0", "2", "3", "4", "5"]
