"""Major upgrades of PostgreSQL: dumped, restored into a new volume beside, checked, and handed over by a deployment like any other.

Nothing of the old volume is changed but a setting that keeps writes away while it is copied; it is taken back when the upgrade fails,
whatever killed it. What is under way is written down first.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.backups import postgres_restore
from hostess.domain.backups.backup import GOOD, SAFETY, Backup
from hostess.domain.databases import postgres
from hostess.domain.databases import versions as database_versions
from hostess.domain.databases.versions import Data
from hostess.domain.hostess_yml.stack import Hook, ServiceType
from hostess.domain.ports import Artefacts, Clock, Container, Engine, Journal, Meter, Shell, Vault
from hostess.domain.problem import Problem
from hostess.domain.releases.fingerprint import fingerprint
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Deployment, Kind, Release, Workload
from hostess.services.backups.backups import Backups, Target
from hostess.services.backups.dumps import lines
from hostess.services.backups.loads import load_postgres
from hostess.services.backups.restores import read_manifest
from hostess.services.building.registries import Registries
from hostess.services.databases.access import DatabaseAccess
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.databases.starting import server_started
from hostess.services.databases.upgrade_notes import UpgradeNote, UpgradeNotes
from hostess.services.deploying.deployments import Deployments, Enter, Request
from hostess.services.deploying.preparation import Preparation
from hostess.services.keeping.replicas import Replicas
from hostess.services.live import place_of
from hostess.services.under_way import UnderWay

LIMIT = timedelta(seconds=60)
STOP_WITHIN = timedelta(minutes=5)
WITHIN = timedelta(minutes=5)
"""What a server may take to keep writes away, and another one to start."""
PAUSE = 0.25
AGAIN = 2.0

log = logging.getLogger(__name__)


class Upgrades:
    """Brings databases to a later major. While one is copied it is read as before, and takes no writes."""

    def __init__(  # noqa: PLR0913, PLR0917 -- the composition root names what it needs, once
        self,
        journal: Journal,
        engine: Engine,
        registries: Registries,
        replicas: Replicas,
        backups: Backups,
        artefacts: Artefacts,
        deployments: Deployments,
        preparation: Preparation,
        access: DatabaseAccess,
        setup: DatabaseSetup,
        vault: Vault,
        meter: Meter,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._registries = registries
        self._replicas = replicas
        self._backups = backups
        self._artefacts = artefacts
        self._deployments = deployments
        self._preparation = preparation
        self._access = access
        self._setup = setup
        self._vault = vault
        self._meter = meter
        self._clock = clock
        self._notes = UpgradeNotes(journal)
        self._recovering: UnderWay[None] = UnderWay("tidying up after an upgrade")

    async def begin(self, project: str, environment: str, service: str, version: str, actor: str) -> str:
        """Begin to upgrade a database; return the deployment's id. Problem "not-upgradable" and more."""
        target = await self._backups.target(project, environment, service)
        if target.workload.type is not ServiceType.POSTGRES:
            raise Problem(
                "not-upgradable",
                f"{service} is a {target.workload.type}: only data of postgres has to be brought to another major",
                remedy="write special.version in hostess.yml and push",
            )

        async def prepare(deployment: Deployment, _live: Release | None, say: Say, enter: Enter) -> Release:
            await enter("upgrade")
            return await self._prepared(deployment, service, version, say)

        return await self._deployments.begin(
            Request(
                project,
                environment,
                Kind.UPGRADE,
                actor,
                prepare,
                commit=target.release.commit,
                settle=self._ended,
                discard=self._ended,
            )
        )

    async def recover(self) -> None:
        """After a restart: finish what was under way, once the deployment that it was a part of is finished."""
        for note in await self._notes.all():
            self._recovering.begin(note.deployment, self._recovered(note))

    async def stop(self) -> None:
        """End what looks after upgrades that a killed daemon left."""
        await self._recovering.stop()

    async def drop_old(self, project: str, environment: str, service: str) -> list[str]:
        """Remove the volumes that upgrades of a database have left; return their names."""
        target = await self._backups.target(project, environment, service)
        owned = labels.of_place(await self._journal.instance(), project, environment)
        await self._let_end(target, owned)
        kept = {*target.workload.volumes, *(note.volume for note in await self._notes.all())}
        old = [
            volume
            for volume in await self._engine.volumes(owned)
            if labels.service_of_volume(volume) == service and volume not in kept
        ]
        for volume in old:
            await self._engine.remove_volume(volume)
        return sorted(old)

    async def _let_end(self, target: Target, owned: Mapping[str, str]) -> None:
        """Return once the containers before are gone that had the data: they are removed after the new one is live, which ends the upgrade.

        What is still there after a while keeps its volume, and the engine says so.
        """
        mine = {**owned, labels.SERVICE: target.workload.name}
        with suppress(TimeoutError):
            async with asyncio.timeout(LIMIT.total_seconds()):
                while any(
                    labels.is_replica(each.labels) and each.id != target.container.id
                    for each in await self._engine.containers(mine)
                ):
                    await self._clock.sleep(PAUSE)

    # ---- one upgrade -------------------------------------------------------------------------------------------------

    async def _prepared(self, deployment: Deployment, service: str, version: str, say: Say) -> Release:
        """Return the release whose database has its data in a new volume, of a later major."""
        target = await self._backups.target(deployment.project, deployment.environment, service)
        database_versions.check_later(
            service, await self._major(target.container), version, int(database_versions.major(version))
        )
        reference = f"postgres:{version}"
        image = await self._registries.image(reference, say)
        instance = await self._journal.instance()
        place = (deployment.project, deployment.environment, service)
        volume = labels.volume_name(instance, *place, f"data-{deployment.id}")
        [path] = target.workload.volumes.values()
        new = replace(target.workload, image=image.id, version=version, volumes={volume: path})
        size = int(await self._ask(target.container, database_versions.SIZE))
        root = (await self._engine.facts()).root
        database_versions.check_room(service, size, self._meter.free_disk(root))
        await self._notes.put(UpgradeNote(deployment.id, *place, volume))
        say(f"-----> upgrading {service} to PostgreSQL {version}")
        say(f"       from now on {service} is read as before, and takes no writes")
        await self._fence(target)
        backup = await self._safe(target, say)
        await self._fill(deployment, target, new, backup, say)
        env = await self._replicas.env(target.release, target.workload)
        spec = self._vault.digest(fingerprint(new, env, {}))
        workloads = {**target.release.workloads, service: replace(new, spec=spec)}
        [old] = target.workload.volumes
        say(
            f"       its data before is kept in volume {old}: `hostess services upgrade {service} --drop-old` deletes it"
        )
        return await self._preparation.renumbered(replace(target.release, workloads=workloads))

    async def _fence(self, target: Target) -> None:
        """Keep writes away, and end the sessions that may still be writing."""
        await self._ask(target.container, database_versions.FENCE)
        try:
            async with asyncio.timeout(WITHIN.total_seconds()):
                while await self._ask(target.container, database_versions.FENCED) != "on":
                    await self._clock.sleep(PAUSE)
        except TimeoutError as error:
            raise Problem("upgrade-failed", f"{target.workload.name} did not stop taking writes") from error
        await self._ask(target.container, database_versions.END_SESSIONS)

    async def _safe(self, target: Target, say: Say) -> Backup:
        say("       dumping it, as a backup that is kept")
        release = target.release
        begun = await self._backups.begin(release.project, release.environment, target.workload.name, SAFETY)
        taken = await self._backups.ended(begun)
        if taken.state not in GOOD:
            raise Problem("upgrade-failed", f"the dump failed: {taken.problem}")
        return taken

    async def _fill(self, deployment: Deployment, target: Target, new: Workload, backup: Backup, say: Say) -> None:
        """Restore a backup into the new volume, check it there, and leave it as a server leaves it that was stopped."""
        before = await self._major(target.container)
        # The password that it was made with may have been rotated since; all other roles come with the dump.
        logins = await self._setup.rotated_logins(target.release, target.workload)
        manifest = await read_manifest(self._artefacts, backup)
        place = await place_of(self._journal, deployment.project, deployment.environment)
        mark, hook = f"upgrade-{deployment.id}", Hook(command=new.command or ())

        def work(shell: Shell) -> None:
            databases = load_postgres(shell, self._artefacts, backup.path, manifest, fresh=True)
            live = lines(shell, postgres_restore.LIST)
            lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.swap(databases, live))
            spare = postgres_restore.leftovers(lines(shell, postgres_restore.LIST), postgres_restore.OLD)
            lines(shell, postgres_restore.ADMIN, stdin=postgres_restore.drop(spare, ()) + logins)

        self._replicas.hold(mark)
        try:
            say("       restoring it into a new volume, and counting its rows")
            container = await self._replicas.start_task(
                place, target.release, new, hook, mark, mark, volumes=new.volumes
            )
            try:
                await server_started(self._engine, self._clock, container, new, WITHIN, "upgrade-failed")
                database_versions.check_later(new.name, before, new.version, await self._major(container))
                await self._engine.within(container.id, mark, work)
                await self._engine.stop(container.id, STOP_WITHIN)
            finally:
                await asyncio.shield(self._replicas.remove(container.id))
        finally:
            self._replicas.release(mark)

    async def _major(self, container: Container) -> int:
        return int(await self._ask(container, database_versions.NUMBER)) // 10_000

    async def _ask(self, container: Container, script: str) -> str:
        code, said = await self._engine.execute(container.id, postgres.PSQL, LIMIT, script)
        if code != 0:
            raise Problem("upgrade-failed", f"the server said {said.strip()[-200:] or f'exit code {code}'}")
        return said.strip()

    # ---- its end, whatever it is -------------------------------------------------------------------------------------

    async def _ended(self, deployment: Deployment) -> None:
        for note in await self._notes.all():
            if note.deployment != deployment.id:
                continue
            try:
                await self._finish(note)
            except Problem as problem:
                log.warning("the upgrade of %s is not tidied up yet: %s; this is tried again", note.service, problem)
                self._recovering.begin(note.deployment, self._recovered(note))

    async def _finish(self, note: UpgradeNote) -> None:
        """Let what is live be written to; remove the new volume when it is not what is live. May be done again at any time."""
        live = await self._journal.live(note.project, note.environment)
        workload = live.workloads.get(note.service) if live else None
        if workload is not None and note.volume in workload.volumes:
            await self._access.keep_data(
                note.project, note.environment, note.service, Data(workload.version, note.volume)
            )
        else:
            if (
                workload is not None and workload.type is ServiceType.POSTGRES
            ):  # the name may be another service's by now
                target = await self._backups.target(note.project, note.environment, note.service)
                await self._ask(target.container, database_versions.UNFENCE)
            await self._engine.remove_volume(note.volume)
        await self._notes.drop(note)

    async def _recovered(self, note: UpgradeNote) -> None:
        while True:
            try:
                deployment = await self._journal.deployment(note.deployment)
                if deployment is None or deployment.finished_at is not None:
                    await self._finish(note)
                    return
            except Problem as problem:
                log.info("the upgrade of %s is not tidied up yet: %s", note.service, problem)
            await self._clock.sleep(AGAIN)
