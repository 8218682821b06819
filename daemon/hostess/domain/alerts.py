"""Alerts: what is wrong now, as a function of what is known; and what of it is to be told again, or is over. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from hostess.domain.alert import OVER, PATIENCE, TOLD_AT_ONCE, Alert
from hostess.domain.backups.backup import FAILED, FOR_RESTORES, GOOD, OK, PARTIAL, RUNNING, Backup
from hostess.domain.backups.wal import Archive, Base
from hostess.domain.host_figures import HostTrouble
from hostess.domain.jobs.cron import next_fire
from hostess.domain.notices import Level
from hostess.domain.storage import Fill, Use, fill_of, trouble_with

LATE: Final = timedelta(hours=1)
"""How long after its time a backup may take, with the tries that follow one that failed."""
UNPROVEN: Final = timedelta(days=3)
"""So long a backup may go without a drill that went well; they are daily."""
CRASHES: Final = 3
CRASHED_LATELY: Final = timedelta(minutes=5)
"""So many restarts by the engine, the last one so lately, are a loop."""
REMIND: Final = timedelta(days=1, minutes=1)
"""A little more than a day: notices tell nothing twice within one."""

_GRAVITY: Final = (Level.ERROR, Level.WARNING, Level.INFO)


@dataclass(frozen=True, slots=True)
class Database:
    """A live database with a `backups` block, and what is known of its backups, newest first.

    *wanted_since* is when backups of it were first wanted; *proven_at* when one was last proven, or before the first proof when the
    first one was there to be proven (None: there was none yet).
    """

    project: str
    environment: str
    service: str
    schedule: str
    backups: Sequence[Backup]
    wanted_since: datetime
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unwell:
    """A live service of which *evidence* is told. *looping*: the engine restarts it over and over; *stopped*: it was stopped for that."""

    project: str
    environment: str
    service: str
    evidence: str
    looping: bool = False
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Troubled:
    """A certificate that could not be had, or (*ends*) that ends soon; *imported*: nobody renews it."""

    names: tuple[str, ...]
    project: str
    error: str = ""
    ends: datetime | None = None
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What alerts are drawn from; *others* are drawn already.

    *unwell* is None when services could not be looked at, *host* while too little is known of it.
    """

    databases: Sequence[Database] = ()
    archives: Sequence[Archive] = ()
    bases: Sequence[Base] = ()
    unwell: Sequence[Unwell] | None = ()
    uses: Sequence[Use] = ()
    certificates: Sequence[Troubled] = ()
    others: Sequence[Alert] = ()
    host: Sequence[HostTrouble] | None = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What outlives the daemon, by key: *since* when each alert was first seen, *told* when it was last told.

    *wanted* and *proven* keep what `Database` has, by the service's place: releases and backups go, and take their times along.
    """

    since: Mapping[str, datetime] = field(default_factory=dict)
    told: Mapping[str, datetime] = field(default_factory=dict)
    wanted: Mapping[str, datetime] = field(default_factory=dict)
    proven: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """An event to tell about an alert."""

    kind: str
    message: str
    alert: Alert


def backup_subject(project: str, environment: str, service: str) -> str:
    """Return what alerts and notices call the backups of a service."""
    return f"backups of {project}/{environment}/{service}"


def drill_subject(project: str, environment: str, service: str) -> str:
    """Return what alerts and notices call the drills of a service."""
    return f"drills of {project}/{environment}/{service}"


def log_drill_subject(project: str, environment: str, service: str) -> str:
    """Return what alerts and notices call the drills of such a log."""
    return f"drills of the {log_subject(project, environment, service)}"


def log_subject(project: str, environment: str, service: str) -> str:
    """Return what alerts and notices call the log of every change of a service."""
    return f"log of {project}/{environment}/{service}"


def subject_of(backup: Backup) -> Mapping[str, str]:
    """Return what the event of a backup says it is about; one that was taken for the sake of a restore is nobody's alert."""
    if backup.trigger in FOR_RESTORES:
        return {}
    return {"subject": backup_subject(backup.project, backup.environment, backup.service)}


def alerts_of(facts: Facts, memory: Memory, now: datetime) -> list[Alert]:
    """Return all that is wrong, the gravest first, also what has not lasted long enough to be an alert."""
    found = [
        *(alert for each in facts.databases for alert in _of_database(each, now)),
        *(_of_archive(each) for each in facts.archives if each.on and each.problem),
        *(alert for each in facts.archives if each.on for alert in _of_log_drills(each, facts.bases, now)),
        *(_of_service(each, now) for each in facts.unwell or ()),
        *(alert for use in facts.uses if (alert := _of_use(use, now))),
        *(_of_certificate(each, now) for each in facts.certificates),
        *facts.others,
        *(Alert(each.kind, each.subject, each.what, now, each.remedy) for each in facts.host or ()),
    ]
    dated = (replace(each, since=min(each.since, memory.since.get(each.key, each.since))) for each in found)
    return sorted(dated, key=lambda each: (_GRAVITY.index(each.level), each.since, each.key))


