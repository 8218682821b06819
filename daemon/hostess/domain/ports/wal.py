"""The records of what is kept of the logs of databases."""

from typing import Protocol

from hostess.domain.backups.wal import Archive, Base, Kept, Segment


class WalRecords(Protocol):
    """What is kept, so that every moment of a database can be recovered."""

    async def kept(self, project: str, environment: str, service: str) -> Kept:
        """Return everything that is kept of a service, base backups and segments oldest first."""

    async def archives(self, project: str | None = None) -> list[Archive]:
        """Return how far each log is kept."""

    async def put_archive(self, archive: Archive) -> None:
        """Write down how far a log is kept."""

    async def put_segment(self, segment: Segment, archive: Archive) -> None:
        """Write a segment down that is kept, and how far that leads, in one."""

    async def forget_segments(self, segments: list[Segment]) -> None:
        """Forget segments."""

    async def put_base(self, base: Base) -> None:
        """Write a base backup down, or replace the one with its id."""

    async def forget_base(self, base: str) -> None:
        """Forget one."""

    async def bases(self) -> list[Base]:
        """Return the base backups of all services."""
