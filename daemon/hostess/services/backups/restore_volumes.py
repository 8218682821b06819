"""Restores of plain volumes: unpacked and counted beside the live files of the same volume, then renamed into their place."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from hostess.domain import labels
from hostess.domain.backups import files_backup, volumes_restore
from hostess.domain.backups.backup import Backup, Files, Manifest
from hostess.domain.ports import Artefacts, Container, ContainerSpec, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload
from hostess.services.backups.dumps import lines
from hostess.services.deploying.gate import Gate
from hostess.services.keeping.replicas import Replicas, grace_of

NO_NETWORK = "none"

Decided = Callable[[], Awaitable[None]]
Script = Callable[[Iterable[str]], tuple[str, ...]]


class VolumesRestore:
    """The service is stopped only while files are renamed.

    Which files it has then is what was written down when `swap` asked its caller to: until then `finish` takes everything back,
    afterwards it goes on.
    """

    def __init__(self, journal: Journal, engine: Engine, replicas: Replicas, gate: Gate, artefacts: Artefacts) -> None:
        self._journal = journal
        self._engine = engine
        self._replicas = replicas
        self._gate = gate
        self._artefacts = artefacts

    async def check(self, release: Release, workload: Workload, mark: str) -> None:
        """Problem "restore-by-hand" when the image has not the programs that it takes."""
        try:
            await self._run(release, workload, mark, volumes_restore.check)
        except Problem as problem:
            raise Problem(
                "restore-by-hand",
                f"the image of {workload.name} has not what it takes to move its files ({problem})",
                serving=f"{workload.name}, with what it has",
                remedy='docs/backups.md, "A service of your own", puts files back by hand',
            ) from problem

    async def load(self, release: Release, workload: Workload, mark: str, backup: Backup, manifest: Manifest) -> None:
        """Unpack a backup beside the live files and count what came of it. Problem "restore-check-failed" and more."""
        directories = _directories(workload)

        def work(shell: Shell) -> None:
            lines(shell, volumes_restore.prepare(directories))
            for part, pieces in self._artefacts.parts(backup.path):
                shell.unpack(volumes_restore.unpacked_below(files_backup.directory_of(part)), pieces)
            found = [_counted(shell, directory) for directory in directories]
            if wrong := files_backup.differences(manifest.files, found):
                raise Problem("restore-check-failed", f"what was unpacked is not what was kept: {wrong[0]}")

        await self._within(release, workload, mark, work)

    async def swap(self, release: Release, workload: Workload, mark: str, decided: Decided) -> None:
        """Stop the service, put what was loaded in place, start it, and wait until it is well. Problem "replica-unhealthy" and more.

        *decided* writes down that it is to be the new files.
        """
        await self._stop(release, workload)
        await self._run(release, workload, mark, volumes_restore.aside)
        await decided()
        await self._run(release, workload, mark, volumes_restore.put_in)
        for container in await self._start(release, workload):
            await self._gate.passed(workload, container)

    async def finish(self, release: Release, workload: Workload, mark: str, *, stopped: bool, decided: bool) -> None:
        """End what broke off: the files are those of the backup when that was *decided*, else those before. May be done again.

        *stopped*: it may have got as far as stopping the service; whatever has started it since found too little.
        """
        if stopped:
            await self._stop(release, workload)
        await self._run(release, workload, mark, volumes_restore.put_in if decided else volumes_restore.put_back)
        await self._start(release, workload)

    async def _stop(self, release: Release, workload: Workload) -> None:
        for container in await self._containers(release, workload):
            await self._replicas.stop(container.id, grace_of(workload))

    async def _start(self, release: Release, workload: Workload) -> list[Container]:
        for container in await self._containers(release, workload):
            await self._replicas.restart(container.id)
        return await self._containers(release, workload)

    async def _containers(self, release: Release, workload: Workload) -> list[Container]:
        """Return what runs of the service, or did until it was stopped."""
        wanted = (workload.name, workload.spec)
        return [
            each
            for each in await self._replicas.of_place(release.project, release.environment)
            if labels.is_replica(each.labels)
            and (each.labels.get(labels.SERVICE), each.labels.get(labels.SPEC)) == wanted
        ]

    async def _run(self, release: Release, workload: Workload, mark: str, script: Script) -> None:
        command = script(_directories(workload))
        await self._within(release, workload, mark, lambda shell: lines(shell, command))

    async def _within(self, release: Release, workload: Workload, mark: str, work: Callable[[Shell], object]) -> None:
        """Let *work* use a container of the service's image that has nothing but its volumes."""
        owned = labels.of_place(await self._journal.instance(), release.project, release.environment)
        spec = ContainerSpec(
            name=labels.container_name(
                await self._journal.instance(), release.project, release.environment, workload.name, mark
            ),
            image=workload.image,
            labels={**owned, labels.ROLE: labels.TASK_ROLE, labels.DEPLOYMENT: mark, labels.REPLICA: mark},
            network=NO_NETWORK,
            entrypoint=(),
            command=volumes_restore.WAIT,
            memory=volumes_restore.MEMORY,
            volumes=workload.volumes,
            user=files_backup.ROOT,
            stop_grace=timedelta(),
        )
        async with self._replicas.thrown_away(mark, spec) as container:
            await self._engine.within(container.id, mark, work)


def check_fits(workload: Workload, backup: Backup, manifest: Manifest) -> None:
    """Problem "restore-unfit" when a backup is not of the directories that the service keeps now."""
    if why := volumes_restore.unfit(manifest.files, workload.volumes):
        raise Problem(
            "restore-unfit",
            f"{backup.file} does not fit {workload.name}: {why}",
            serving=f"{workload.name}, with what it has",
            remedy='docs/backups.md, "A service of your own", puts files back by hand',
        )


def _directories(workload: Workload) -> tuple[str, ...]:
    return tuple(sorted(path.rstrip("/") for path in workload.volumes.values()))


def _counted(shell: Shell, directory: str) -> Files:
    walk = files_backup.Walk()
    for piece in shell.archive(volumes_restore.unpacked_at(directory)):
        walk.feed(piece)
    return Files(directory, walk.count, walk.size)