def lasting(alerts: Iterable[Alert], now: datetime) -> list[Alert]:
    """Return those that have lasted long enough to be alerts."""
    return [each for each in alerts if now - each.since >= each.patience]


def judge(
    alerts: Sequence[Alert], memory: Memory, now: datetime, *, services_seen: bool = True, host_seen: bool = True
) -> tuple[list[News], Memory]:
    """Return what is told now, and what is remembered after it: each at its beginning, daily while it lasts, and its end.

    What others tell of is only remembered. Where services were not *services_seen*, or the host not *host_seen*, theirs stay as they are.
    """
    news, told = [], dict(memory.told)
    for each in lasting(alerts, now):
        if each.kind not in OVER:
            continue
        last = told.get(each.key)
        if last is None and each.kind in TOLD_AT_ONCE:
            told[each.key] = each.since
        elif last is None or now - last >= REMIND:
            told[each.key] = now
            news.append(News(each.kind, each.what, each))
    since = {each.key: each.since for each in alerts}
    unseen = (*(() if services_seen else ("service.",)), *(() if host_seen else ("host.", "daemon.")))
    since |= {key: at for key, at in memory.since.items() if key.startswith(unseen) and key not in since}
    there = {each.subject for each in alerts}
    for key in [each for each in told if each not in since]:
        del told[key]
        alert = _ended(key, now)
        if alert.subject not in there:
            news.append(News(OVER[alert.kind], f"{alert.subject}: this is over, all is as it should be again", alert))
    return news, replace(memory, since=since, told=told)


def crash_loops(state: str, restarts: int, started_at: datetime | None, now: datetime) -> bool:
    """Whether a container that the engine has restarted so often is in a loop."""
    lately = started_at is not None and now - started_at <= CRASHED_LATELY
    return restarts >= CRASHES and (state == "restarting" or lately)


def remembered(
    database: tuple[str, str, str], backups: Sequence[Backup], wanted_since: datetime, memory: Memory
) -> tuple[datetime, datetime | None]:
    """Return since when backups of a service are wanted, and when one was last proven, as `Database` has it."""
    place = "/".join(database)
    good = _good(backups)
    proofs = [each.proof.at for each in backups if each.proof is not None and not each.proof.problem]
    first = memory.proven.get(place) or (good[-1].started_at if good else None)
    times = [*proofs, *([first] if first else [])]
    return min(wanted_since, memory.wanted.get(place, wanted_since)), max(times, default=None)


def after_look(memory: Memory, databases: Iterable[Database]) -> Memory:
    """Return a memory that has the times of the databases that there are, and of no others."""
    present = {f"{each.project}/{each.environment}/{each.service}": each for each in databases}
    return replace(
        memory,
        wanted={place: each.wanted_since for place, each in present.items()},
        proven={place: each.proven_at for place, each in present.items() if each.proven_at},
    )


def _good(backups: Iterable[Backup]) -> list[Backup]:
    return [each for each in backups if each.state in GOOD and each.trigger not in FOR_RESTORES]


def _of_database(database: Database, now: datetime) -> Iterable[Alert]:
    names = (database.project, database.environment, database.service)
    service, good = database.service, _good(database.backups)
    making = f"`hostess backups create {service} -p {database.project} -e {database.environment}` takes one now"
    last = f"the newest good one is of {good[0].started_at:%Y-%m-%d %H:%M} UTC" if good else "there is no good one"
    told = _teller(database.project, database.environment, service)
    ended = [each for each in database.backups if each.state in {*GOOD, FAILED} and each.trigger not in FOR_RESTORES]
    if ended and ended[0].state == FAILED:
        what = f"the last backup of {service} ({database.environment}) failed: {ended[0].problem}; {last}"
        since = ended[0].ended_at or ended[0].started_at
        remedy = f"mend what it says; {making}"
        yield told("backup.failed", backup_subject(*names), what, since, remedy)
    if ended and ended[0].state == PARTIAL:
        what = f"{ended[0].file} {ended[0].problem}"
        since = ended[0].ended_at or ended[0].started_at
        yield told(
            "backup.partial", backup_subject(*names), what, since, "mend what it says; it is copied by itself then"
        )
    due = _overdue(database, good, now)
    if due is not None:
        what = f"a backup of {service} ({database.environment}) is overdue since {due:%Y-%m-%d %H:%M} UTC; {last}"
        remedy = f"`hostess backups list --service {service} -p {database.project}` tells what became of it; {making}"
        yield told("backup.overdue", backup_subject(*names), what, due, remedy)
    drills = [each for each in good if each.proof is not None]
    newest = max(drills, key=lambda each: each.proof.at if each.proof else now, default=None)
    if newest is not None and newest.proof is not None and newest.proof.problem:
        what = f"{newest.file} could not be restored into a throw-away container: {newest.proof.problem}"
        remedy = f"do not rely on it: {making}; `hostess backups list` shows which ones are proven"
        yield told("backup.drill-failed", drill_subject(*names), what, newest.proof.at, remedy)
    if good and database.proven_at is not None and now - database.proven_at > UNPROVEN:
        what = f"no backup of {service} ({database.environment}) was proven by restoring it since {database.proven_at:%Y-%m-%d %H:%M} UTC"
        remedy = "drills run daily at 04:30 UTC while the daemon runs; `hostess events` tells what became of them"
        since = database.proven_at + UNPROVEN
        yield told("backup.drill-overdue", drill_subject(*names), what, since, remedy)


