"""Schedules: presets and five cron fields."""

import pytest

from hostess.domain.hostess_yml.mistakes import WrongValue
from hostess.domain.jobs.schedules import schedule
from hostess.domain.quantities import memory_text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("daily", "daily"),
        ("0 2 * * *", "0 2 * * *"),
        ("*/5  0-6/2 1,15 * 0", "*/5 0-6/2 1,15 * 0"),
        ("59 23 31 12 6",) * 2,
    ],
)
def test_good_schedules(text: str, wanted: str) -> None:
    """Presets and cron expressions are kept, single-spaced."""
    assert schedule(text, ("daily",)) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "weekly",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 7",
        "5-1 * * * *",
        "*/0 * * * *",
        ", * * * *",
        "1- * * * *",
        "a * * * *",
        "@daily",
        "-1 * * * *",
    ],
)
def test_bad_schedules(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(WrongValue):
        schedule(text, ("daily",))


@pytest.mark.parametrize(("size", "text"), [(2**29, "512Mi"), (2**31, "2Gi"), (3 * 2**40, "3Ti"), (1536, "1536")])
def test_sizes_as_text(size: int, text: str) -> None:
    """Bytes are written in the largest unit that keeps them whole."""
    assert memory_text(size) == text
