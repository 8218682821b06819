"""Keys for git over SSH: who may come in with one. Roles and projects mean what they mean for tokens."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from hostess.domain.ports import Clock
from hostess.domain.ports.ssh_keys import SshKeyRecords
from hostess.domain.problem import Problem
from hostess.domain.ssh_keys import SshKey, parse_public_key
from hostess.services.tokens import MAY

_USED_EVERY = timedelta(minutes=1)
_LONGEST_NAME = 100


class SshKeys:
    """Takes, knows and removes keys."""

    def __init__(self, records: SshKeyRecords, clock: Clock) -> None:
        self._records = records
        self._clock = clock

    async def add(self, name: str, line: str, role: str, projects: Sequence[str] = ()) -> SshKey:
        """Take the key in a line of a `.pub` file and return its row; no *projects* means all.

        Problem "key-invalid" for a line that is no such key, an unknown role or a name that nobody can read; "key-exists" for a key
        that is known.
        """
        public = parse_public_key(line)
        if role not in MAY:
            raise Problem("key-invalid", f'there is no role "{role}"', remedy=f"use one of {', '.join(MAY)}")
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise Problem("key-invalid", "a key needs a name that people can read, of at most 100 characters")
        row = SshKey(
            self._clock.token(48),
            name,
            public.kind,
            public.blob,
            public.fingerprint,
            str(role),
            tuple(projects),
            self._clock.now(),
        )
        if not await self._records.add_ssh_key(row):
            known = await self.known(public.kind, public.blob)
            raise Problem(
                "key-exists",
                f"this key is there already: {known.name} ({known.id})" if known else "this key is there already",
                serving="it is what it was",
                remedy="to change its role or projects, remove it first: `hostess keys remove ID`",
            )
        return row

    async def known(self, kind: str, blob: str) -> SshKey | None:
        """Return the row of a key that somebody shows."""
        return next((key for key in await self.list() if (key.kind, key.blob) == (kind, blob)), None)

    async def use(self, key: str) -> SshKey | None:
        """Return the row of a key by its id, and note that it was used; None for one that is gone."""
        found = next((each for each in await self.list() if each.id == key), None)
        now = self._clock.now()
        if found is not None and (found.used_at is None or now - found.used_at >= _USED_EVERY):
            with suppress(Problem):  # a full disk
                await self._records.used_ssh_key(found.id, now)
        return found

    async def list(self) -> list[SshKey]:
        """Return all keys, the oldest first."""
        return await self._records.ssh_keys()

    async def remove(self, key: str) -> None:
        """Let nobody come in with a key any more, by its id; Problem "key-not-found"."""
        if not await self._records.remove_ssh_key(key):
            raise Problem(
                "key-not-found", f'there is no key with the id "{key}"', remedy="`hostess keys list` shows the ids"
            )
