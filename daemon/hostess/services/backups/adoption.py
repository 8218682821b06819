"""Backups that lie at their place, and that this installation has not made: those of a host that is gone are taken over."""

import asyncio
import logging
from dataclasses import dataclass, replace

from hostess.domain.backups.backup import BUCKET, FOLDER, SUFFIX, Backup, adopted, manifest_from, partial_for
from hostess.domain.names import name_fault
from hostess.domain.ports import Artefacts, Clock, Journal
from hostess.domain.problem import Problem

MOST = 1000
"""Backups of one service that are looked at."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was found: backups taken over, and why others were not (file -> reason)."""

    backups: tuple[Backup, ...]
    refused: dict[str, str]


class Adoption:
    """Takes over what a manifest tells, once the artefact was read and is what the manifest says."""

    def __init__(self, journal: Journal, artefacts: Artefacts, clock: Clock) -> None:
        self._journal = journal
        self._artefacts = artefacts
        self._clock = clock

    async def adopt(self, project: str, environment: str, service: str) -> Adopted:
        """Take over the backups of a service that are not known here, oldest first. Problem "service-not-found"."""
        if name_fault(service):  # it becomes a folder's name
            raise Problem("service-not-found", f"{service[:40]!r} is no name of a service")
        known = {each.id for each in await self._journal.backups(project, environment, service)}
        taken: list[Backup] = []
        refused: dict[str, str] = {}
        listed = await asyncio.to_thread(self._artefacts.listed, f"{project}/{environment}/{service}")
        for path, missing in sorted(listed.items())[-MOST:]:
            file = path.rpartition("/")[2]
            if file.removeprefix(f"{service}-").removesuffix(SUFFIX) in known:
                continue
            try:
                taken.append(await self._taken((project, environment, service), path, missing))
            except Problem as problem:
                refused[file] = str(problem)
                log.warning("%s is not taken over: %s", path, problem)
        if taken:
            await self._journal.tell(
                "backup.adopted",
                f"{len(taken)} backups of {service} were read and taken over",
                self._clock.now(),
                project=project,
                environment=environment,
                data={"service": service, "backups": [each.id for each in taken]},
            )
        return Adopted(tuple(taken), refused)

    async def _taken(self, place: tuple[str, str, str], path: str, missing: str) -> Backup:
        file = path.rpartition("/")[2]
        backup = adopted(manifest_from(await asyncio.to_thread(self._artefacts.manifest, path), file))
        if (backup.project, backup.environment, backup.service) != place or backup.path != path:
            raise Problem("backup-damaged", f"its manifest is that of {backup.path}")
        if backup.id in {each.id for each in await self._journal.backups()}:
            raise Problem("backup-damaged", "its id is that of a backup of another service")
        found = await asyncio.to_thread(self._artefacts.checksum, path, missing)
        if found != backup.checksum:
            raise Problem("backup-damaged", f"its SHA-256 is {found}, and it was written with {backup.checksum}")
        if missing in {FOLDER, BUCKET}:
            backup = replace(partial_for(backup, missing, "it was found so"), missing=missing)
        await self._journal.put_backup(backup)
        return backup
