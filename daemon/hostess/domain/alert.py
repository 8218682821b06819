"""What an alert is, which kinds there are, and how much each matters. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hostess.domain.notices import Level

PATIENCE: Final = timedelta(minutes=1)
"""How long a service may be unwell before that is an alert: most are well again after their restart."""
OVER: Final[Mapping[str, str]] = {
    "backup.failed": "backup.recovered",
    "backup.partial": "backup.recovered",
    "backup.overdue": "backup.recovered",
    "backup.drill-failed": "backup.recovered",
    "backup.drill-overdue": "backup.recovered",
    "backup.wal-late": "backup.recovered",
    "host-backup.overdue": "host-backup.recovered",
    "service.unwell": "service.recovered",
    "service.crash-loop": "service.recovered",
    "host.memory": "host.recovered",
    "host.pressure": "host.recovered",
    "host.disk-pressure": "host.recovered",
    "host.files": "host.recovered",
    "daemon.files": "host.recovered",
}
"""Alerts that are told from here, and the event of their end. Storage and certificates tell of themselves."""
TOLD_AT_ONCE: Final = frozenset({"backup.failed", "backup.partial", "backup.drill-failed", "backup.wal-late"})
"""Their beginning is an event where it happens."""

LEVELS: Final[Mapping[str, Level]] = {
    "backup.failed": Level.ERROR,
    "backup.partial": Level.WARNING,
    "backup.overdue": Level.ERROR,
    "backup.drill-failed": Level.ERROR,
    "backup.drill-overdue": Level.WARNING,
    "backup.wal-late": Level.ERROR,
    "host-backup.failed": Level.ERROR,
    "host-backup.overdue": Level.ERROR,
    "service.unwell": Level.ERROR,
    "service.crash-loop": Level.ERROR,
    "storage.warning": Level.WARNING,
    "storage.critical": Level.ERROR,
    "host.memory": Level.ERROR,
    "host.pressure": Level.ERROR,
    "host.disk-pressure": Level.WARNING,
    "host.files": Level.ERROR,
    "daemon.files": Level.ERROR,
    "certificate.failed": Level.ERROR,
    "certificate.expiring": Level.WARNING,
    "certificate.expired": Level.ERROR,
}
"""All kinds of alerts, and how much each matters."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong now. *subject* is what it is about, the same for as long as it lasts; *project* "": the host.

    It is none before it has lasted for *patience*.
    """

    kind: str
    subject: str
    what: str
    since: datetime
    remedy: str
    project: str = ""
    environment: str = ""
    service: str = ""
    patience: timedelta = timedelta(0)

    @property
    def level(self) -> Level:
        """How much it matters."""
        return LEVELS[self.kind]

    @property
    def key(self) -> str:
        """What it is known by."""
        return f"{self.kind} {self.subject}"
