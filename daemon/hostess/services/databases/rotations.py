"""Rotation of the passwords of databases: taken beside the one before, given to its consumers by a deployment, and alone at the end.

Which passwords are taken and which is given out is written down at each step. What a killed daemon or a failed deployment leaves is
finished by one rule: what the live release has is given out, and what nobody runs with any more is closed.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.databases.consumers import check_user_is_asked_for
from hostess.domain.databases.logins import Logins
from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.ports import Clock, Container, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import JobRun
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Kind, Release, Workload
from hostess.services.databases.access import DatabaseAccess
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.deploying.deployments import Deployments, Enter, Request
from hostess.services.deploying.preparation import Preparation
from hostess.services.deploying.turns import Turns
from hostess.services.keeping.replicas import Replicas
from hostess.services.live import live_workload
from hostess.services.under_way import UnderWay

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)

log = logging.getLogger(__name__)


class Rotations:
    """Gives databases new passwords, without restarting them and without a lost request of their consumers."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        replicas: Replicas,
        setup: DatabaseSetup,
        access: DatabaseAccess,
        deployments: Deployments,
        preparation: Preparation,
        turns: Turns,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._replicas = replicas
        self._setup = setup
        self._access = access
        self._deployments = deployments
        self._preparation = preparation
        self._turns = turns
        self._clock = clock
        self._finishing: UnderWay[None] = UnderWay("finishing a rotation")

    async def begin(self, project: str, environment: str, service: str, group: str, actor: str) -> str:
        """Begin to rotate the password of one group, or with "" all of a service's; return the deployment's id.

        Problems: "not-a-database", "group-not-found", "service-not-found", "nothing-live".
        """
        live, workload = await live_workload(self._journal, project, environment, service)
        _groups(workload, group)

        async def prepare(deployment: Deployment, now: Release | None, say: Say, enter: Enter) -> Release:
            await enter("rotate")
            return await self._prepared(deployment, now or live, service, group, say)

        async def ended(_: Deployment) -> None:
            self._look_after(project, environment)

        return await self._deployments.begin(
            Request(
                project,
                environment,
                Kind.ROTATION,
                actor,
                prepare,
                commit=live.commit,
                settle=ended,
                discard=ended,
            )
        )

    async def recover(self) -> None:
        """After a restart: finish what was under way."""
        for place in await self._journal.places():
            if await self._access.unsettled(place.project, place.environment):
                self._look_after(place.project, place.environment)

    async def stop(self) -> None:
        """End what finishes rotations; what is left is finished after the next start."""
        await self._finishing.stop()

    # ---- one rotation ------------------------------------------------------------------------------------------------

    async def _prepared(self, deployment: Deployment, live: Release, service: str, group: str, say: Say) -> Release:
        """Return the live release with new passwords, which its database takes already, beside those of before."""
        place = (live.project, live.environment)
        if service not in live.workloads:
            raise Problem("service-not-found", f"{live.title} has no service {service}", remedy="see `hostess ps`")
        workload = live.workloads[service]
        if workload.type is ServiceType.POSTGRES:
            stack = stack_for(parse(live.file, "hostess.yml"), live.environment)
            check_user_is_asked_for(stack, service, _groups(workload, group))
        say(f"-----> rotating the password of {service}{f', group {group}' if group else ''}")
        for each in _groups(workload, group):
            logins = await self._access.logins(*place, service, each)
            if not logins.settled:
                say(f"       {_named(service, each)}: a rotation of before is not over, and goes on")
            await self._open(live, workload, each, logins.opened())
            await self._give(live, workload, each, logins.opened().moved())
        say("       both passwords are taken until nobody runs with the one of before")
        return await self._preparation.refreshed(deployment, live)

    async def _open(self, live: Release, workload: Workload, group: str, logins: Logins) -> None:
        """Let a database take one more password, which is written down before."""
        await self._access.keep_logins(live.project, live.environment, workload.name, group, logins)
        await self._setup.let_in(live, workload, group, logins)

    async def _give(self, live: Release, workload: Workload, group: str, logins: Logins) -> None:
        """From now on the new password is everybody's who asks."""
        await self._access.keep_logins(live.project, live.environment, workload.name, group, logins)

    # ---- its end -----------------------------------------------------------------------------------------------------

    def _look_after(self, project: str, environment: str) -> None:
        self._finishing.begin((project, environment), self._finished(project, environment))

    async def _finished(self, project: str, environment: str) -> None:
        """Return once no rotation of an environment is under way; what fails is tried again."""
        pause = FIRST_PAUSE
        while True:
            try:
                if not await self._access.unsettled(project, environment):
                    return
                if await self._may_close(project, environment):
                    async with self._turns.turn(project, environment):
                        await self._settle(project, environment)
                    pause = FIRST_PAUSE
            except Problem as problem:
                log.info("a rotation in %s of %s is not finished yet: %s", environment, project, problem)
            await self._clock.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _may_close(self, project: str, environment: str) -> bool:
        """Whether something of what is under way could be finished now: it is looked at again in the environment's turn."""
        return bool(await self._next(project, environment))

    async def _settle(self, project: str, environment: str) -> None:
        """Give out what is live, and close what nobody runs with. Nobody deploys meanwhile."""
        for service, group, logins in await self._next(project, environment):
            await self._close(project, environment, service, group, logins)
            before = await self._access.logins(project, environment, service, group)
            await self._access.keep_logins(project, environment, service, group, logins)
            for number in sorted(set(before.taken) - set(logins.taken)):
                await self._access.forget(project, environment, service, group, number)
            await self._journal.tell(
                "database.rotated",
                f"{_named(service, group)} takes the password alone that its consumers have now",
                self._clock.now(),
                project=project,
                environment=environment,
                data={"service": service, "group": group},
            )

    async def _close(self, project: str, environment: str, service: str, group: str, logins: Logins) -> None:
        """Let a database take no others than these passwords, before that is written down: nobody looks after it any more then."""
        live, workload = await live_workload(self._journal, project, environment, service)
        await self._setup.let_in(live, workload, group, logins)

    async def _next(self, project: str, environment: str) -> list[tuple[str, str, Logins]]:
        """Return service, group and what their logins are to be, where something changes."""
        live = await self._journal.live(project, environment)
        if live is None:
            return []
        found = []
        running = await self._running(live)
        # Between two attempts a run has no container, and the next one is started as the first one was.
        early = {run.job for run in await self._journal.open_runs() if _is_before(run, live)}
        retried = [job.workload for name, job in live.jobs.items() if name in early]
        for service, groups in (await self._access.unsettled(project, environment)).items():
            workload = live.workloads.get(service)
            for group in groups if workload is not None and workload.is_database else ():
                if group not in ("", *(workload.inside.groups if workload and workload.inside else ())):
                    continue
                logins = await self._access.logins(project, environment, service, group)
                passwords = await self._access.passwords(project, environment, service, group, logins)
                having = {number for number, text in passwords.items() if any(text in each for each in running)}
                in_live = await self._holds(live, _parts(live), passwords)
                if await self._holds(live, retried, passwords):
                    having = set(passwords)
                after = logins.after(in_live, having | in_live)
                if after.settled:
                    found.append((service, group, after))
        return found

    async def _running(self, live: Release) -> list[str]:
        """Return what everything in an environment that is no database was started with, and what a canary would be."""
        containers = await self._replicas.of_place(live.project, live.environment)
        canary = await self._journal.canary(live.project, live.environment)
        releases: dict[int, Release | None] = {live.number: live}
        texts = [await self._text(canary.release, each) for each in _parts(canary.release)] if canary else []
        for container in containers:
            number = int(container.labels.get(labels.RELEASE, "0"))
            if number not in releases:
                releases[number] = await self._journal.release(live.project, live.environment, number)
            release = releases[number]
            workload = _workload_of(release, container) if release else None
            if release is not None and workload is not None and not workload.is_database:
                texts.append(await self._text(release, workload))
        return texts

    async def _holds(self, release: Release, parts: Iterable[Workload], passwords: dict[int, str]) -> set[int]:
        texts = [await self._text(release, each) for each in parts]
        return {number for number, password in passwords.items() if any(password in text for text in texts)}

    async def _text(self, release: Release, workload: Workload) -> str:
        """Return all that a workload's containers are given, as one text."""
        env = await self._replicas.env(release, workload)
        files = self._replicas.files(release, workload)
        return "\n".join([*env.values(), *(content.decode(errors="replace") for _, content in files.values())])


