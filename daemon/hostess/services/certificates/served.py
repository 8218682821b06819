"""What the proxy shows by TLS: the certificates that people brought, those of ACME authorities, and else the internal authority's."""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.choice import chosen
from hostess.domain.certificates.names import coverage
from hostess.domain.ports import CertificateStore, Clock, ServedCertificate
from hostess.domain.problem import Problem
from hostess.domain.routing.https_policy import trusted
from hostess.services.certificates.internal import InternalCertificates

log = logging.getLogger(__name__)


class ServedCertificates:
    """Chooses what a table shows. Certificates never stand in the way of routes: without one a host is served by plain HTTP alone."""

    def __init__(self, store: CertificateStore, internal: InternalCertificates, clock: Clock, *, by_tls: bool) -> None:
        """*by_tls*: the proxy listens for TLS at all; where it does not, nothing is made and nothing is shown.

        *changed* is set whenever the hosts are others than before, *hosts* are those; None until the first table, and without TLS.
        """
        self.changed = asyncio.Event()
        self.hosts: Mapping[str, str] | None = None
        self._store = store
        self._internal = internal
        self._clock = clock
        self._by_tls = by_tls
        self._last: list[ServedCertificate] = []
        self._is_trusted = trusted(())
        self._used: frozenset[str] = frozenset()
        self._withheld: frozenset[str] = frozenset()

    @property
    def used(self) -> frozenset[str]:
        """The ids of what is shown."""
        return self._used

    def withhold(self, certificate: Certificate) -> None:
        """Show a certificate no more, from the next table on; it is about to be removed."""
        self._withheld |= {certificate.id}

    async def of(self, hosts: Mapping[str, str]) -> list[ServedCertificate]:
        """Return what is shown for *hosts* (to whom each belongs: a project): what was brought goes first, then what is trusted."""
        if not self._by_tls:
            return []
        if self.hosts != hosts:
            self.hosts = dict(hosts)
            self.changed.set()
        try:
            kept = await self._store.all()
            brought = [each for each in kept if each.source is Source.IMPORTED]
            is_brought = coverage(name for each in brought for name in each.names)
            rest = {host: project for host, project in hosts.items() if not is_brought(host)}
            public = chosen({host.strip("[]") for host in rest}, kept, self._clock.now(), self._withheld)
            alone = {host: project for host, project in rest.items() if host not in public}
            own = await self._internal.ensure(alone) if alone else []
            self._last = self._served(brought, public, own)
            self._is_trusted = trusted(self._last)
            self._used = frozenset(each.id for each in (*brought, *public.values(), *own))
        except (Problem, OSError) as error:
            log.warning("certificates cannot be had, and those before go on to be served: %s", error)
        return self._last

    def trusts(self, host: str) -> bool:
        """Whether the certificate that was last chosen for *host* is one that clients trust without having been told to."""
        return self._is_trusted(host)

    async def tidy(self) -> None:
        """Remove certificates of the internal authority that no table has any more."""
        if self._last:
            await self._internal.tidy(self._used)

    def _served(
        self, brought: Iterable[Certificate], public: Mapping[str, Certificate], own: Iterable[Certificate]
    ) -> list[ServedCertificate]:
        """Return what the proxy is told. It looks at exact names before wildcards, so what goes first must have no rival."""
        found = [(each, each.names) for each in brought]
        found += [
            (each, tuple(name for name in each.names if "*" in name or public.get(name) == each))
            for each in {each.id: each for each in public.values()}.values()
        ]
        is_taken = coverage(name for _, names in found for name in names)
        found += [(each, tuple(name for name in each.names if not is_taken(name))) for each in own]
        return [self._shown(each, names) for each, names in found if names]

    def _shown(self, certificate: Certificate, names: Iterable[str]) -> ServedCertificate:
        chain, key = self._store.files(certificate)
        trusted_by_all = certificate.source is not Source.INTERNAL
        return ServedCertificate(tuple(map(_bracketed, names)), str(chain), str(key), trusted=trusted_by_all)


def _bracketed(name: str) -> str:
    """Return a name as the proxy's table spells it: IPv6 addresses in brackets."""
    return f"[{name}]" if ":" in name else name
