"""A release that was live on a host that is gone -> the same release with images of this one: built from its commit, or pulled."""

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from hostess.domain.hostess_yml.file import parse, stack_for
from hostess.domain.ports import Clock, Journal, Vault
from hostess.domain.releases.fingerprint import fingerprint, seal_of
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Kind, Release, ReleaseJob, State, Workload
from hostess.services.building.builder import Builder, Source
from hostess.services.databases.workloads import DatabaseWorkloads
from hostess.services.deploying.preparation import FILE, buildable
from hostess.services.environment_values import EnvironmentValues


class Rebuilding:
    """Environment, files, secrets, hosts and number stay as they were; nothing is resolved anew."""

    def __init__(
        self,
        journal: Journal,
        builder: Builder,
        databases: DatabaseWorkloads,
        values: EnvironmentValues,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._builder = builder
        self._databases = databases
        self._values = values
        self._vault = vault
        self._clock = clock

    async def rebuilt(self, live: Release, say: Say) -> Release:
        """Return the release with images that are on this host; Problems of `Builder.images`.

        Jobs that ran once and for all are not to run again because their image has another id: that is written down.
        """
        images = await self.images(live, {*live.workloads, *live.jobs}, say)
        workloads = {name: self._with(live, workload, images) for name, workload in live.workloads.items()}
        jobs = {name: await self._job(live, job, images) for name, job in live.jobs.items()}
        for name, job in jobs.items():
            await self._done_before(live, live.jobs[name], job)
        return replace(live, workloads=workloads, jobs=jobs)

    async def images(self, release: Release, names: Collection[str], say: Say) -> dict[str, str]:
        """Return service or job -> image on this host, of those of a release that have one; Problems of `Builder.images`."""
        stack = stack_for(parse(release.file, FILE), release.environment)
        stack, _ = await self._databases.as_kept(self._as_deployment(release), stack)
        wanted = {name: part for name, part in buildable(stack).items() if name in names}
        handed = await self._values.build_secrets(release.project, release.environment, stack, release.file, FILE)
        source = Source(release.project, release.commit, environment=release.environment, secrets=handed)
        return await self._builder.images(source, wanted, say)

    def _with(self, live: Release, workload: Workload, images: Mapping[str, str]) -> Workload:
        moved = replace(workload, image=images.get(workload.name, workload.image))
        return moved if moved == workload else self._known(live, moved, self._env(live, workload))

    async def _job(self, live: Release, job: ReleaseJob, images: Mapping[str, str]) -> ReleaseJob:
        moved = replace(job.workload, image=images.get(job.name, job.workload.image))
        if moved == job.workload:
            return job
        env = await self._values.unrotated(self._as_deployment(live), self._env(live, moved))
        return replace(job, workload=self._known(live, moved, env))

    def _env(self, live: Release, workload: Workload) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._vault.open(workload.sealed_env, _bound_to(live, workload)))
        return found

    def _known(self, live: Release, workload: Workload, env: Mapping[str, str]) -> Workload:
        """Return a workload with the digest that it is to be known by, as a push of the same commit makes it."""
        sealed = workload.sealed_files
        files = json.loads(self._vault.open(sealed, _bound_to(live, workload))) if sealed else {}
        return replace(workload, spec=self._vault.digest(fingerprint(workload, env, files)))

    async def _done_before(self, live: Release, before: ReleaseJob, after: ReleaseJob) -> None:
        old, new = before.workload.spec, after.workload.spec
        if old == new or not await self._journal.done_once(live.project, live.environment, after.name, old):
            return
        for run in await self._journal.runs(live.project, live.environment, after.name, limit=500):
            if run.spec == old and run.outcome == "done":
                await self._journal.put_run(replace(run, spec=new))
                return

    def _as_deployment(self, live: Release) -> Deployment:
        return Deployment(
            id="",
            project=live.project,
            environment=live.environment,
            kind=Kind.RESTART,
            state=State.QUEUED,
            commit=live.commit,
            ref="",
            previous="",
            actor="",
            created_at=self._clock.now(),
        )


def _bound_to(live: Release, workload: Workload) -> str:
    return seal_of(live.project, live.environment, workload.name)
