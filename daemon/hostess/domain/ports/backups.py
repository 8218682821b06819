"""What backups need from outside: commands whose output and input are streams, a place for artefacts, records.

`Shell` and `Artefacts` block: they are used on a thread of their own, so that a stream goes from a database to the disk, or back,
in pieces that nobody collects.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from hostess.domain.backups.backup import Backup, Restore, Written


class Shell(Protocol):
    """Runs commands in one container, one after the other."""

    def output(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        hear: Callable[[str], None] | None = None,
        user: str = "",
    ) -> Iterator[bytes]:
        """Yield what a command writes to its standard output; *hear* gets each line of its standard error.

        The stream ends well only if the command did: else, and when the connection breaks off, Problem "command-failed" is raised
        after the last piece. *stdin* is at most 100 KB. *user* ("uid:gid") runs it instead of the container's own.
        """

    def feed(
        self, command: Sequence[str], pieces: Iterable[bytes], size: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Let a command read *pieces*, which are *size* bytes together; Problem "command-failed" unless it ends well."""

    def archive(self, path: str) -> Iterator[bytes]:
        """Yield a tar of a directory, whose name its entries begin with; no program inside is needed. Problem "path-not-found"."""

    def unpack(self, path: str, pieces: Iterable[bytes]) -> None:
        """Unpack a tar below a directory that is there, with owners and rights. Problem "command-failed"."""


class Artefacts(Protocol):
    """Where artefacts are kept: in a folder, and perhaps in a bucket.

    Problem "backup-target-failed" when the folder is missing, full or broken, "backup-bucket-failed" when the bucket is. *missing*
    is the one of the two that is left out.
    """

    @property
    def twofold(self) -> bool:
        """Whether there is a bucket."""

    @property
    def encryption(self) -> str:
        """How artefacts are encrypted when they are written: "age", or "" for not at all."""

    def write(self, path: str, parts: Iterable[tuple[str, Iterator[bytes]]], missing: str = "") -> Written:
        """Write an artefact of these parts (name and content); whatever *parts* raises, nothing of it is kept then."""

    def copy(self, path: str, missing: str) -> None:
        """Put the artefact and its manifest into the place that has none, whole or not at all, and read it back there."""

    def checksum(self, path: str, missing: str = "") -> str:
        """Return the SHA-256 (hex) of what is really there, read back from the disk. Problem "backup-gone"."""

    def sound(self, path: str, checksum: str, missing: str = "") -> None:
        """See to it that what `parts` reads is what was written; one place that has it is enough, and mends the folder.

        Problem "backup-damaged" where no place has it, "backup-gone".
        """

    def pieces(self, path: str) -> Generator[bytes]:
        """Yield an artefact as it is. Problem "backup-gone"."""

    def parts(self, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the parts of an artefact; each must be read to its end before the next.

        Problem "backup-damaged", "backup-sealed" when it is encrypted, and cannot be decrypted here.
        """

    def put_manifest(self, path: str, text: str, missing: str = "") -> None:
        """Write what lies beside an artefact."""

    def listed(self, folder: str) -> Mapping[str, str]:
        """Return the artefacts in a folder that have a manifest: path -> the place that has none ("" when every place has it)."""

    def manifest(self, path: str) -> str:
        """Return what lies beside an artefact. Problem "backup-gone"."""

    def remove(self, path: str) -> None:
        """Remove an artefact, its manifest and whatever was left of writing it; absent ones are no error."""


class BackupRecords(Protocol):
    """The records of backups."""

    async def put_backup(self, backup: Backup) -> None:
        """Write a backup down, or replace the one with its id."""

    async def backups(
        self, project: str | None = None, environment: str | None = None, service: str | None = None
    ) -> list[Backup]:
        """Return backups, newest first."""

    async def forget_backup(self, backup: str) -> None:
        """Forget one."""

    async def put_restore(self, restore: Restore) -> None:
        """Write a restore down, or replace the one with its id."""

    async def restores(self, project: str | None = None) -> list[Restore]:
        """Return restores, newest first."""
