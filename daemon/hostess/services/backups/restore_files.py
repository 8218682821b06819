"""Restores of services that are no databases: their files are put where their own command takes them from."""

from hostess.domain.backups import files_backup
from hostess.domain.backups.backup import Backup, Manifest
from hostess.domain.ports import Artefacts, Engine, Shell
from hostess.domain.problem import Problem
from hostess.domain.releases.release import Workload
from hostess.services.backups.backups import Target
from hostess.services.backups.dumps import lines
from hostess.services.backups.loads import unpack_files


class FilesRestore:
    """Lets a service take a backup back. What its command does is its own matter: nobody else can tell how far it came."""

    def __init__(self, engine: Engine, artefacts: Artefacts) -> None:
        self._engine = engine
        self._artefacts = artefacts

    async def put_back(self, target: Target, mark: str, backup: Backup) -> None:
        """Unpack a backup below /backup and run `restore_command`; Problem "command-failed" and more."""
        command = command_of(target.workload)

        def work(shell: Shell) -> None:
            try:
                unpack_files(shell, self._artefacts, backup.path)
                for _ in shell.output(command):
                    pass
            finally:
                lines(shell, files_backup.EMPTY, user=files_backup.ROOT)

        await self._engine.within(target.container.id, mark, work)

    async def end(self, target: Target, mark: str) -> None:
        """End what a killed daemon has left running."""
        await self._engine.end_commands(target.container.id, mark)


def check_takes(workload: Workload, backup: Backup) -> None:
    """Problem "restore-by-hand" when the service cannot take a backup back that its command has made."""
    if not command_of(workload):
        raise Problem(
            "restore-by-hand",
            f"{workload.name} has no restore_command, so nothing can put it back by itself",
            serving=f"{workload.name}, with what it has",
            remedy=f'`hostess backups download {workload.name}/{backup.id}`, then docs/backups.md, "A service of your own"',
        )


def of_command(manifest: Manifest) -> bool:
    """Whether a backup is what a service's command has made, and not its volumes as they are."""
    return any(each.directory == files_backup.DIRECTORY for each in manifest.files)


def command_of(workload: Workload) -> tuple[str, ...]:
    """Return what takes a backup back."""
    return workload.backups.restore_command if workload.backups else ()
