"""A new certificate, from the store to the proxy: it stays only if the proxy really shows it."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.names import covered
from hostess.domain.ports import CertificateStore
from hostess.domain.problem import Problem
from hostess.services.certificates.served import ServedCertificates

log = logging.getLogger(__name__)

PROVED = 5
"""Hosts that are asked for, of those that a wildcard serves."""


class CertificateShowing:
    """*publish* makes a new table; *presented* tells the serial number that the proxy's listener shows for a host."""

    def __init__(
        self,
        store: CertificateStore,
        served: ServedCertificates,
        publish: Callable[[], Awaitable[object]],
        presented: Callable[[str], Awaitable[str | None]],
    ) -> None:
        self._store = store
        self._served = served
        self._publish = publish
        self._presented = presented

    async def show(self, made: Certificate, names: Sequence[str]) -> str:
        """Show a certificate for *names* from now on, and prove it; return "", or what was wrong: then it is what it was before."""
        try:
            await self._publish()
            wrong = await self._wrong(made, names)
        except Problem as problem:
            log.warning("the proxy is told of a new certificate when it is back: %s", problem)
            return ""
        if not wrong:
            return ""
        self._served.withhold(made)
        await self.forget([made])
        return wrong

    async def forget(self, certificates: Sequence[Certificate]) -> None:
        """Remove certificates, once the proxy has a table without them: it reads their files when it needs them."""
        if not certificates:
            return
        try:
            await self._publish()
        except Problem as problem:
            log.info("certificates that are not needed any more are kept until the proxy is back: %s", problem)
            return
        for each in certificates:
            if each.id not in self._served.used:
                await self._store.remove(each)

    async def _wrong(self, made: Certificate, names: Sequence[str]) -> str:
        if made.id not in self._served.used:
            return ""
        hosts = [host for host in self._served.hosts or {} if host in names or covered(names, host)]
        for host in hosts[:PROVED]:
            serial = await self._presented(host)
            if serial is not None and serial != made.serial and not await self._is_other(host, made, serial):
                return f"the proxy does not show the new certificate for {host}, so the one before is shown again"
        return ""

    async def _is_other(self, host: str, made: Certificate, serial: str) -> bool:
        """Whether another certificate of ours is shown for a host that this one is good for, too (a wildcard)."""
        return any(
            each.serial == serial
            and each.id in self._served.used
            and covered(each.names, host)
            and host not in made.names
            for each in await self._store.all()
        )
