"""The log of every change (WAL) of a PostgreSQL: what of it is kept, to which moments that leads, and what goes with time. Pure.

A segment is a file of the log, of a fixed size; its number is that of its place in the log. A chain is a part of the log of one data
directory that has no gap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hostess.domain.backups.backup import FAILED, OK, RUNNING, SUFFIX, Proof
from hostess.domain.problem import Problem

BASE_AGE = timedelta(days=1)
"""How old the newest base backup becomes: the longer ago it is, the longer a recovery takes."""
BASE_PAUSE = timedelta(minutes=5)
"""How long after one that failed the next one is taken."""
LATE = timedelta(minutes=1)
"""How long nothing may be shipped before that is told."""
FIRST, SECOND = "a", "b"
"""The two names of a begun segment's copy: the one that is known is never the one that is written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that is kept. *until*: everything before that moment is in it or in one before it.

    The last one of a chain may be its beginning alone, with the *copy* it lies in.
    """

    project: str
    environment: str
    service: str
    chain: str
    number: int
    name: str
    size: int
    checksum: str
    until: datetime
    copy: str = ""

    @property
    def path(self) -> str:
        """Where its object is below the target."""
        name = f"{self.name}.partial-{self.copy}" if self.copy else self.name
        return f"{self.project}/{self.environment}/{self.service}/wal/{self.chain}/{name}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Begun:
    """The copy of a segment that is being written: its first *length* bytes."""

    number: int
    length: int
    size: int
    checksum: str
    copy: str = FIRST


@dataclass(frozen=True, slots=True)
class Archive:
    """How far the log of a service is kept. *system* and *timeline* tell whose log it is, *segment* is the size of a segment.

    *next* is the first segment that is not kept whole yet, *until* the moment up to which everything is kept. *problem* says why
    nothing was kept for a while, "" when all is well. One that is not *on* is added to no more.
    """

    project: str
    environment: str
    service: str
    system: str
    chain: str
    timeline: int
    segment: int
    next: int
    until: datetime
    begun: Begun | None = None
    problem: str = ""
    on: bool = True

    def piece(self, number: int, copy: str = "", size: int = 0, checksum: str = "") -> Segment:
        """Return a segment of it, or a copy of the beginning of one."""
        return Segment(
            project=self.project,
            environment=self.environment,
            service=self.service,
            chain=self.chain,
            number=number,
            name=name_of(self.timeline, number, self.segment),
            size=size,
            checksum=checksum,
            until=self.until,
            copy=copy,
        )

    @property
    def end(self) -> Segment | None:
        """The beginning of the segment that is being written, as far as it is kept."""
        if self.begun is None or self.begun.number != self.next:
            return None
        return self.piece(self.next, self.begun.copy, self.begun.size, self.begun.checksum)


@dataclass(frozen=True, slots=True)
class Base:
    """A copy of the whole data directory. *first* is the first segment that it needs; it leads to no moment before *ended_at*.

    *image* is that of its server (its id), *version* what hostess.yml calls it; "": nobody has written that down.
    """

    id: str
    project: str
    environment: str
    service: str
    started_at: datetime
    state: str = RUNNING
    ended_at: datetime | None = None
    chain: str = ""
    first: int = 0
    image: str = ""
    size: int = 0
    content: int = 0
    checksum: str = ""
    problem: str = ""
    proof: Proof | None = None
    version: str = ""

    @property
    def path(self) -> str:
        """Where its object is below the target."""
        return f"{self.project}/{self.environment}/{self.service}/base/{self.id}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of its log. *flushed* and *held* are places in it, *held* what it keeps for us; None: it keeps nothing."""

    system: str
    timeline: int
    segment: int
    now: datetime
    flushed: int
    oldest: str
    data: str
    held: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """Moments that can be recovered to, both ends included."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that is kept of a service."""

    archive: Archive | None = None
    bases: tuple[Base, ...] = ()
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How a moment is reached: from a base backup through segments in order, each *segment* bytes long."""

    base: Base
    segments: tuple[Segment, ...]
    segment: int


def place_of(lsn: str) -> int:
    """Return a place in the log, as PostgreSQL writes it ("16/B374D848"), as a number of bytes."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def name_of(timeline: int, number: int, segment: int) -> str:
    """Return the file name of a segment (XLogFileName in PostgreSQL's xlog_internal.h)."""
    each = 0x1_0000_0000 // segment
    return f"{timeline:08X}{number // each:08X}{number % each:08X}"


