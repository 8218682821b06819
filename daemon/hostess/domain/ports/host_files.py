"""What a backup of the whole host reads from the disk."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from hostess.domain.host_bundle import Recovery


class HostFiles(Protocol):
    """The daemon's own files. All of it blocks."""

    def frozen(self) -> AbstractContextManager[None]:
        """Hold a copy of the journal as it is now, and room beside it; both are gone afterwards."""

    def parts(
        self, commits: Mapping[str, Collection[str]], sites: Collection[str]
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield name and content of everything but artefacts: the frozen journal first, repositories with *commits* kept, *sites* by key.

        Each must be read to its end before the next.
        """


class RecoveryRecord(Protocol):
    """How far bringing a host back has come."""

    def read(self) -> Recovery | None:
        """Return it; None when nothing is being brought back."""

    def write(self, recovery: Recovery) -> None:
        """Write it down, whole or not at all."""

    def end(self) -> None:
        """All is done: nothing is left to be brought back."""