def _groups(workload: Workload, group: str) -> tuple[str, ...]:
    """Return the groups whose password is meant, "" for the database's own user."""
    if not workload.is_database:
        raise Problem(
            "not-a-database",
            f"{workload.name} is a {workload.type}: Hostess makes passwords for postgres and redis alone",
            remedy="secrets of your own are changed with `hostess secrets edit`",
        )
    known = tuple(workload.inside.groups) if workload.inside else ()
    if group and group not in known:
        raise Problem(
            "group-not-found",
            f"{workload.name} has no scoped database {group}",
            remedy=f"its groups are {', '.join(known)}" if known else "leave --group out: it has one database",
        )
    return (group,) if group else ("", *known)


def _is_before(run: JobRun, live: Release) -> bool:
    """Whether a run of the environment began before its live release was made."""
    return (run.project, run.environment) == (live.project, live.environment) and run.started_at < live.created_at


def _parts(release: Release) -> list[Workload]:
    jobs = [job.workload for job in release.jobs.values()]
    return [each for each in (*release.workloads.values(), *jobs) if not each.is_database and each.static is None]


def _workload_of(release: Release, container: Container) -> Workload | None:
    name = container.labels.get(labels.SERVICE, "")
    return release.jobs[name].workload if name in release.jobs else release.workloads.get(name)


def _named(service: str, group: str) -> str:
    return f"{service} (group {group})" if group else service
