"""Which events people are told of, and when: once at the beginning of a trouble, at most once a day while it lasts, and at its end."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hostess.domain.codec import to_json
from hostess.domain.records import Event

REMIND: Final = timedelta(days=1)
"""How long nothing more is told of a trouble that lasts."""
FORGET: Final = timedelta(days=30)
"""A trouble that no event spoke of for so long is one no more."""
KEEP: Final = timedelta(days=3)
"""News that could not be told for so long is none any more."""


class Level(StrEnum):
    """How much it matters: good to know, will matter soon, matters now."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Stage(StrEnum):
    """Where in a trouble's life something is told."""

    BEGUN = "begun"
    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are told. It carries no secret; *id* is that of its event, the same however often it is sent.

    *what* is what happened, *serving* what still serves, *remedy* what to do; the last two may be empty.
    """

    id: int
    at: datetime
    level: Level
    stage: Stage
    kind: str
    subject: str
    project: str
    what: str
    serving: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was told, and is not over: *kind* is the event's, *told_at* when a notice was last made, *seen_at* the newest event."""

    kind: str
    subject: str
    told_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class _Rule:
    """What an event means: the beginning of a trouble, or, with *ends*, the end of those."""

    level: Level
    ends: frozenset[str] = frozenset()
    serving: str = ""
    remedy: str = ""


