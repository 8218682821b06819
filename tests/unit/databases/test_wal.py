"""What is kept of a database's log: to which moments it leads, what is missing, what may go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.backups.backup import FAILED, OK
from hostess.domain.backups.wal import (
    Archive,
    Base,
    Begun,
    Kept,
    Segment,
    Server,
    gap,
    name_of,
    number_of,
    outdated,
    place_of,
    started,
    wants_base,
    way,
    windows,
)
from hostess.domain.problem import Problem

MIB = 2**20
ZERO = datetime(2026, 1, 2, tzinfo=UTC)
PLACE = ("shop", "production", "database")


def at(hours: float) -> datetime:
    """Return that many hours after the beginning."""
    return ZERO + timedelta(hours=hours)


def base(hour: float, first: int, chain: str = "a") -> Base:
    """Return a base backup that took half an hour."""
    name = f"{chain}{first}"
    return Base(name, *PLACE, started_at=at(hour), state=OK, ended_at=at(hour + 0.5), chain=chain, first=first)


def segments(first: int, last: int, chain: str = "a") -> tuple[Segment, ...]:
    """Return segments of which each holds an hour, segment 0 that before the first."""
    return tuple(
        Segment(*PLACE, chain, number, name_of(1, number, 16 * MIB), 1, "", at(number))
        for number in range(first, last + 1)
    )


def archive(following: int, until: float, chain: str = "a") -> Archive:
    """Return how far the log is kept."""
    begun = Begun(following, 100, 1, "")
    return Archive(*PLACE, "system", chain, 1, 16 * MIB, following, at(until), begun)


def server(flushed: int, oldest: int = 0) -> Server:
    """Return what a server says that writes that segment, the oldest that it has being another."""
    place = flushed * 16 * MIB + 5
    return Server("system", 1, 16 * MIB, at(0), place, name_of(1, oldest, 16 * MIB), "", None)


def test_names_of_segments() -> None:
    """Places and file names are those of PostgreSQL, for segments of any size."""
    assert place_of("16/B374D848") == 0x16_B374_D848
    assert name_of(1, place_of("16/B374D848") // (16 * MIB), 16 * MIB) == "0000000100000016000000B3"
    assert name_of(2, place_of("16/B374D848") // (64 * MIB), 64 * MIB) == "00000002000000160000002C"
    assert number_of("00000002000000160000002C", 64 * MIB) == place_of("16/B374D848") // (64 * MIB)


def test_a_window_begins_with_the_end_of_a_base_backup() -> None:
    """It lasts to where the log is kept; a second base backup in the same log makes no second window."""
    kept = Kept(archive(6, 6.2), (base(1, 1), base(3, 3)), segments(1, 5))

    assert [(each.start, each.end) for each in windows(kept)] == [(at(1.5), at(6.2))]


def test_a_gap_parts_windows() -> None:
    """Before a gap a window ends with the last segment, after it one begins with the next base backup."""
    kept = Kept(archive(13, 13.2, "b"), (base(1, 1), base(10, 10, "b")), (*segments(1, 4), *segments(10, 12, "b")))

    assert [(each.start, each.end) for each in windows(kept)] == [(at(1.5), at(4)), (at(10.5), at(13.2))]


def test_a_segment_that_is_missing_ends_a_window() -> None:
    """What comes after a segment that nobody has is no use to a base backup before it."""
    kept = Kept(archive(6, 6.2), (base(1, 1),), (*segments(1, 2), *segments(4, 5)))

    assert [(each.start, each.end) for each in windows(kept)] == [(at(1.5), at(2))]


def test_the_way_to_a_moment() -> None:
    """It begins with the newest base backup before the moment, and ends with the segment that reaches it, or the begun one."""
    kept = Kept(archive(6, 6.2), (base(1, 1), base(3, 3)), segments(1, 5))

    early, late = way(kept, at(2.7), "database"), way(kept, at(6.1), "database")

    assert (early.base.first, [each.number for each in early.segments]) == (1, [1, 2, 3])
    assert (late.base.first, [each.number for each in late.segments]) == (3, [3, 4, 5, 6])
    assert late.segments[-1].copy == "a"


@pytest.mark.parametrize("hour", [1.2, 6.3])
def test_a_moment_that_is_not_kept(hour: float) -> None:
    """A moment outside all windows is refused with those there are."""
    kept = Kept(archive(6, 6.2), (base(1, 1),), segments(1, 5))

    with pytest.raises(Problem, match="from 2026-01-02 01:30:00 UTC to 2026-01-02 06:12:00 UTC is kept"):
        way(kept, at(hour), "database")


def test_what_is_missing_is_told() -> None:
    """A log that goes on where it was has no gap; segments that are gone, another or an older data directory make one."""
    known = archive(6, 6.2)

    assert gap(known, server(6, 6)) == ""
    assert gap(known, server(9, 2)) == ""
    assert "thrown away 2 segments from 000000010000000000000006 on" in gap(known, server(9, 8))
    assert "another one" in gap(known, replace(server(6), system="other"))
    assert "another one" in gap(known, replace(server(6), timeline=2))
    assert "older" in gap(known, server(5))
    assert gap(replace(known, on=False), server(6)) != ""


def test_a_log_begins_with_what_the_server_holds() -> None:
    """The first segment that is shipped is the first that the server keeps for us."""
    assert started(PLACE, replace(server(9), held=7 * 16 * MIB + 1)).next == 7


def test_when_a_base_backup_is_due() -> None:
    """At the beginning, after a gap, and a day after the newest; after one that failed only in a while."""
    fresh = Kept(archive(3, 3.2), (base(1, 1),), segments(1, 2))
    failed = replace(base(3, 3), state=FAILED)

    assert wants_base(Kept(archive(3, 3.2)), at(3))
    assert not wants_base(fresh, at(24.9))
    assert wants_base(fresh, at(25))
    assert wants_base(replace(fresh, archive=archive(9, 9.2, "b")), at(9))
    assert not wants_base(Kept(archive(3, 3.2), (failed,)), at(3.05))
    assert wants_base(Kept(archive(3, 3.2), (failed,)), at(3.1))
    assert wants_base(fresh, at(0.5)), "the clock was ahead when it was taken"
    assert wants_base(Kept(archive(3, 3.2), (failed,)), at(1))


@given(
    starts=st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True).map(sorted),
    cut=st.integers(0, 40),
    since=st.floats(-5, 60),
    least=st.integers(1, 4),
)
def test_what_goes_leads_to_no_moment_that_is_wanted(starts: list[int], cut: int, since: float, least: int) -> None:
    """Whatever is removed, every moment of the window that could be reached still can; and the newest base backups stay."""
    chains = {start: "a" if start <= cut else "b" for start in starts}
    kept = Kept(
        archive(46, 46.5, "b"),
        tuple(base(start, start, chains[start]) for start in starts),
        (*segments(0, cut), *segments(cut + 1, 45, "b")),
    )

    bases, spare = outdated(kept, at(since), least)
    left = Kept(
        kept.archive,
        tuple(each for each in kept.bases if each not in bases),
        tuple(each for each in kept.segments if each not in spare),
    )

    assert set(kept.bases[-least:]) <= set(left.bases)
    for moment in (at(half / 2) for half in range(-10, 120)):
        if moment >= at(since):
            assert reached(left, moment) == reached(kept, moment)


def test_a_clock_that_is_ahead_takes_no_more_than_there_are_days() -> None:
    """As many base backups as days are wanted stay, with their log, though all of them look outdated."""
    kept = Kept(archive(9, 9.5), tuple(base(hour, hour) for hour in range(1, 6)), segments(1, 8))

    assert outdated(kept, at(9999), 3) == (list(kept.bases[:2]), list(kept.segments[:2]))
    assert outdated(kept, at(9999), 9) == ([], [])


def reached(kept: Kept, moment: datetime) -> bool:
    """Whether there is a way to a moment."""
    try:
        way(kept, moment, "database")
    except Problem:
        return False
    return True
