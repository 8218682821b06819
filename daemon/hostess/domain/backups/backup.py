"""Backups: what the journal and the manifest say of one, how its object is named, and which ones retention lets go. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hostess.domain.codec import CodecError, from_json
from hostess.domain.problem import Problem

FORMAT = 1
"""The version of the artefact's and the manifest's form."""

SUFFIX = ".tar.zst"
RUNNING, OK, PARTIAL, FAILED = "running", "ok", "partial", "failed"
GOOD = frozenset({OK, PARTIAL})
"""What can be restored: an object was read back, and is what was written."""
FOLDER, BUCKET = "folder", "bucket"
"""The two places for artefacts."""
MANUAL, SCHEDULED, SAFETY, RECOVERED, HOST = "manual", "scheduled", "pre-restore", "recovered", "host"
FOR_RESTORES = frozenset({SAFETY, RECOVERED})
"""Those that are made for the sake of a restore. Those of HOST belong to a backup of the host, and go with it."""
_ID = re.compile(r"\d{8}-\d{6}-[a-z0-9]{1,16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """How restoring a backup into a throw-away container went; no *problem*: all of it is there and readable."""

    at: datetime
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup of a service.

    *state*: running, ok, partial, failed (why: *problem*). *trigger*: manual, scheduled, pre-restore, recovered, host.

    *size* and *checksum* (SHA-256, hex) are those of the object. A partial one is whole in one place, and absent in the other
    (*missing*); one that failed has no object. *reached* is the last transaction that it has, of one that was recovered to a moment.
    """

    id: str
    project: str
    environment: str
    service: str
    trigger: str
    started_at: datetime
    state: str = RUNNING
    ended_at: datetime | None = None
    size: int = 0
    checksum: str = ""
    problem: str = ""
    proof: Proof | None = None
    reached: datetime | None = None
    missing: str = ""

    @property
    def file(self) -> str:
        """The object's file name."""
        return f"{self.service}-{self.id}{SUFFIX}"

    @property
    def path(self) -> str:
        """Where the object is below the target: no two backups of an installation share one."""
        return f"{self.project}/{self.environment}/{self.service}/{self.file}"


@dataclass(frozen=True, slots=True)
class Part:
    """One stream in an artefact; *size* in bytes before compression."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: bytes and SHA-256 (hex) of the object, and its parts in order."""

    size: int
    checksum: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its rows in the snapshot that was dumped."""

    schema: str
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class Dumped:
    """One database within a backup, as it was in the snapshot. In redis *name* is the index and *keys* about how many it held.

    *provider* is what sorts and compares ("c": the system, "i": ICU, "b": PostgreSQL itself, "": not known) by *locale* and *rules*.
    """

    name: str
    size: int = 0
    owner: str = ""
    encoding: str = ""
    collate: str = ""
    ctype: str = ""
    tables: tuple[Table, ...] = ()
    keys: int = 0
    provider: str = ""
    locale: str = ""
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """A directory within a backup of a service that is no database: its entries that are no directories, and their bytes."""

    directory: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about one artefact; it lies beside it as JSON, and is written last."""

    backup: str
    project: str
    environment: str
    service: str
    type: str
    engine: str
    release: int
    trigger: str
    started_at: datetime
    seconds: float
    file: str
    size: int
    sha256: str
    parts: tuple[Part, ...]
    databases: tuple[Dumped, ...]
    format: int = FORMAT
    encryption: str = ""
    files: tuple[Files, ...] = ()


@dataclass
class Heard:
    """What a service told of itself while it was dumped; filled as the dump goes on."""

    engine: str = ""
    databases: list[Dumped] = field(default_factory=list)
    files: list[Files] = field(default_factory=list)


def new_id(now: datetime, token: str) -> str:
    """Return the id of a backup that begins *now*; *token* keeps two of one second apart."""
    return f"{now:%Y%m%d-%H%M%S}-{token[:6].lower().replace('_', '0').replace('-', '0')}"


def manifest_from(text: str, file: str) -> Manifest:
    """Return the manifest of *file* that *text* is. Problem "backup-damaged"."""
    try:
        return from_json(Manifest, json.loads(text))
    except (ValueError, CodecError, RecursionError) as error:
        raise Problem("backup-damaged", f"the manifest of {file} cannot be read: {error}") from error


