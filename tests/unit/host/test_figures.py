"""When a figure of the host is bad, and when it is so no longer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hostess.domain.host_figures import HostFigures, Reading, Strain, read, troubles

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
IDLE = HostFigures(0, 0, 0.0, 1000, 900, 0, 0, 10, 1000, 10, 1000)


def readings(*figures: HostFigures) -> Sequence[Reading]:
    """Return one reading each five seconds."""
    return [Reading(MIDNIGHT + number * timedelta(seconds=5), each) for number, each in enumerate(figures)]


def kinds(figures: HostFigures, times: int = 12, before: Sequence[str] = ()) -> list[str]:
    """Return what is bad when the host was so for *times* readings."""
    return [each.kind for each in troubles(readings(*[figures] * times), before)]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"available": 51}, []),
        ({"available": 50}, ["host.memory"]),
        ({"strain": {"memory": Strain(90, 9)}}, []),
        ({"strain": {"memory": Strain(90, 10)}}, ["host.pressure"]),
        ({"strain": {"io": Strain(90, 50)}}, ["host.disk-pressure"]),
        ({"strain": {"cpu": Strain(100, 0)}}, []),
        ({"files": 900}, ["host.files"]),
        ({"own_files": 900}, ["daemon.files"]),
        ({"files": 900, "files_limit": 0}, []),
        ({"available": 10, "own_files": 999}, ["host.memory", "daemon.files"]),
    ],
)
def test_what_is_bad(changed: Mapping[str, object], expected: Sequence[str]) -> None:
    """Little memory, work that waits for memory or disk, and files that run out are bad; cores that are busy are not."""
    assert kinds(replace(IDLE, **changed)) == expected  # type: ignore[arg-type]  # the table above has each field's type


def test_a_moment_is_no_trouble() -> None:
    """Nothing is told of a few readings, nor of a peak among good ones, nor of what was more than a minute ago."""
    full = replace(IDLE, available=0)

    assert kinds(full, times=3) == []
    assert kinds(full, times=4) == ["host.memory"]
    assert troubles(readings(full, *[IDLE] * 11)) == []
    assert troubles(readings(*[full] * 12, *[IDLE] * 13)) == []
    assert troubles([]) == []


def test_what_wavers_is_told_once() -> None:
    """What was bad stays so until it is clearly better."""
    little = replace(IDLE, available=70)

    assert kinds(little) == []
    assert kinds(little, before=["host.memory"]) == ["host.memory"]
    assert kinds(replace(IDLE, available=81), before=["host.memory"]) == []


def test_words() -> None:
    """A trouble is told with its figures and with what to do."""
    [trouble] = troubles(readings(*[replace(IDLE, memory=8 * 1024**3, available=1024**2)] * 12))

    assert trouble.subject == "memory of the host"
    assert trouble.what.startswith("100 % of the host's memory are in use, 1.0 MiB of 8.0 GiB can still be had")
    assert "hostess services list" in trouble.remedy


def test_how_busy_the_cores_are() -> None:
    """It is what they were busy of the time since the reading before, and not known of the first one."""
    first = read(None, replace(IDLE, cpu_busy=10, cpu_total=100), MIDNIGHT)
    second = read(first, replace(IDLE, cpu_busy=12, cpu_total=110), MIDNIGHT + timedelta(seconds=5))

    assert first.cpu is None
    assert second.cpu == 20
    assert read(second, second.figures, MIDNIGHT + timedelta(seconds=6)).cpu is None
