"""The authority of this installation: it needs nobody, and only those trust it who were told to."""

from collections.abc import Sequence
from typing import Protocol


class InternalAuthority(Protocol):
    """Signs certificates at once, with a root that is made when it is first needed. Problem "authority-unreadable"."""

    async def name(self) -> str:
        """Return what certificates of the present root call their issuer; no other root has the same name."""

    async def root(self) -> str:
        """Return the certificate (PEM) that clients have to trust."""

    async def issue(self, names: Sequence[str]) -> tuple[str, str]:
        """Return chain and key (PEM, both) of a new certificate for *names*: hosts, wildcards, addresses."""
