"""What the journal keeps of registries."""

from typing import Protocol

from hostess.domain.registries import Registry


class RegistryRecords(Protocol):
    """The journal's part about registries."""

    async def put_registry(self, registry: Registry) -> None:
        """Store who signs in at a registry, in place of whoever did."""

    async def registries(self) -> list[Registry]:
        """Return all registries, by host."""

    async def remove_registry(self, host: str) -> bool:
        """Forget who signs in at a registry; False when nobody does."""
