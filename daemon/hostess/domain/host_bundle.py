"""Backups of the whole host: what a bundle holds, what is known of each, and which ones go. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hostess.domain.backups.backup import GOOD, OK, RUNNING, Backup
from hostess.domain.problem import Problem

FORMAT = 1
"""The version of a bundle's form."""
SUFFIX = ".tar.zst.age"
MANIFEST, JOURNAL, KEY, OWNER = "manifest.json", "hostess.db", "key", "owner-token"
CERTIFICATES, SETTINGS, VARIABLES = "certs.tar", "settings.toml", "settings.env"
REPOSITORIES, SITES, ARTEFACTS = "repos/", "sites/", "backups/"
FOLDER = "host"
"""Where bundles lie below the place for backups."""
SUBJECT = "backups of the host"
"""What alerts and notices call them."""
AUTO, ALWAYS, NEVER = "auto", "always", "never"

_NAMES = frozenset({MANIFEST, JOURNAL, KEY, OWNER, CERTIFICATES, SETTINGS, VARIABLES})
_REPOSITORY = re.compile(r"repos/[a-z][a-z0-9-]*\.bundle")
_SITE = re.compile(r"sites/[0-9a-f]{64}\.tar")
_ARTEFACT = re.compile(r"backups(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*){4}")


@dataclass(frozen=True, slots=True)
class Content:
    """One file in a bundle: bytes and SHA-256 (hex)."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """The backup that a service is to be restored from. *included*: its artefact is in the bundle, too."""

    project: str
    environment: str
    service: str
    backup: str
    path: str
    sha256: str
    started_at: datetime
    included: bool


@dataclass(frozen=True, slots=True)
class BundleManifest:
    """The last file of a bundle: which host it is of, all other files, and what its services are restored from."""

    bundle: str
    hostess: str
    instance: str
    taken_at: datetime
    projects: tuple[str, ...]
    pointers: tuple[Pointer, ...]
    contents: tuple[Content, ...]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class HostBackup:
    """One backup of the host. *state*: running, ok, partial, failed (*problem* says why).

    A partial one can be recovered from: a service is in it as it was earlier, or it is absent from one of the two places
    (*missing*). *size* and *checksum* (SHA-256, hex) are those of the bundle. *artefacts* are the ids of the backups that it leads to.
    """

    id: str
    trigger: str
    started_at: datetime
    state: str = RUNNING
    ended_at: datetime | None = None
    size: int = 0
    checksum: str = ""
    problem: str = ""
    missing: str = ""
    artefacts: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The bundle's file name."""
        return f"host-{self.id}{SUFFIX}"

    @property
    def path(self) -> str:
        """Where it is below the place for backups."""
        return f"{FOLDER}/{self.file}"


@dataclass(frozen=True, slots=True)
class Recovery:
    """How far bringing a host back has come; it lies in the data folder until all is done.

    *checksum* is the bundle's. *restored* are the services ("project/environment/service") that have their data again, *done* the
    environments that serve, *failed* those that do not, and why.
    """

    bundle: str
    checksum: str
    taken_at: datetime
    begun_at: datetime
    restored: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


def check_name(name: str) -> None:
    """Problem "bundle-damaged" for a name that no bundle of ours holds: whoever knows a public key can encrypt for it."""
    fine = name in _NAMES or any(pattern.fullmatch(name) for pattern in (_REPOSITORY, _SITE, _ARTEFACT))
    if not fine:
        raise damaged(f"it holds {name!r}, which belongs to no bundle")


def check_contents(manifest: BundleManifest, found: Collection[Content]) -> None:
    """Problem "bundle-damaged" unless *found* is what the manifest tells, "bundle-newer" for a form that is not known here."""
    if manifest.format > FORMAT:
        raise Problem(
            "bundle-newer",
            f"the bundle was written by Hostess {manifest.hostess}, in a form that this version does not know",
            serving="nothing was laid down",
            remedy=f"install Hostess {manifest.hostess}, and recover with it",
        )
    wanted, there = set(manifest.contents), set(found)
    if wanted != there:
        names = sorted({each.name for each in wanted ^ there})
        raise damaged(f"{names[0]} is not what its manifest tells")
    absent = {JOURNAL, KEY} - {each.name for each in there}
    if absent:
        raise damaged(f"it has no {min(absent)}")


def damaged(why: str) -> Problem:
    """Return what is to be said of a bundle that is none, or not whole."""
    return Problem(
        "bundle-damaged",
        f"the bundle cannot be used: {why}",
        serving="nothing was laid down",
        remedy="take another one, or fetch it again: its SHA-256 is in the .json beside it",
    )


def superfluous(backups: Iterable[HostBackup], keep: int, now: datetime) -> list[HostBackup]:
    """Return which good bundles go so that the newest *keep* stay; the newest complete one stays in any case.

    Those of a time that has not come, when the clock was wrong, are the oldest.
    """
    good = [each for each in backups if each.state in GOOD]
    good.sort(key=lambda each: (each.started_at <= now, each.started_at), reverse=True)
    complete = next((each for each in good if each.state == OK), None)
    return [each for each in good[max(keep, 1) :] if each is not complete]


def restorable(backups: Sequence[Backup], until: datetime) -> list[Backup]:
    """Return the backups of a service that it can be restored from, the best one first.

    Nothing younger than the bundle counts: that would be of a database that was not restored yet. One whose drill failed comes last.
    """
    good = [each for each in backups if each.state in GOOD and each.started_at <= until]
    good.sort(key=lambda each: each.started_at, reverse=True)
    return sorted(good, key=lambda each: bool(each.proof and each.proof.problem))
