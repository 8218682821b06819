"""Volumes that were backed up as they are, put back before the service that owns them has ever started."""

from posixpath import dirname

from hostess.domain import labels
from hostess.domain.backups import files_backup
from hostess.domain.backups.backup import Backup
from hostess.domain.ports import Artefacts, ContainerSpec, Engine, Journal, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Release, Workload

NETWORK = "none"


class EmptyVolumes:
    """Unpacks through a container that is made and never started: nothing of the service sees half of its files."""

    def __init__(self, engine: Engine, artefacts: Artefacts, journal: Journal) -> None:
        self._engine = engine
        self._artefacts = artefacts
        self._journal = journal

    async def put_back(self, release: Release, workload: Workload, backup: Backup) -> None:
        """Make the volumes of a service and unpack a backup into them. Problem "restore-check-failed" for one of something else."""
        instance, mark = await self._journal.instance(), f"recovery-{backup.id}"
        owned = labels.of_place(instance, release.project, release.environment)
        for volume in workload.volumes:
            await self._engine.make_volume(volume, {**owned, labels.SERVICE: workload.name})
        container = await self._engine.create(
            ContainerSpec(
                name=labels.container_name(instance, release.project, release.environment, workload.name, mark),
                image=workload.image,
                labels={**owned, labels.ROLE: labels.TASK_ROLE, labels.DEPLOYMENT: mark, labels.REPLICA: mark},
                network=NETWORK,
                command=workload.command or ("true",),
                volumes=workload.volumes,
            )
        )
        try:
            await self._engine.within(container, mark, lambda shell: self._unpacked(shell, workload, backup))
        finally:
            await self._engine.remove(container)

    def _unpacked(self, shell: Shell, workload: Workload, backup: Backup) -> None:
        left = set(workload.volumes.values())
        for part, pieces in self._artefacts.parts(backup.path):
            directory = files_backup.directory_of(part)
            if directory in left:
                shell.unpack(dirname(directory) or "/", pieces)
                left.remove(directory)
            else:
                for _ in pieces:
                    pass
        if left:
            raise Problem("restore-check-failed", f"{backup.file} has nothing of {min(left)}")
