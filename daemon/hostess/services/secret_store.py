"""Secrets of a project's environment: what users set, and the credentials that Hostess makes for its databases."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from hostess.domain.names import check_secret_name, is_secret_name
from hostess.domain.ports import Clock, Journal, Vault
from hostess.domain.problem import Problem
from hostess.domain.records import Secret

_LARGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class SecretName:
    """What may be shown of a secret."""

    name: str
    version: int
    changed_at: datetime


class SecretStore:
    """Keeps secrets sealed. Values leave only through `values` and `credential`, for containers.

    Names with ":" are credentials made here; no user can name one.
    """

    def __init__(self, journal: Journal, vault: Vault, clock: Clock) -> None:
        self._journal = journal
        self._vault = vault
        self._clock = clock
        # Between looking whether a name is there and writing it, nobody else writes.
        self._writing = asyncio.Lock()

    async def add(self, project: str, environment: str, name: str, value: str) -> int:
        """Store a secret that is not there yet; return its version. Problem "secret-exists", "secret-invalid"."""
        _check(name, value)
        async with self._writing:
            if await self._find(project, environment, name) is not None:
                raise Problem(
                    "secret-exists",
                    f"{project} ({environment}) has a secret {name} already",
                    serving="the value it has, unchanged",
                    remedy=f"change it with `hostess secrets edit {name}`",
                )
            return await self._put(project, environment, name, value)

    async def edit(self, project: str, environment: str, name: str, value: str) -> int:
        """Store a new version of a secret that is there; return it. Problem "secret-not-found", "secret-invalid"."""
        _check(name, value)
        async with self._writing:
            if await self._find(project, environment, name) is None:
                _raise_not_found(project, environment, name)
            return await self._put(project, environment, name, value)

    async def delete(self, project: str, environment: str, name: str) -> None:
        """Remove a secret with all its versions; Problem "secret-not-found". What runs keeps the value it started with."""
        async with self._writing:
            if not is_secret_name(name) or not await self._journal.remove_secret(project, environment, name):
                _raise_not_found(project, environment, name)

    async def names(self, project: str, environment: str) -> list[SecretName]:
        """Return what users have set for an environment, by name, without values."""
        stored = await self._journal.secrets(project, environment)
        return [SecretName(each.name, each.version, each.changed_at) for each in stored if ":" not in each.name]

    async def values(self, project: str, environment: str, *, credentials: bool = False) -> dict[str, str]:
        """Return name -> value of what users have set for an environment; generated credentials too if asked (to hide them in logs)."""
        stored = await self._journal.secrets(project, environment)
        return {each.name: self._open(each) for each in stored if credentials or ":" not in each.name}

    async def known(self) -> set[str]:
        """Return every value that is kept, of all environments, for a redactor; those that cannot be opened are left out."""
        found: set[str] = set()
        for place in await self._journal.places():
            with suppress(Problem):  # told when it is needed
                found.update((await self.values(place.project, place.environment, credentials=True)).values())
        return found

    async def credential(self, project: str, environment: str, name: str, make: Callable[[], str]) -> str:
        """Return a generated credential, made with *make* and stored the first time. Its *name* holds a ":"."""
        if ":" not in name:
            raise ValueError(f"a credential's name needs a colon to be out of users' reach: {name}")
        async with self._writing:
            known = await self._find(project, environment, name)
            if known is not None:
                return self._open(known)
            value = make()
            await self._put(project, environment, name, value)
            return value

    async def kept_credential(self, project: str, environment: str, name: str) -> str | None:
        """Return a generated credential; None when there is none of this name."""
        known = await self._find(project, environment, name)
        return None if known is None else self._open(known)

    async def put_credential(self, project: str, environment: str, name: str, value: str) -> None:
        """Store a generated credential in place of the one there is. Its *name* holds a ":"."""
        if ":" not in name:
            raise ValueError(f"a credential's name needs a colon to be out of users' reach: {name}")
        async with self._writing:
            await self._put(project, environment, name, value)

    async def drop_credential(self, project: str, environment: str, name: str) -> None:
        """Forget a generated credential; one that is not there is no error. Its *name* holds a ":"."""
        if ":" not in name:
            raise ValueError(f"a credential's name needs a colon to be out of users' reach: {name}")
        async with self._writing:
            await self._journal.remove_secret(project, environment, name)

    async def _find(self, project: str, environment: str, name: str) -> Secret | None:
        stored = await self._journal.secrets(project, environment)
        return next((each for each in stored if each.name == name), None)

    async def _put(self, project: str, environment: str, name: str, value: str) -> int:
        def seal(version: int) -> str:
            return self._vault.seal(value, _place(project, environment, name, version))

        return await self._journal.put_secret(project, environment, name, seal, self._clock.now())

    def _open(self, secret: Secret) -> str:
        try:
            return self._vault.open(
                secret.sealed, _place(secret.project, secret.environment, secret.name, secret.version)
            )
        except Problem as problem:
            raise Problem(
                problem.code,
                f"secret {secret.name} of {secret.project} ({secret.environment}): {problem.what}",
                remedy=problem.remedy,
            ) from problem


def _place(project: str, environment: str, name: str, version: int) -> str:
    """Return what a sealed value is bound to: its row. None of the parts can hold a "|"."""
    return f"secret|{project}|{environment}|{name}|{version}"


def _check(name: str, value: str) -> None:
    check_secret_name(name)
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise Problem(
            "secret-invalid", f"the value of {name} is not text", remedy="encode it, as base64 for example"
        ) from None
    if size > _LARGEST:
        raise Problem("secret-invalid", f"the value of {name} has {size} bytes, and {_LARGEST} is the most")
    if "\0" in value:
        raise Problem("secret-invalid", f"the value of {name} holds a zero byte, which no environment variable can")


def _raise_not_found(project: str, environment: str, name: str) -> NoReturn:
    raise Problem(
        "secret-not-found",
        f'{project} ({environment}) has no secret "{name[:130]}"',
        remedy="`hostess secrets get` shows the names there are",
    )
