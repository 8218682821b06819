"""Containers of workloads: made with our labels and a fixed address, started, stopped, removed."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from hostess.domain import labels, oom
from hostess.domain.hostess_yml.stack import Hook
from hostess.domain.ports import Clock, Container, ContainerSpec, Engine, Journal, Vault
from hostess.domain.problem import Problem
from hostess.domain.records import Place
from hostess.domain.releases.fingerprint import seal_of
from hostess.domain.releases.plan import present_replicas
from hostess.domain.releases.release import Release, Workload
from hostess.domain.routing.inside import container_addresses
from hostess.services.building.lost_images import LostImages
from hostess.services.past_logs import PastLogs
from hostess.services.routing.inside_names import InsideNames

DEFAULT_GRACE = timedelta(seconds=10)


class Replicas:
    """Starts replicas and one-off tasks of a release in their environment's network.

    Every container gets a fixed address of ours: it is the same after a restart of the container, the engine or the host, and
    no other container gets it meanwhile. Addresses are handed out in turn, so that a freed one rests before it is used again.
    """

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        vault: Vault,
        clock: Clock,
        names: InsideNames,
        past_logs: PastLogs,
        images: LostImages,
    ) -> None:
        self._images = images
        self.past_logs = past_logs
        self._engine = engine
        self._journal = journal
        self._vault = vault
        self._clock = clock
        self._names = names
        self._addressing = asyncio.Lock()
        self._turn: dict[str, int] = {}
        self._held: set[str] = set()

    def hold(self, mark: str) -> None:
        """Keep what was started under *mark* (in place of a deployment's id) from being taken for leftovers."""
        self._held.add(mark)

    def release(self, mark: str) -> None:
        """Stop keeping them."""
        self._held.discard(mark)

    def holds(self, mark: str) -> bool:
        """Whether somebody in this process looks after what was started under *mark*."""
        return mark in self._held

    def looked_after(self, containers: Iterable[Container]) -> set[str]:
        """Return the ids of those of the containers that somebody in this process looks after."""
        return {each.id for each in containers if each.labels.get(labels.DEPLOYMENT) in self._held}

    @asynccontextmanager
    async def held(self, mark: str) -> AsyncIterator[None]:
        """Keep what is started under *mark* meanwhile."""
        self.hold(mark)
        try:
            yield
        finally:
            self.release(mark)

    @asynccontextmanager
    async def thrown_away(self, mark: str, spec: ContainerSpec) -> AsyncIterator[Container]:
        """Give a container that was made and started, held under *mark*; it is gone afterwards, whatever happens."""
        self.hold(mark)
        try:
            made = await self._engine.create(spec)
            try:
                yield await self._started(made, f"{spec.name} disappeared at its start")
            finally:
                await asyncio.shield(self._engine.remove(made))
        finally:
            self.release(mark)

    async def start(
        self, place: Place, release: Release, workload: Workload, replica: int, deployment: str
    ) -> Container:
        """Create and start one replica; Problem "container-start-failed" leaves nothing behind."""
        marks = {
            labels.ROLE: labels.REPLICA_ROLE,
            labels.REPLICA: str(replica),
            labels.SPEC: workload.spec,
            labels.DEPLOYMENT: deployment,
        }
        ending = f"{release.title}-{replica}-{self._clock.token(16)}"
        return await self._run(
            place,
            release,
            workload,
            marks,
            ending=ending,
            command=workload.command,
            is_task=False,
            env={},
            volumes=workload.volumes,
        )

    async def start_task(  # noqa: PLR0913 -- what a container of its own takes
        self,
        place: Place,
        release: Release,
        workload: Workload,
        hook: Hook,
        deployment: str,
        name: str,
        *,
        env: Mapping[str, str] | None = None,
        volumes: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Container:
        """Create and start a one-off container of the workload's image that runs *hook*'s command.

        *env* replaces values; *volumes* (name -> path) is what it sees of a service's store; *user* runs it instead of the image's own.
        """
        marks = {labels.ROLE: labels.TASK_ROLE, labels.DEPLOYMENT: deployment, labels.REPLICA: name}
        return await self._run(
            place,
            release,
            workload,
            marks,
            ending=f"{release.title}-{name}",
            command=hook.command,
            is_task=True,
            env=env or {},
            volumes=volumes or {},
            user=user,
        )

    async def env(self, release: Release, workload: Workload) -> dict[str, str]:
        """Return the opened environment of a workload."""
        sealed = self._vault.open(workload.sealed_env, seal_of(release.project, release.environment, workload.name))
        values: dict[str, str] = json.loads(sealed)
        if workload.ports and not workload.is_database:
            values.setdefault("PORT", str(workload.ports[0]))
        return values

    async def make_network(self, place: Place) -> None:
        """Make the environment's network if it is not there, apart from all others."""
        await self._names.keep_apart()
        owned = labels.of_place(await self._journal.instance(), place.project, place.environment)
        await self._engine.make_network(place.network, place.subnet, owned)

    async def networks(self) -> frozenset[str]:
        """Return the names of all networks of this installation."""
        return frozenset(await self._engine.networks(labels.of_instance(await self._journal.instance())))

    async def everywhere(self) -> dict[tuple[str, str], list[Container]]:
        """Return all containers of this installation by project and environment."""
        found: dict[tuple[str, str], list[Container]] = defaultdict(list)
        for container in await self._engine.containers(labels.of_instance(await self._journal.instance())):
            place = (container.labels.get(labels.PROJECT, ""), container.labels.get(labels.ENVIRONMENT, ""))
            found[place].append(container)
        return found

    async def of_place(self, project: str, environment: str) -> list[Container]:
        """Return all containers of an environment, tasks and stopped ones too."""
        return await self._engine.containers(labels.of_place(await self._journal.instance(), project, environment))

    async def running(self, release: Release, workload: Workload) -> Container | None:
        """Return a replica of a service that runs, one that is as *workload* has it before any other; None when there is none."""
        found = [
            container
            for container in present_replicas(await self.of_place(release.project, release.environment))
            if container.labels.get(labels.SERVICE) == workload.name and container.state == "running"
        ]
        return min(found, key=lambda container: container.labels.get(labels.SPEC) != workload.spec, default=None)

    async def keep(self, container: str) -> None:
        """Let the engine keep a replica running that has passed its gate; before that its end is to be seen, not mended."""
        await self._engine.keep_running(container)

    async def stop(self, container: str, grace: timedelta) -> None:
        """Send SIGTERM, after *grace* SIGKILL."""
        await self._engine.stop(container, grace)

    async def restart(self, container: str) -> None:
        """Start a container again that was stopped; one that is gone is no error."""
        if await self._engine.container(container) is not None:
            await self._engine.start(container)

    async def exists(self, container: str) -> bool:
        """Whether the engine still knows a container, running or not."""
        return await self._engine.container(container) is not None

    async def remove(self, container: str) -> None:
        """Remove a container, running or not; of a replica its last lines are kept."""
        known = await self._engine.container(container)
        if known is not None:
            await self.past_logs.keep(known)
        await self._engine.remove(container)

    async def _run(  # noqa: PLR0913 -- one flow told in order
        self,
        place: Place,
        release: Release,
        workload: Workload,
        marks: Mapping[str, str],
        *,
        ending: str,
        command: tuple[str, ...] | None,
        is_task: bool,
        env: Mapping[str, str],
        volumes: Mapping[str, str],
        user: str | None = None,
    ) -> Container:
        instance = await self._journal.instance()
        owned = labels.of_place(instance, release.project, release.environment)
        for volume in volumes:
            owner = labels.service_of_volume(volume) or workload.name  # a job may be the first to see it
            await self._engine.make_volume(volume, {**owned, labels.SERVICE: owner})
        values, image = {**await self.env(release, workload), **env}, await self._images.image(release, workload)
        async with self._addressing:
            spec = ContainerSpec(
                name=labels.container_name(instance, release.project, release.environment, workload.name, ending),
                image=image,
                labels={**owned, labels.SERVICE: workload.name, labels.RELEASE: str(release.number), **marks},
                network=place.network,
                env=values,
                command=command,
                entrypoint=workload.entrypoint,
                aliases=() if is_task else (workload.name,),
                address=await self._address(place),
                hosts=await self._names.of(release, "" if is_task else workload.name),
                cpu=workload.cpu,
                memory=workload.memory,
                volumes=volumes,
                owners={path: owner for path, owner in workload.owners.items() if path in volumes.values()},
                files=self.files(release, workload),
                stop_grace=grace_of(workload),
                user=user,
                oom_score=oom.score_of(workload, is_task=is_task),
            )
            container = await self._engine.create(spec)
        try:
            return await self._started(container, f"the new container of {workload.name} disappeared at its start")
        except BaseException:
            await asyncio.shield(self._engine.remove(container))
            raise

    async def _started(self, container: str, gone: str) -> Container:
        await self._engine.start(container)
        started = await self._engine.container(container)
        if started is None:
            raise Problem("container-start-failed", gone)
        return started

    def files(self, release: Release, workload: Workload) -> dict[str, tuple[int, bytes]]:
        """Return the files that are put into a workload's containers: path -> mode and content."""
        if not workload.sealed_files:
            return {}
        sealed = self._vault.open(workload.sealed_files, seal_of(release.project, release.environment, workload.name))
        found: dict[str, tuple[int, str]] = json.loads(sealed)
        return {path: (mode, base64.b64decode(content)) for path, (mode, content) in found.items()}

    async def _address(self, place: Place) -> str:
        used = {container.address for container in await self.of_place(place.project, place.environment)}
        pool = container_addresses(place.subnet)
        turn = self._turn.get(place.subnet, 0)
        for step in range(len(pool)):
            at = (turn + step) % len(pool)
            if pool[at] not in used:
                self._turn[place.subnet] = at + 1
                return pool[at]
        raise Problem(
            "addresses-exhausted", f"all {len(pool)} addresses of {place.subnet} are in use by {place.environment}"
        )


def grace_of(workload: Workload) -> timedelta:
    """Return how long a container of *workload* may take to stop."""
    return workload.shutdown.timeout if workload.shutdown else DEFAULT_GRACE
