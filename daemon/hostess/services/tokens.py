"""Tokens: who may come in, and what a role may do where. Only the SHA-256 of a token is kept."""

import asyncio
import base64
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Literal

from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import Token
from hostess.domain.ssh_keys import SshKey

PREFIX = "hst_"
_BITS = 256
_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)
_USED_EVERY = timedelta(minutes=1)
_LONGEST_NAME = 100

Action = Literal["read", "logs", "deploy", "secrets", "create-project", "admin"]


class Role(StrEnum):
    """What a token is for."""

    OWNER = "owner"
    DEVELOPER = "developer"
    VIEWER = "viewer"


MAY: Mapping[str, frozenset[Action]] = {
    Role.OWNER: frozenset({"read", "logs", "deploy", "secrets", "create-project", "admin"}),
    Role.DEVELOPER: frozenset({"read", "logs", "deploy", "secrets", "create-project"}),
    Role.VIEWER: frozenset({"read", "logs"}),
}
"""Role -> what it may do; a role that is no key may do nothing."""


def allowed(token: Token | SshKey, action: Action, project: str | None = None) -> bool:
    """Whether the token or key may do this to *project*; without one, to the host as a whole, which no token of single projects may."""
    return action in MAY.get(token.role, frozenset()) and (not token.projects or project in token.projects)


def passes(tokens: Iterable[Token], project: str, now: datetime) -> tuple[str, ...]:
    """Return the digests of the tokens that may see *project* now: whom its services let pass that ask for sign-in."""
    return tuple(token.digest for token in tokens if allowed(token, "read", project) and not _expired(token, now))


class Tokens:
    """Makes, knows and revokes tokens."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def create(
        self, name: str, role: str, projects: Sequence[str] = (), lifetime: timedelta | None = None
    ) -> tuple[Token, str]:
        """Return a new token's row, and the token itself: this is the only time that it can be seen.

        No *projects* means all. Problem "token-invalid" for an unknown role, an empty or unprintable name, no lifetime.
        """
        text = self._new()
        return await self._add(text, name, role, projects, lifetime), text

    async def authenticate(self, token: str) -> Token | None:
        """Return the row of a token that is known and has not expired, and note that it was used."""
        if not _SHAPE.fullmatch(token):
            return None
        now = self._clock.now()
        found = await self._journal.token(_digest(token))
        if found is None or _expired(found, now):
            return None
        if found.used_at is None or now - found.used_at >= _USED_EVERY:
            with suppress(Problem):  # a full disk, where somebody has to come in who makes room
                await self._journal.used_token(found.id, now)
        return found

    async def list(self) -> list[Token]:
        """Return all tokens' rows, expired ones too, the oldest first."""
        return await self._journal.tokens()

    async def revoke(self, token: str) -> None:
        """Make a token worthless at once, by its id; Problem "token-not-found"."""
        if not await self._journal.revoke_token(token):
            raise Problem(
                "token-not-found",
                f'there is no token with the id "{token}"',
                remedy="`hostess tokens list` shows the ids",
            )

    async def ensure_owner(self, path: Path) -> bool:
        """See to it that a first token exists: write one to *path* (mode 0600) when there is none at all; return whether it did.

        The file is written before the token counts, so that a crash in between loses no one's way in: a token that is found in
        the file then is taken. Where tokens exist, the file may be gone and is not looked at.
        """
        if await self._journal.tokens():
            return False
        text = await asyncio.to_thread(_written_token, path) or self._new()
        await asyncio.to_thread(_write_private, path, text + "\n")
        await self._add(text, "owner", Role.OWNER, (), None)
        return True

    def _new(self) -> str:
        chance = bytes.fromhex(self._clock.token(_BITS))
        return PREFIX + base64.urlsafe_b64encode(chance).decode().rstrip("=")

    async def _add(self, text: str, name: str, role: str, projects: Sequence[str], lifetime: timedelta | None) -> Token:
        if role not in MAY:
            raise Problem("token-invalid", f'there is no role "{role}"', remedy=f"use one of {', '.join(MAY)}")
        if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise Problem("token-invalid", "a token needs a name that people can read, of at most 100 characters")
        if lifetime is not None and lifetime <= timedelta(0):
            raise Problem("token-invalid", "a token that has expired before it is made is of no use")
        now = self._clock.now()
        expires_at = None if lifetime is None else now + lifetime
        row = Token(self._clock.token(48), name, _digest(text), str(role), tuple(projects), now, expires_at)
        await self._journal.add_token(row)
        return row


def _expired(token: Token, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


def _digest(token: str) -> str:
    """Return what is kept of a token. No salt and no slow hash: it is 256 bits of chance, not a password."""
    return sha256(token.encode()).hexdigest()


def _written_token(path: Path) -> str | None:
    """Return the token in a file that only its owner could write, if it holds one."""
    try:
        with path.open(encoding="ascii") as file:
            private = not os.fstat(file.fileno()).st_mode & 0o077
            text = file.read(_LONGEST_NAME).strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if private and _SHAPE.fullmatch(text) else None


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 -- a descriptor, not a path
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            fresh.unlink()
        raise
