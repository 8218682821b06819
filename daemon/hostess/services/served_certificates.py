"""What the proxy shows by TLS: the certificates that people brought, and for all other hosts those of the internal authority."""

import logging
from collections.abc import Collection, Iterable, Mapping

from hostess.domain.certificate import Certificate, Source
from hostess.domain.certificate_names import covered
from hostess.domain.https_policy import trusted
from hostess.domain.ports import CertificateStore, ServedCertificate
from hostess.domain.problem import Problem
from hostess.services.internal_certificates import InternalCertificates

log = logging.getLogger(__name__)


class ServedCertificates:
    """Chooses what a table shows. Certificates never stand in the way of routes: without one a host is served by plain HTTP alone."""

    def __init__(self, store: CertificateStore, internal: InternalCertificates, *, by_tls: bool) -> None:
        """*by_tls*: the proxy listens for TLS at all; where it does not, nothing is made and nothing is shown."""
        self._store = store
        self._internal = internal
        self._by_tls = by_tls
        self._last: list[ServedCertificate] = []
        self._used: frozenset[str] = frozenset()

    async def of(self, hosts: Mapping[str, str]) -> list[ServedCertificate]:
        """Return what is shown for *hosts* (to whom each belongs: a project): what was brought goes first."""
        if not self._by_tls:
            return []
        try:
            brought = [each for each in await self._store.all() if each.source is Source.IMPORTED]
            names = [name for each in brought for name in each.names]
            rest = {host: project for host, project in hosts.items() if not covered(names, host)}
            chosen = [*brought, *(await self._internal.ensure(rest) if rest else [])]
            self._last, self._used = self._served(chosen, names), frozenset(each.id for each in chosen)
        except (Problem, OSError) as error:
            log.warning("certificates cannot be had, and those before go on to be served: %s", error)
        return self._last

    def trusts(self, host: str) -> bool:
        """Whether the certificate that was last chosen for *host* is one that clients trust without having been told to."""
        return trusted(self._last, host)

    async def tidy(self) -> None:
        """Remove certificates of the internal authority that no table has any more."""
        if self._last:
            await self._internal.tidy(self._used)

    def _served(self, certificates: Iterable[Certificate], brought: Collection[str]) -> list[ServedCertificate]:
        """Return what the proxy is told. It looks at exact names before wildcards, so what was *brought* must have no rival."""
        found = []
        for each in certificates:
            own, (chain, key) = each.source is Source.INTERNAL, self._store.files(each)
            names = tuple(_bracketed(name) for name in each.names if not (own and covered(brought, name)))
            found.append(ServedCertificate(names, str(chain), str(key), trusted=not own))
        return [each for each in found if each.names]


def _bracketed(name: str) -> str:
    """Return a name as the proxy's table spells it: IPv6 addresses in brackets."""
    return f"[{name}]" if ":" in name else name