def adopted(manifest: Manifest) -> Backup:
    """Return the backup that a manifest of another installation tells of. Problem "backup-damaged" for what none would have written.

    No backup of the host here leads to it, so that one that belonged to such a backup there counts as one that somebody has asked for.
    """
    try:
        ended_at = manifest.started_at + timedelta(seconds=manifest.seconds)
    except (OverflowError, ValueError) as error:
        raise Problem("backup-damaged", f"its manifest has an impossible duration: {error}") from error
    if not _ID.fullmatch(manifest.backup) or manifest.started_at.tzinfo is None or manifest.size < 0:
        raise Problem("backup-damaged", "its manifest has an id, a time or a size that no backup has")
    return Backup(
        id=manifest.backup,
        project=manifest.project,
        environment=manifest.environment,
        service=manifest.service,
        trigger=manifest.trigger if manifest.trigger in {SCHEDULED, *FOR_RESTORES} else MANUAL,
        started_at=manifest.started_at,
        state=OK,
        ended_at=ended_at,
        size=manifest.size,
        checksum=manifest.sha256,
    )


def partial_for(backup: Backup, missing: str, why: str) -> Backup:
    """Return a backup that is whole, but not in the place *missing*."""
    has = FOLDER if missing == BUCKET else BUCKET
    problem = f"is whole in the {has}, can be restored, and is not in the {missing}, which is tried again: {why}"
    return replace(backup, state=PARTIAL, missing=missing, problem=problem)


def superfluous(backups: Iterable[Backup], keep: int, now: datetime) -> list[Backup]:
    """Return which good backups of one service go so that the newest *keep* stay, oldest first.

    Scheduled and manual ones count together. Those made for the sake of a restore are counted apart in the same way: a restore
    pushes no other backup out. Partial ones count, but do not push out the newest one that is in every place. Those that belong to a
    backup of the host are not of these: it lets them go. Those of a time that has not come, when the clock was wrong, are the oldest:
    what is taken now never goes for them.
    """
    own = [each for each in backups if each.state in GOOD and each.trigger != HOST]
    good = sorted(own, key=_newer(now), reverse=True)
    complete = next((each for each in good if each.state == OK), None)
    chosen = [each for each in good if each.trigger not in FOR_RESTORES][max(keep, 1) :]
    chosen += [each for each in good if each.trigger in FOR_RESTORES][max(keep, 1) :]
    return sorted((each for each in chosen if each is not complete), key=_newer(now))


def _newer(now: datetime) -> Callable[[Backup], tuple[bool, datetime]]:
    """Return what backups are sorted by, the oldest first."""
    return lambda each: (each.started_at <= now, each.started_at)


def chosen(backups: Sequence[Backup], service: str, wanted: str, now: datetime) -> Backup:
    """Return the good backup of that id, unique beginning of it or file name. Problem "backup-not-found".

    "" means the newest that was not made for the sake of a restore: what was restored once by mistake, or what it was restored over,
    is taken only when it is named, or when there is nothing else.
    """
    good = [each for each in backups if each.state in GOOD and each.service == service]
    found = [each for each in good if wanted in {each.id, each.file}] or [
        each for each in good if each.id.startswith(wanted)
    ]
    if not found or (wanted and len(found) > 1):
        several = "is the beginning of several backups" if found else "is no good backup"
        raise Problem(
            "backup-not-found",
            f"{wanted} {several} of {service}" if wanted else f"there is no good backup of {service} yet",
            remedy=f"`hostess backups list --service {service}` shows those there are; `hostess backups create {service}` makes one",
        )
    own = [each for each in found if each.trigger not in FOR_RESTORES]
    return max(own or found, key=_newer(now))


def damaged(path: str, found: str, checksum: str) -> Problem:
    """Return what is to be said of an artefact that is not what was written."""
    return Problem(
        "backup-damaged",
        f"{path} is damaged: its SHA-256 is {found}, and it was written with {checksum}",
        serving="the service itself is not touched",
        remedy="take another one: `hostess backups list` shows them; `hostess backups create SERVICE` makes one",
    )


def proven(backups: Iterable[Backup]) -> Mapping[str, datetime]:
    """Return service -> when a backup of it was last proven by restoring it."""
    found: dict[str, datetime] = {}
    for backup in backups:
        if backup.proof is not None and not backup.proof.problem:
            found[backup.service] = max(backup.proof.at, found.get(backup.service, backup.proof.at))
    return found


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of a service. *state*: running, ok, failed (*problem* says why; the data is as it was before).

    *source* is the environment that the backup is of, *safety* the backup that was taken before, *mark* what tells new data from
    old after a restart: the id of the data in redis, how far it came in others.
    """

    id: str
    project: str
    environment: str
    service: str
    source: str
    backup: str
    started_at: datetime
    state: str = RUNNING
    ended_at: datetime | None = None
    safety: str = ""
    mark: str = ""
    problem: str = ""