def _teller(project: str, environment: str, service: str) -> Callable[[str, str, str, datetime, str], Alert]:
    place = (project, environment, service)
    return lambda kind, subject, what, since, remedy: Alert(kind, subject, what, since, remedy, *place)


def _overdue(database: Database, good: Sequence[Backup], now: datetime) -> datetime | None:
    """Return since when there should be a newer good backup: two of its times went by, or the first one did.

    None while it is as it should be, or one is under way that may mend it.
    """
    if any(each.state == RUNNING for each in database.backups):
        return None
    first = next_fire(database.schedule, good[0].started_at if good else database.wanted_since)
    due = next_fire(database.schedule, first) if first and good else first
    return due if due and now >= due + LATE else None


def _of_archive(archive: Archive) -> Alert:
    names = (archive.project, archive.environment, archive.service)
    return _teller(*names)(
        "backup.wal-late",
        log_subject(*names),
        f"changes of {archive.service} ({archive.environment}) are kept up to {archive.until:%Y-%m-%d %H:%M:%S} UTC, "
        f"and not since: {archive.problem}",
        archive.until,
        "mend what it says; what was written meanwhile is kept then, too, unless it is more than the server holds back",
    )


def _of_log_drills(archive: Archive, bases: Iterable[Base], now: datetime) -> Iterable[Alert]:
    """Draw what drills of a log showed from its base backups: of each the log was played, or could not be."""
    names = (archive.project, archive.environment, archive.service)
    good = [each for each in bases if each.state == OK and (each.project, each.environment, each.service) == names]
    proofs = sorted((each.proof for each in good if each.proof), key=lambda proof: proof.at)
    told, subject = _teller(*names), log_drill_subject(*names)
    if proofs and proofs[-1].problem:
        what = f"the log of {archive.service} ({archive.environment}) could not be played: {proofs[-1].problem}"
        remedy = "do not rely on it to go back to a moment; backups are proven apart: `hostess backups list` shows them"
        yield told("backup.drill-failed", subject, what, proofs[-1].at, remedy)
    proven = [proof.at for proof in proofs if not proof.problem]
    last = max(proven, default=min((each.started_at for each in good), default=now))
    if now - last > UNPROVEN:
        what = f"the log of {archive.service} ({archive.environment}) was not proven by playing it since {last:%Y-%m-%d %H:%M} UTC"
        remedy = "drills run daily at 04:30 UTC while the daemon runs; `hostess events` tells what became of them"
        yield told("backup.drill-overdue", subject, what, last + UNPROVEN, remedy)


def _of_service(each: Unwell, now: datetime) -> Alert:
    return Alert(
        "service.crash-loop" if each.looping else "service.unwell",
        f"service {each.project}/{each.environment}/{each.service}",
        f"{each.service} ({each.environment}) {each.evidence}",
        now,
        f"`hostess logs {each.service} -p {each.project} -e {each.environment}` shows its last words",
        each.project,
        each.environment,
        each.service,
        patience=timedelta(0) if each.stopped else PATIENCE,
    )


def _of_use(use: Use, now: datetime) -> Alert | None:
    fill = fill_of(use.percent)
    if fill is Fill.FINE:
        return None
    news = trouble_with(use, fill)
    return Alert(news.kind, use.subject, news.message, now, news.remedy, use.project, use.environment, use.service)


def _of_certificate(each: Troubled, now: datetime) -> Alert:
    names = ", ".join(each.names)
    if each.ends is None:
        what = f"no certificate for {names}: {each.error}"
        remedy = f"`hostess tls check {each.names[0]}` tells what is in the way; it is tried again by itself"
        return Alert("certificate.failed", names, what, now, remedy, each.project)
    ended = each.ends <= now
    what = f"the certificate for {names} {'ended' if ended else 'ends'} on {each.ends:%Y-%m-%d at %H:%M} UTC"
    remedy = (
        "bring its successor with `hostess tls import`, or remove it with `hostess tls remove`"
        if each.imported
        else f"`hostess tls list` tells why it is not renewed; `hostess tls retry {each.names[0]}` tries at once"
    )
    return Alert("certificate.expired" if ended else "certificate.expiring", names, what, now, remedy, each.project)


def _ended(key: str, now: datetime) -> Alert:
    """Return an alert that is over: no more is known of it than its key, which says whose it was."""
    kind, _, subject = key.partition(" ")
    place = subject.rpartition(" ")[2].split("/")
    project, environment, service = place if len(place) == 3 else ("", "", "")  # noqa: PLR2004 -- as the subjects have it
    return Alert(kind, subject, "", now, "", project, environment, service)
