"""Certificates of the internal authority: for hosts that no other authority issues for, and those that still wait for one."""

import asyncio
from collections.abc import Collection, Mapping

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.internal_names import grouped, renewal_due, usable
from hostess.domain.ports import CertificateStore, Clock, InternalAuthority


class InternalCertificates:
    """Has a certificate in the store for each host that needs one of the internal authority."""

    def __init__(self, store: CertificateStore, authority: InternalAuthority, clock: Clock, base_domain: str) -> None:
        self._store = store
        self._authority = authority
        self._clock = clock
        self._base_domain = base_domain
        self._one_at_a_time = asyncio.Lock()

    async def ensure(self, hosts: Mapping[str, str]) -> list[Certificate]:
        """Return certificates that together are good for all *hosts* (to whom each belongs: a project).

        Those that are there are used again; what is missing, of a former root, or has a third of its life left is made anew.
        What they take the place of stays until `tidy`: the proxy may still serve it.
        """
        async with self._one_at_a_time:
            now, issuer = self._clock.now(), await self._authority.name()
            good = {
                frozenset(each.names): each
                for each in sorted(await self._own(), key=lambda each: each.not_after)
                if each.issuer == issuer and usable(each, now) and not renewal_due(each, now)
            }
            return [
                good.get(group) or await self._made(sorted(group))
                for group in grouped(hosts, self._base_domain, list(good))
            ]

    async def tidy(self, used: Collection[str]) -> None:
        """Remove those whose id is not among the *used*: no table has them any more."""
        async with self._one_at_a_time:
            for certificate in await self._own():
                if certificate.id not in used:
                    await self._store.remove(certificate)

    async def root(self) -> str:
        """Return the root (PEM) that clients have to trust."""
        return await self._authority.root()

    async def _own(self) -> list[Certificate]:
        return [each for each in await self._store.all() if each.source is Source.INTERNAL]

    async def _made(self, names: list[str]) -> Certificate:
        return await self._store.save(*await self._authority.issue(names), Source.INTERNAL)
