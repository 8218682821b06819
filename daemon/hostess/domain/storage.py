"""How full storage is: what a service uses of the size it declares, and the host's disks; when that is told, and in which words. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hostess.domain.quantities import size_text

WARNING_AT: Final = 80
CRITICAL_AT: Final = 95
"""Percent from which on it is told."""
SLACK: Final = 3
"""So many percent less than what was told make it another matter: a size that wavers around a limit is told once."""
REMIND: Final = timedelta(days=1)


class Fill(StrEnum):
    """How full something is."""

    FINE = "fine"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Use:
    """What is *used* of *size* (bytes). Without *service* it is a disk of the host, which holds the folder *name*."""

    name: str
    used: int
    size: int
    project: str = ""
    environment: str = ""
    service: str = ""

    @property
    def percent(self) -> int:
        """How full it is, in whole percent."""
        return self.used * 100 // self.size if self.size else 0

    @property
    def subject(self) -> str:
        """What it is called wherever it is told: the same for as long as it is watched."""
        return f"storage of {self.project}/{self.environment}/{self.service}" if self.service else f"disk {self.name}"


@dataclass(frozen=True, slots=True)
class Told:
    """What was last told of something, and when."""

    fill: Fill
    at: datetime


@dataclass(frozen=True, slots=True)
class News:
    """Something to tell. *kind* is that of its event."""

    use: Use
    kind: str
    message: str
    serving: str = ""
    remedy: str = ""


def fill_of(percent: int, before: Fill = Fill.FINE) -> Fill:
    """Return how full something is; what was told *before* ends a little below where it began."""
    if percent >= CRITICAL_AT - (SLACK if before is Fill.CRITICAL else 0):
        return Fill.CRITICAL
    if percent >= WARNING_AT - (0 if before is Fill.FINE else SLACK):
        return Fill.WARNING
    return Fill.FINE


def judge(uses: Iterable[Use], told: Mapping[str, Told], now: datetime) -> tuple[list[News], dict[str, Told]]:
    """Return what is told of *uses*, and all that is told after it: at each change, and once a day while it lasts.

    What is not among *uses* could not be measured, and stays as it was told.
    """
    news, after = [], dict(told)
    for use in uses:
        before = after.get(use.subject)
        fill = fill_of(use.percent, before.fill if before else Fill.FINE)
        if fill is Fill.FINE:
            if after.pop(use.subject, None) is not None:
                news.append(News(use, "storage.recovered", f"{_what(use)} again"))
        elif before is None or before.fill is not fill or now - before.at >= REMIND:
            after[use.subject] = Told(fill, now)
            news.append(trouble_with(use, fill))
    return news, after


def trouble_with(use: Use, fill: Fill) -> News:
    """Return what is told of storage that is so full."""
    if use.service:
        return News(
            use,
            f"storage.{fill}",
            _what(use),
            serving=f"{use.service} goes on writing: the size is watched, and does not stop it",
            remedy=f"delete what is not needed, or raise services.{use.service}.resources.storage and push "
            "(nothing is restarted); see that the host's disk has room for it",
        )
    return News(
        use,
        f"storage.{fill}",
        _what(use),
        serving="everything, until the disk is full: then databases stop writing, and pushes and backups fail",
        remedy="`hostess gc` removes images that nothing needs, `hostess backups delete` backups; or give the host a larger disk",
    )


def _what(use: Use) -> str:
    of = "the storage that it declares" if use.service else "its size"
    name = f"{use.service} ({use.environment})" if use.service else f"the disk of {use.name}"
    return f"{name} uses {size_text(use.used)}, {use.percent} % of {of} ({size_text(use.size)})"
