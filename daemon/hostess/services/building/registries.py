"""Registries: signing in, so that private images can be fetched, for services and as what builds begin with."""

from collections.abc import Iterable
from contextlib import suppress

from hostess.domain.ports import Clock, Engine, Image, Redactor, Vault
from hostess.domain.ports.registries import RegistryRecords
from hostess.domain.problem import Problem
from hostess.domain.registries import Registry, RegistryLogin, checked_host, checked_login, registry_of
from hostess.domain.releases.push import Say


class Registries:
    """Keeps logins sealed, and fetches images with them."""

    def __init__(
        self, records: RegistryRecords, engine: Engine, vault: Vault, redactor: Redactor, clock: Clock
    ) -> None:
        self._records = records
        self._engine = engine
        self._vault = vault
        self._redactor = redactor
        self._clock = clock

    async def login(self, host: str, user: str, password: str) -> Registry:
        """Sign in at a registry and remember it; Problem "registry-refused", "registry-unreachable", "registry-invalid"."""
        login = checked_login(host, user, password)
        self._redactor.learn([password])
        await self._engine.sign_in(login)
        row = Registry(login.host, user, self._vault.seal(password, _bound(login.host)), self._clock.now())
        await self._records.put_registry(row)
        return row

    async def list(self) -> list[Registry]:
        """Return the registries that are signed in at, by host."""
        return await self._records.registries()

    async def logout(self, host: str) -> None:
        """Forget a login; images that are here stay. Problem "registry-not-found"."""
        name = checked_host(host)
        if not await self._records.remove_registry(name):
            raise Problem(
                "registry-not-found",
                f"nobody is signed in at {name}",
                remedy="`hostess registry list` shows where somebody is",
            )

    async def passwords(self) -> set[str]:
        """Return all passwords, for a redactor; those that cannot be opened are left out."""
        found: set[str] = set()
        for row in await self._records.registries():
            with suppress(Problem):  # told when it is needed
                found.add(self._vault.open(row.sealed, _bound(row.host)))
        return found

    async def image(self, reference: str, say: Say) -> Image:
        """Return the local image of that name, else fetch it, signed in where there is a login; Problems as of the engine's `pull`."""
        found = await self._engine.image(reference)
        if found is None:
            say(f"       pulling {reference}")
            found = await self._engine.pull(reference, say, await self._login(reference))
        return found

    async def prepare(self, references: Iterable[str], say: Say) -> None:
        """Fetch those images that are not here and need a login: engines' builders know none."""
        for reference in references:
            login = await self._login(reference)
            if login is not None and await self._engine.image(reference) is None:
                await self._engine.pull(reference, say, login)

    async def logins(self) -> tuple[RegistryLogin, ...]:
        """Return all logins, for a builder that fetches by itself; Problem when one cannot be opened."""
        return tuple([self._opened(row) for row in await self._records.registries()])

    async def _login(self, reference: str) -> RegistryLogin | None:
        host = registry_of(reference)
        return next((self._opened(row) for row in await self._records.registries() if row.host == host), None)

    def _opened(self, row: Registry) -> RegistryLogin:
        return RegistryLogin(row.host, row.user, self._vault.open(row.sealed, _bound(row.host)))


def _bound(host: str) -> str:
    return f"registry {host}"