_CERTIFICATE_TROUBLES = frozenset(
    {"certificate.failed", "certificate.pending-dns", "certificate.expiring", "certificate.expired"}
)
_DRILL_TROUBLES = frozenset({"backup.drill-failed", "backup.drill-overdue"})
_HOST_TROUBLES = frozenset({"host-backup.failed", "host-backup.partial", "host-backup.overdue"})
_BACKUPS = "the database itself, and the good backups that there are"
_STILL = "the certificate before, or one of this installation's own authority, which browsers warn of"
_ALL = "everything, for now"
_RULES: Final[Mapping[str, _Rule]] = {
    "certificate.failed": _Rule(
        Level.ERROR,
        serving=_STILL,
        remedy="`hostess tls check HOST` tells what is in the way; it is tried again by itself",
    ),
    "certificate.pending-dns": _Rule(Level.WARNING, serving=_STILL),
    "certificate.expiring": _Rule(Level.WARNING, serving="the same certificate until it ends"),
    "certificate.expired": _Rule(Level.ERROR, serving="the certificate that ended, which browsers refuse"),
    "certificate.issued": _Rule(Level.INFO, ends=_CERTIFICATE_TROUBLES),
    "certificate.renewed": _Rule(Level.INFO, ends=_CERTIFICATE_TROUBLES),
    "audit.certificate.imported": _Rule(Level.INFO, ends=_CERTIFICATE_TROUBLES),
    "audit.certificate.removed": _Rule(Level.INFO, ends=frozenset({"certificate.expiring", "certificate.expired"})),
    "canary.aborted": _Rule(
        Level.WARNING,
        serving="the live release, for everybody",
        remedy="`hostess events -k canary` tells how it went; mend it and push again",
    ),
    "storage.warning": _Rule(Level.WARNING),
    "storage.critical": _Rule(Level.ERROR),
    "storage.recovered": _Rule(Level.INFO, ends=frozenset({"storage.warning", "storage.critical"})),
    "backup.failed": _Rule(Level.ERROR, serving=_BACKUPS, remedy="`hostess backups list` shows what became of each"),
    "backup.overdue": _Rule(Level.ERROR, serving=_BACKUPS),
    "backup.partial": _Rule(Level.WARNING, serving=_BACKUPS),
    "backup.copied": _Rule(Level.INFO, ends=frozenset({"backup.partial"})),
    "backup.completed": _Rule(Level.INFO, ends=frozenset({"backup.failed", "backup.overdue", "backup.partial"})),
    "host-backup.failed": _Rule(
        Level.ERROR,
        serving="everything, and the backups of the host that there are",
        remedy="`hostess host backups` shows them; `hostess host backup` takes one now",
    ),
    "host-backup.partial": _Rule(Level.WARNING, serving="everything; that backup can be recovered from"),
    "host-backup.overdue": _Rule(Level.ERROR, serving="everything, and the backups of the host that there are"),
    "host-backup.completed": _Rule(Level.INFO, ends=_HOST_TROUBLES),
    "host-backup.recovered": _Rule(Level.INFO, ends=_HOST_TROUBLES),
    "backup.drill-failed": _Rule(
        Level.ERROR,
        serving="the database itself, which a drill does not touch",
        remedy="do not rely on that backup: take one with `hostess backups create`; `hostess backups list` shows which are proven",
    ),
    "backup.drill-overdue": _Rule(Level.WARNING),
    "backup.proven": _Rule(Level.INFO, ends=_DRILL_TROUBLES),
    "backup.wal-late": _Rule(
        Level.ERROR,
        serving="the database itself, and every moment that is kept already",
        remedy="mend what it says; all that was written meanwhile is kept then, if it is no more than 1 GB",
    ),
    "backup.wal-gap": _Rule(Level.WARNING),
    "backup.base-completed": _Rule(Level.INFO, ends=frozenset({"backup.wal-gap"})),
    "backup.wal-resumed": _Rule(Level.INFO, ends=frozenset({"backup.wal-late"})),
    "backup.recovered": _Rule(
        Level.INFO,
        ends=frozenset({"backup.failed", "backup.partial", "backup.overdue", "backup.wal-late", *_DRILL_TROUBLES}),
    ),
    "service.unwell": _Rule(Level.ERROR),
    "service.crash-loop": _Rule(Level.ERROR),
    "service.recovered": _Rule(Level.INFO, ends=frozenset({"service.unwell", "service.crash-loop"})),
    "host.memory": _Rule(Level.ERROR, serving=_ALL),
    "host.pressure": _Rule(Level.ERROR, serving=_ALL),
    "host.disk-pressure": _Rule(Level.WARNING, serving=_ALL),
    "host.files": _Rule(Level.ERROR, serving=_ALL),
    "daemon.files": _Rule(Level.ERROR, serving=_ALL),
    "host.recovered": _Rule(
        Level.INFO,
        ends=frozenset({"host.memory", "host.pressure", "host.disk-pressure", "host.files", "daemon.files"}),
    ),
    "notify.failed": _Rule(Level.WARNING, remedy="mend it, then try `hostess notify test`; what is due is sent then"),
    "notify.works": _Rule(Level.INFO, ends=frozenset({"notify.failed"})),
}
"""Whatever has no rule is for `hostess events` alone."""


def judge(
    events: Iterable[Event], troubles: Iterable[Trouble], now: datetime, channel: str = ""
) -> tuple[list[Notice], list[Trouble]]:
    """Return what is told of *events* (oldest first), and the troubles that last after them.

    Success is told only as the end of a trouble. Of events older than `KEEP` nothing is told, but what they begin and end counts.
    A *channel* tells nothing of itself.
    """
    lasting = {(each.kind, each.subject): each for each in troubles if now - each.seen_at < FORGET}
    notices = []
    for event in events:
        rule = _RULES.get(event.kind)
        subjects = subjects_of(event)
        if rule is None or not subjects or (event.kind.startswith("notify.") and subjects == (channel,)):
            continue
        told = _ended(rule, subjects, lasting) if rule.ends else _met(event, subjects, lasting)
        if told is not None and now - event.at < KEEP:
            notices.append(_notice(event, rule, subjects, told))
    return notices, list(lasting.values())


