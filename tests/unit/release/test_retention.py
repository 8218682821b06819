"""Which backups retention lets go, and which one a name means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.backups.backup import FAILED, MANUAL, OK, RUNNING, SAFETY, SCHEDULED, Backup, chosen, superfluous
from hostess.domain.problem import Problem

AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = AT + timedelta(days=30)


def backup(number: int, trigger: str = SCHEDULED, state: str = OK) -> Backup:
    """Return a backup that was begun at the *number*-th hour."""
    at = AT + timedelta(hours=number)
    return Backup(f"{at:%Y%m%d-%H%M%S}-abcdef", "shop", "production", "database", trigger, at, state)


BACKUPS = st.lists(
    st.builds(
        backup,
        st.integers(0, 200),
        st.sampled_from([MANUAL, SCHEDULED, SAFETY]),
        st.sampled_from([OK, FAILED, RUNNING]),
    ),
    unique_by=lambda each: each.id,
)


@given(BACKUPS, st.integers(1, 9))
def test_the_newest_stay(backups: list[Backup], keep: int) -> None:
    """Of scheduled and manual backups together the newest good ones stay, as many as are kept; nothing that failed counts or goes."""
    gone = superfluous(backups, keep, NOW)
    good = [each for each in backups if each.state == OK and each.trigger != SAFETY]
    left = [each for each in good if each not in gone]

    assert len(left) == min(keep, len(good))
    assert all(each.state == OK for each in gone)
    assert {each.id for each in left} == {each.id for each in sorted(good, key=lambda each: each.id)[-keep:]}


def test_those_for_restores_push_nothing_out() -> None:
    """Backups made for the sake of restores are counted for themselves."""
    backups = [backup(1), backup(2, SAFETY), backup(3, SAFETY), backup(4, SAFETY)]

    assert superfluous(backups, 2, NOW) == [backups[1]]


def test_names_of_backups() -> None:
    """A backup is meant by its id, a beginning that only it has, or its file's name; by none the newest good one."""
    first, second, broken = backup(1), backup(30), backup(40, state=FAILED)
    known = [broken, second, first]

    assert chosen(known, "database", "", NOW) == second
    assert chosen(known, "database", "20260102", NOW) == second
    assert chosen(known, "database", first.file, NOW) == first
    for wanted in ("202601", "x", broken.id):
        with pytest.raises(Problem, match="database") as caught:
            chosen(known, "database", wanted, NOW)
        assert caught.value.code == "backup-not-found"
    with pytest.raises(Problem, match="there is no good backup of cache yet"):
        chosen(known, "cache", "", NOW)


def test_the_newest_is_none_that_was_made_for_a_restore() -> None:
    """A restore that is asked for twice does not bring back what it was to replace; that has to be named, or be all there is."""
    safety = backup(9, SAFETY)

    assert chosen([safety, backup(1)], "database", "", NOW) == backup(1)
    assert chosen([safety, backup(1)], "database", safety.id, NOW) == safety
    assert chosen([safety], "database", "", NOW) == safety


def test_a_clock_that_was_ahead() -> None:
    """Backups of a time that has not come count as the oldest: what is taken after the clock was set right stays, and is the newest."""
    ahead, before, after = [backup(5000), backup(5001)], backup(1), backup(2)
    known = [before, *ahead, after]

    assert superfluous(known, 2, NOW) == ahead
    assert chosen(known, "database", "", NOW) == after
    assert chosen(ahead, "database", "", NOW) == ahead[1]
