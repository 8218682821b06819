"""How full storage is, and when it is told."""

from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.notices import Stage, Trouble, judge
from hostess.domain.records import Event
from hostess.domain.storage import Fill, Told, Use, fill_of
from hostess.domain.storage import judge as judge_storage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIB = 2**20


def use(percent: int) -> Use:
    """Return a database that is so full."""
    return Use("database", percent * MIB, 100 * MIB, "shop", "production", "database")


def told(*percents: int, every: timedelta = HOUR) -> list[str]:
    """Return the kinds of what is told when a database is so full, one look after another."""
    known: dict[str, Told] = {}
    kinds = []
    for number, percent in enumerate(percents):
        news, known = judge_storage([use(percent)], known, NOW + number * every)
        kinds += [each.kind for each in news]
    return kinds


@pytest.mark.parametrize(
    ("percent", "before", "after"),
    [
        (79, Fill.FINE, Fill.FINE),
        (80, Fill.FINE, Fill.WARNING),
        (94, Fill.FINE, Fill.WARNING),
        (95, Fill.FINE, Fill.CRITICAL),
        (77, Fill.WARNING, Fill.WARNING),
        (76, Fill.WARNING, Fill.FINE),
        (92, Fill.CRITICAL, Fill.CRITICAL),
        (91, Fill.CRITICAL, Fill.WARNING),
        (120, Fill.WARNING, Fill.CRITICAL),
    ],
)
def test_it_is_told_at_80_and_at_95_percent(percent: int, before: Fill, after: Fill) -> None:
    """Each begins at its limit, and ends three percent below it."""
    assert fill_of(percent, before) is after


def test_each_change_is_told_once() -> None:
    """A size that grows, wavers and shrinks is told at each limit that it passes, and at the end."""
    assert told(50, 81, 82, 79, 80, 96, 94, 96, 60, 60) == [
        "storage.warning",
        "storage.critical",
        "storage.recovered",
    ]


def test_what_lasts_is_told_once_a_day() -> None:
    """Over two days and a bit, looked at each hour, it is told three times."""
    assert told(*[85] * 50) == ["storage.warning"] * 3


def test_what_cannot_be_measured_stays_as_it_was_told() -> None:
    """A database that does not run has not recovered."""
    _, known = judge_storage([use(85)], {}, NOW)
    assert judge_storage([], known, NOW + HOUR) == ([], known)


def test_the_words_name_the_service_its_size_and_what_to_do() -> None:
    """So does what a disk of the host says."""
    [news], _ = judge_storage([use(96)], {}, NOW)
    assert news.message == "database (production) uses 96.0 MiB, 96 % of the storage that it declares (100.0 MiB)"
    assert "raise services.database.resources.storage" in news.remedy
    [news], _ = judge_storage([Use("/var/lib/hostess", 96, 100)], {}, NOW)
    assert news.message.startswith("the disk of /var/lib/hostess uses 96 B, 96 % of its size")
    assert "hostess gc" in news.remedy


def test_notices_of_it_begin_and_end() -> None:
    """The recovery of a database is told as the end of its trouble."""
    known: dict[str, Told] = {}
    troubles: list[Trouble] = []
    stages = []
    for number, percent in enumerate((85, 97, 50)):
        [news], known = judge_storage([use(percent)], known, NOW + number * HOUR)
        data = {"subject": news.use.subject, "remedy": news.remedy}
        event = Event(number, NOW + number * HOUR, "shop", "production", news.kind, news.message, data)
        notices, troubles = judge([event], troubles, event.at)
        stages += [notice.stage for notice in notices]
    assert stages == [Stage.BEGUN, Stage.BEGUN, Stage.OVER]
    assert not troubles