def subjects_of(event: Event) -> tuple[str, ...]:
    """Return what an event is about: its `subject` or `host`, else all its `names`; none where it does not say."""
    for name in ("subject", "host"):
        if found := event.data.get(name):
            return (str(found),)
    names = event.data.get("names")
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _met(event: Event, subjects: Iterable[str], lasting: dict[tuple[str, str], Trouble]) -> Stage | None:
    """Write a trouble down for each subject; return what is to be told of it, None while enough was told."""
    told: Stage | None = None
    for subject in subjects:
        key = (event.kind, subject)
        known = lasting.get(key)
        if known is not None and event.at - known.told_at < REMIND:
            lasting[key] = replace(known, seen_at=event.at)
            continue
        told = Stage.BEGUN if known is None or told is Stage.BEGUN else Stage.LASTS
        lasting[key] = Trouble(event.kind, subject, told_at=event.at, seen_at=event.at)
    return told


def _ended(rule: _Rule, subjects: Iterable[str], lasting: dict[tuple[str, str], Trouble]) -> Stage | None:
    """Strike out what is over; None where nothing was the matter."""
    over = [(kind, subject) for subject in subjects for kind in rule.ends if (kind, subject) in lasting]
    for key in over:
        del lasting[key]
    return Stage.OVER if over else None


def _notice(event: Event, rule: _Rule, subjects: tuple[str, ...], stage: Stage) -> Notice:
    return Notice(
        id=event.id,
        at=event.at,
        level=_level(event, rule),
        stage=stage,
        kind=event.kind,
        subject=", ".join(subjects),
        project=event.project,
        what=event.message,
        serving=str(event.data.get("serving") or rule.serving),
        remedy=str(event.data.get("remedy") or rule.remedy.replace("HOST", subjects[0])),
    )


def _level(event: Event, rule: _Rule) -> Level:
    """Return how much an event matters: what it says itself, else what its kind says."""
    said = event.data.get("level")
    return Level(str(said)) if said in set(Level) else rule.level


def trial(now: datetime) -> Notice:
    """Return what is sent when somebody asks whether notices arrive."""
    return Notice(
        id=0,
        at=now,
        level=Level.INFO,
        stage=Stage.BEGUN,
        kind="notify.test",
        subject="hostess",
        project="",
        what="this is a test: notices of this installation arrive here",
        remedy="nothing is to be done",
    )


def headline(notices: Iterable[Notice]) -> str:
    """Return one line that says what several notices are about: the gravest first, and how many more there are."""
    gravest, *others = sorted(notices, key=_gravity)
    more = f" (and {len(others)} more)" if others else ""
    return f"{_mark(gravest)}: {gravest.what}{more}"


def paragraph(notice: Notice) -> str:
    """Return a notice as lines of plain text."""
    about = f"{notice.project}: {notice.what}" if notice.project else notice.what
    lines = [
        f"{_mark(notice)}: {about}",
        f"  when:         {notice.at:%Y-%m-%d %H:%M} UTC",
        f"  still serves: {notice.serving}" if notice.serving and notice.stage is not Stage.OVER else "",
        f"  what to do:   {notice.remedy}" if notice.remedy and notice.stage is not Stage.OVER else "",
    ]
    return "\n".join(line for line in lines if line)


def _mark(notice: Notice) -> str:
    return {Stage.BEGUN: str(notice.level), Stage.LASTS: f"{notice.level}, still", Stage.OVER: "over"}[notice.stage]


def _gravity(notice: Notice) -> int:
    return [Level.ERROR, Level.WARNING, Level.INFO].index(notice.level)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Notices that are sent together, by the installation *instance* on *host*. *sent_at* changes with each attempt."""

    instance: str
    host: str
    sent_at: datetime
    notices: tuple[Notice, ...]

    @property
    def title(self) -> str:
        """One line."""
        return f"[{self.host}] {headline(self.notices)}"

    @property
    def text(self) -> str:
        """All of it, for people."""
        return "\n\n".join(map(paragraph, self.notices))

    def body(self) -> bytes:
        """All of it, for programs: JSON whose members are described in docs/notifications.md."""
        members = {**to_json(self), "title": self.title, "text": f"{self.title}\n\n{self.text}"}
        return json.dumps(members, ensure_ascii=False).encode()
