"""What the journal keeps of keys for git over SSH."""

from datetime import datetime
from typing import Protocol

from hostess.domain.ssh_keys import SshKey


class SshKeyRecords(Protocol):
    """The journal's part about keys."""

    async def add_ssh_key(self, key: SshKey) -> bool:
        """Store a key's row; False, and nothing is stored, when the same key is there already."""

    async def ssh_keys(self) -> list[SshKey]:
        """Return all keys, the oldest first."""

    async def remove_ssh_key(self, key: str) -> bool:
        """Delete a key by id; False when there is none."""

    async def used_ssh_key(self, key: str, now: datetime) -> None:
        """Note when a key was last used."""
