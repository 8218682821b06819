"""What happens next by itself, in the order of time: jobs, backups, drills, renewals, ends of environments."""

from datetime import datetime

from hostess.domain.jobs.cron import next_fire
from hostess.doors.api.operation import Call, Nothing, View, op

JOB, RENEWAL, EXPIRY = "job", "renewal", "expiry"


class UpcomingView(View):
    """Something that happens *at* a time. *kind*: job, backup, drill, wal-drill, host-backup, renewal, expiry.

    *name* is the job, the service or the first host of the certificate; *schedule* is cron's or a preset's where it has one (UTC).
    """

    at: datetime
    kind: str
    project: str
    environment: str
    name: str
    schedule: str


class UpcomingList(View):
    """All of it, the next first."""

    items: tuple[UpcomingView, ...]


@op("GET /v1/upcoming", "read", returns=UpcomingList)
async def upcoming(call: Call, _: Nothing) -> UpcomingList:
    """Tell what happens next by itself in the projects that the caller sees; what is the host's own only to those who see all of it."""
    call.require_somewhere("read")
    found = [*await _scheduled(call), *await _renewals(call), *await _expiries(call)]
    seen = [each for each in found if (call.sees(each.project) if each.project else not call.caller.token.projects)]
    return UpcomingList(items=tuple(sorted(seen, key=lambda each: (each.at, each.kind, each.project, each.name))))


async def _scheduled(call: Call) -> list[UpcomingView]:
    now = call.services.clock.now()
    found = []
    for due in await call.services.schedules.due():
        kind, colon, place = due.key.rpartition(":")
        project, _, rest = place.partition("/")
        environment, _, name = rest.partition("/")
        at = next_fire(due.schedule, now)
        if at is not None:
            is_hosts = not rest
            found.append(
                UpcomingView(
                    at=at,
                    kind=kind if colon else project if is_hosts else JOB,
                    project="" if is_hosts else project,
                    environment=environment,
                    name=name or place,
                    schedule=due.schedule,
                )
            )
    return found


async def _renewals(call: Call) -> list[UpcomingView]:
    return [
        UpcomingView(
            at=standing.renewal,
            kind=RENEWAL,
            project=standing.project,
            environment="",
            name=standing.wanted.names[0],
            schedule="",
        )
        for standing in await call.services.orders.standings()
        if standing.renewal is not None
    ]


async def _expiries(call: Call) -> list[UpcomingView]:
    return [
        UpcomingView(
            at=known.expires_at,
            kind=EXPIRY,
            project=known.place.project,
            environment=known.place.environment,
            name=known.place.environment,
            schedule="",
        )
        for project in await call.services.journal.projects()
        if call.sees(project.name)
        for known in await call.services.environments.known(project.name)
        if known.expires_at is not None
    ]


OPERATIONS = (upcoming,)