def number_of(name: str, segment: int) -> int:
    """Return the number of a segment by its file name."""
    return int(name[8:16], 16) * (0x1_0000_0000 // segment) + int(name[16:24], 16)


def gap(archive: Archive, server: Server) -> str:
    """Return what of the log can never be kept any more, in words; "" when nothing is missing."""
    if (archive.system, archive.timeline, archive.segment) != (server.system, server.timeline, server.segment):
        return "its data directory is another one"
    if not archive.on:
        return "it was not kept for a while"
    oldest = number_of(server.oldest, server.segment)
    if oldest > archive.next:
        name = name_of(archive.timeline, archive.next, archive.segment)
        return f"the server has thrown away {oldest - archive.next} segments from {name} on that were not kept yet"
    if server.flushed // server.segment < archive.next:
        return "its data directory is older than what was kept of it"
    return ""


def started(place: tuple[str, str, str], server: Server) -> Archive:
    """Return the archive that begins with what a server holds now."""
    project, environment, service = place
    first = (server.flushed if server.held is None else server.held) // server.segment
    return Archive(
        project=project,
        environment=environment,
        service=service,
        system=server.system,
        chain=f"{server.system}-{server.now:%Y%m%d-%H%M%S}",
        timeline=server.timeline,
        segment=server.segment,
        next=first,
        until=server.now,
    )


def wants_base(kept: Kept, now: datetime) -> bool:
    """Whether a base backup is due: there is none that what comes next is added to, or the newest one is a day old."""
    if any(base.state == FAILED and _within(BASE_PAUSE, base, now) for base in kept.bases):
        return False
    current = [base for base in kept.bases if base.state == OK and _reach(kept, base).current]
    return not any(_within(BASE_AGE, base, now) for base in current)


def _within(span: timedelta, base: Base, now: datetime) -> bool:
    """Whether a base backup is that young; one of a time that has not come is from a clock that was wrong, and is not."""
    return -BASE_PAUSE < now - base.started_at < span


def windows(kept: Kept) -> list[Window]:
    """Return the moments that can be recovered to, oldest first; between two windows something is missing."""
    found: list[Window] = []
    spans = [_window(kept, base) for base in kept.bases if base.state == OK]
    for window in sorted(spans, key=lambda each: each.start):
        if found and window.start <= found[-1].end:
            found[-1] = Window(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return found


def way(kept: Kept, moment: datetime, service: str) -> Way:
    """Return how a moment is reached. Problem "moment-not-kept" that tells which ones can be."""
    fit = [
        base
        for base in kept.bases
        if base.state == OK and (span := _window(kept, base)).start <= moment <= span.end and kept.archive
    ]
    if not fit or kept.archive is None:
        spans = [f"from {told(each.start)} to {told(each.end)}" for each in windows(kept)]
        raise Problem(
            "moment-not-kept",
            f"{service} cannot be recovered to {told(moment)}: {', and '.join(spans) or 'no moment'} is kept",
            serving="nothing was changed",
            remedy="`hostess backups list` shows what is kept",
        )
    base = max(fit, key=lambda each: each.started_at)
    segments: list[Segment] = []
    for segment in _run(kept, base):
        segments.append(segment)
        if segment.until >= moment:
            break
    else:
        segments += [end for end in [kept.archive.end] if end and _reach(kept, base).current]
    return Way(base, tuple(segments), kept.archive.segment)


def outdated(kept: Kept, since: datetime, least: int) -> tuple[list[Base], list[Segment]]:
    """Return what is needed for no moment from *since* on: base backups, and segments that only they need.

    The newest *least* base backups stay whatever the clock says: one that is ahead for a minute would leave none but the newest.
    """
    good = sorted((each for each in kept.bases if each.state == OK), key=lambda each: each.ended_at or each.started_at)
    before = [base for base in good if base.ended_at is not None and base.ended_at <= since]
    needed = good[max(min(len(before) - 1, len(good) - least), 0) :]
    if not needed:
        return [], []
    first = {chain: min(base.first for base in needed if base.chain == chain) for chain in {b.chain for b in needed}}
    spare = [each for each in kept.segments if each.chain not in first or each.number < first[each.chain]]
    return [base for base in good if base not in needed], spare


def told(moment: datetime) -> str:
    """Return a moment as people write it, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far the log leads on from a base backup; *current*: up to where it is kept now."""

    end: datetime
    current: bool


def _run(kept: Kept, base: Base) -> Sequence[Segment]:
    """Return the segments from the first that a base backup needs to the last before something is missing."""
    known = {each.number: each for each in kept.segments if each.chain == base.chain}
    return list(_following(known, base.first))


def _following(known: dict[int, Segment], number: int) -> Iterable[Segment]:
    while number in known:
        yield known[number]
        number += 1


def _reach(kept: Kept, base: Base) -> _Reach:
    run, archive = _run(kept, base), kept.archive
    after = base.first + len(run)
    if archive is not None and archive.chain == base.chain and archive.next == after:
        return _Reach(archive.until, current=True)
    return _Reach(run[-1].until if run else base.started_at, current=False)


def _window(kept: Kept, base: Base) -> Window:
    start = base.ended_at or base.started_at
    return Window(start, max(start, _reach(kept, base).end))
