"""The files of static services, in our words."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """Bounds on one site."""

    files: int = 100_000
    bytes: int = 2 * 1024**3


class Sites(Protocol):
    """Folders of files that the proxy serves, by key; what is under a key never changes."""

    async def has(self, key: str) -> bool:
        """Whether there is a folder of that key, complete."""

    def put(self, key: str, archive: Iterable[bytes], below: str) -> bool:
        """Make the folder from the part of a tar stream that lies *below* ("." = all of it). Blocking: use a thread.

        Return whether it has an index.html. It is there as a whole or not at all; one that is there already stays as it is.
        Problem "site-empty", "site-too-large", "path-unsafe" (a path or symlink that leads out, or what is no file).
        """

    async def keys(self) -> set[str]:
        """Return the keys of all folders."""

    async def remove(self, key: str) -> int:
        """Remove a folder and return the bytes it took; an absent one is no error."""
