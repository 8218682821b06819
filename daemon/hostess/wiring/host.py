"""The part of the composition root that is about the host as a whole: its backups, and bringing it back."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from hostess.adapters.backups.artefacts_both import artefacts_of
from hostess.adapters.backups.encryption_age import check_recipients
from hostess.adapters.host_files import DataFolder
from hostess.adapters.recovery_file import RecoveryFile
from hostess.domain.ports import Artefacts
from hostess.services.backups.empty_volumes import EmptyVolumes
from hostess.services.backups.host_backups import HostBackups
from hostess.services.backups.host_times import HostBackupTimes
from hostess.services.backups.services import BackupServices
from hostess.services.keeping.host_recovery import Hands, HostRecovery
from hostess.wiring.releases import Deploying, Ground, Running, Sources


@dataclass(frozen=True, slots=True)
class WholeHost:
    """What is done with the host as a whole."""

    backups: HostBackups
    times: HostBackupTimes
    recovery: HostRecovery

    async def stop(self) -> None:
        """End what is under way."""
        await self.times.stop()
        await self.backups.stop()


def whole_host_of(
    ground: Ground, sources: Sources, running: Running, deploying: Deploying, backups: BackupServices
) -> WholeHost:
    """Wire backups of the host, and its recovery."""
    settings, journal, engine, clock = ground.settings, ground.journal, ground.outside.engine, ground.outside.clock

    def sealed(recipients: Sequence[str]) -> Artefacts:
        check_recipients(recipients)
        return artefacts_of(settings.backups.model_copy(update={"encrypt_to": tuple(recipients)}))

    own = settings.host_backup
    taking = HostBackups(
        journal,
        backups.backups,
        DataFolder(settings.data_dir, *settings.as_text(os.environ)),
        sealed,
        clock,
        settings=own,
        recipients=own.encrypt_to or settings.backups.encrypt_to,
    )
    hands = Hands(
        rebuilding=sources.rebuilding,
        replicas=running.replicas,
        repairs=deploying.repairs,
        artefacts=backups.artefacts,
        backups=backups.backups,
        restores=backups.restores,
        volumes=EmptyVolumes(engine, backups.artefacts, journal),
        routing=running.routing,
        turns=deploying.turns,
    )
    recovery = HostRecovery(journal, RecoveryFile(settings.data_dir), hands, clock)
    return WholeHost(taking, HostBackupTimes(taking, own.schedule, clock), recovery)
