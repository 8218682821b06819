"""What comes before SIGTERM: `lifecycle.shutdown`, a command inside the replica or a job beside it."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.ports import Clock, Container, Engine, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.plan import PRESENT
from hostess.domain.releases.release import Release
from hostess.services.jobs.jobs import SHUTDOWN, Ask, Jobs, failed
from hostess.services.keeping.replicas import DEFAULT_GRACE, grace_of

RECENT = 20
"""How many releases are asked for what is known of a replica; older ones are asked by their number."""
_TIMED_OUT = 124

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a replica ends. It names the release that knows the job, and holds no secret: it is kept in the journal.

    *run* is the id of the job's run, chosen beforehand, by which it is known again after a restart. *grace* is what a command
    may take, and then the time between SIGTERM and SIGKILL.
    """

    project: str = ""
    environment: str = ""
    service: str = ""
    release: int = 0
    ports: tuple[int, ...] = ()
    grace: timedelta = DEFAULT_GRACE
    command: tuple[str, ...] = ()
    job: str = ""
    run: str = ""


class Shutdown:
    """Carries `lifecycle.shutdown` out. A failure is an event, and stops nothing."""

    def __init__(self, engine: Engine, journal: Journal, jobs: Jobs, clock: Clock) -> None:
        self._engine = engine
        self._journal = journal
        self._jobs = jobs
        self._clock = clock

    async def of(self, container: Container) -> Ending:
        """Return how a replica ends, by the newest release that wants such a one; nothing special when none is known."""
        project = container.labels.get(labels.PROJECT, "")
        environment = container.labels.get(labels.ENVIRONMENT, "")
        service = container.labels.get(labels.SERVICE, "")
        release = await self._release(project, environment, container)
        workload = release.workloads.get(service) if release else None
        if release is None or workload is None:
            return Ending(project, environment, service)
        hook = workload.shutdown
        job = hook.job or "" if hook else ""
        return Ending(
            project,
            environment,
            service,
            release.number,
            workload.ports,
            grace_of(workload),
            hook.command if hook else (),
            job,
            self._clock.token(48) if job else "",
        )

    async def before_end(self, container: Container, ending: Ending, deployment: str = "") -> None:
        """Run what comes before SIGTERM, unless the replica has stopped already.

        A job that is part of a *deployment* ends with it; any other goes on after a restart, by the id in *ending*.
        """
        if container.state not in PRESENT:
            return
        try:
            if ending.job:
                await self._job(ending, deployment)
            elif ending.command:
                await self._command(container, ending)
        except Problem as problem:
            log.warning("shutdown of %s: %s", container.name, problem)
            await self._journal.tell(
                "service.shutdown-failed",
                f"shutdown of {ending.service} failed: {problem.what}; the replica is stopped all the same",
                self._clock.now(),
                project=ending.project,
                environment=ending.environment,
                data={"service": ending.service, "container": container.name},
            )

    async def without(self, ending: Ending) -> None:
        """Finish what was begun for a replica that is gone: a job that is under way ends as it would have."""
        if ending.job:
            await self._jobs.settle(ending.project, ending.environment, ending.job, ending.run)

    async def _command(self, container: Container, ending: Ending) -> None:
        code, _ = await self._engine.execute(container.id, ending.command, ending.grace)
        if code == _TIMED_OUT:
            raise Problem("shutdown-timeout", f"it was killed after {ending.grace.total_seconds():.0f} s")
        if code != 0:
            raise Problem("shutdown-failed", f"exit {code}")

    async def _job(self, ending: Ending, deployment: str) -> None:
        release = await self._journal.release(ending.project, ending.environment, ending.release)
        job = release.jobs.get(ending.job) if release else None
        places: list[Place] = await self._journal.places(ending.project)
        place = next((each for each in places if each.environment == ending.environment), None)
        if release is None or job is None or place is None:
            raise Problem("job-not-found", f"v{ending.release} has no job {ending.job} any more")
        workload = release.workloads[ending.service]
        ask = Ask(place, release, job, SHUTDOWN, deployment=deployment, volumes=workload.volumes)
        if deployment:
            await self._jobs.within_deployment(ask, log.info)
            return
        run = await self._jobs.under_id(ask, ending.run)
        if run.outcome != "done":
            raise failed(run)

    async def _release(self, project: str, environment: str, container: Container) -> Release | None:
        service, spec = container.labels.get(labels.SERVICE, ""), container.labels.get(labels.SPEC, "")
        for release in await self._journal.releases(project, environment, RECENT):
            if service in release.workloads and release.workloads[service].spec == spec:
                return release
        number = container.labels.get(labels.RELEASE, "")
        return await self._journal.release(project, environment, int(number)) if number.isdigit() else None
