"""What a push would change, told without changing anything (`git push -o dry-run`)."""

from collections.abc import Collection, Mapping

from hostess.domain.hostess_yml.stack import Job, Service, Stack
from hostess.domain.ports import Clock, Journal
from hostess.domain.releases.counts import with_counts_of
from hostess.domain.releases.difference import Change, Facts, changes
from hostess.domain.releases.plan import plan
from hostess.domain.releases.release import Deployment, Kind, Release, State
from hostess.services.deploying.preparation import Preparation
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import leaving


class Preview:
    """Makes the same draft and the same plan as a deployment would, and stops there."""

    def __init__(self, journal: Journal, preparation: Preparation, replicas: Replicas, clock: Clock) -> None:
        self._journal = journal
        self._preparation = preparation
        self._replicas = replicas
        self._clock = clock

    async def changes(self, project: str, environment: str, commit: str, stack: Stack, text: str) -> tuple[Change, ...]:
        """Return what would be done. A service whose image is not built yet counts as changed."""
        deployment = Deployment(
            id="dry-run",
            project=project,
            environment=environment,
            kind=Kind.PUSH,
            state=State.QUEUED,
            commit=commit,
            ref="",
            previous="",
            actor="",
            created_at=self._clock.now(),
        )
        draft = await self._preparation.draft(deployment, stack, text)
        wanted, unbuilt = await self._preparation.unbuilt(deployment, draft)
        live = await self._journal.live(project, environment)
        wanted = with_counts_of(wanted, live)
        containers = await self._replicas.of_place(project, environment)
        todo = plan(live, wanted, containers, await leaving(self._journal))
        parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
        made = {part.name for part in parts if _is_made(part)}
        return changes(live, wanted, todo, await self._facts(live, wanted, frozenset(unbuilt), made))

    async def _facts(
        self, live: Release | None, wanted: Release, unbuilt: frozenset[str], made: Collection[str]
    ) -> Facts:
        done = [
            job.name
            for job in wanted.jobs.values()
            if await self._journal.done_once(wanted.project, wanted.environment, job.name, job.workload.spec)
        ]
        files_before, files_after = self._files(live), self._files(wanted)
        return Facts(
            unbuilt=unbuilt.intersection(made),
            pulled=unbuilt.difference(made),
            done=frozenset(done) - unbuilt,
            env_before=await self._env(live),
            env_after=await self._env(wanted),
            files_changed=frozenset(name for name in files_after if files_before.get(name) != files_after[name]),
        )

    async def _env(self, release: Release | None) -> dict[str, Mapping[str, str]]:
        return {n: await self._replicas.env(release, w) for n, w in release.workloads.items()} if release else {}

    def _files(self, release: Release | None) -> dict[str, Mapping[str, tuple[int, bytes]]]:
        return {n: self._replicas.files(release, w) for n, w in release.workloads.items()} if release else {}


def _is_made(part: Service | Job) -> bool:
    """Whether its image is built here."""
    return part.build is not None or (isinstance(part, Service) and part.source is not None)
