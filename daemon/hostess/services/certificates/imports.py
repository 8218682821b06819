"""Certificates that people bring: checked, kept, published in place of those before, and watched until they end."""

import asyncio
from datetime import datetime

from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.names import covered, spelled
from hostess.domain.certificates.pem import invalid, read_pair
from hostess.domain.ports import CertificateStore, Clock, Journal
from hostess.domain.problem import Problem
from hostess.services.routing.telling import Publish, tell_proxy

WARN_BEFORE = (30, 14, 7, 3, 1, 0)
"""Days before its end at which it is told that a certificate needs a successor."""


class CertificateImports:
    """Keeps imported certificates. *publish* makes a new table, of what the store holds, and returns when every worker has it."""

    def __init__(self, store: CertificateStore, journal: Journal, clock: Clock, publish: Publish) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._publish = publish
        self._one_at_a_time = asyncio.Lock()

    async def bring(self, chain: str, key: str, host: str = "") -> tuple[Certificate, list[Certificate]]:
        """Serve a certificate (PEM) from now on; return it, and the imported ones that it takes the place of.

        Those are the ones all of whose names it has; they are removed once it is served. Problem "certificate-invalid" for one that
        cannot be served, or is not good for *host* where one is given: nothing has changed then. Problem "proxy-not-told".
        """
        async with self._one_at_a_time:
            names = read_pair(chain, key).names
            wanted = spelled(host)
            if wanted and wanted not in names and not covered(names, wanted):
                raise invalid(f"the certificate is not for {wanted}; it is for {', '.join(names)}", "give that host's")
            made = await self._store.save(chain, key, Source.IMPORTED)
            former = [each for each in await self._imported() if each.id != made.id and set(each.names) <= set(names)]
            await tell_proxy(self._publish, "the certificate is kept", "what it served before")
            for each in former:
                await self._store.remove(each)
            return made, former

    async def remove(self, which: str) -> list[Certificate]:
        """Serve an imported certificate no longer, by its id or one of its names; return what was removed.

        Its hosts get certificates as others do. Problem "certificate-not-found", "proxy-not-told".
        """
        async with self._one_at_a_time:
            wanted = spelled(which)
            found = [each for each in await self._imported() if wanted in {each.id, *each.names}]
            if not found:
                raise Problem(
                    "certificate-not-found",
                    f"there is no imported certificate {which}",
                    remedy="give the id or a name as `hostess tls list` shows it; others come and go by themselves",
                )
            for each in found:
                await self._store.remove(each)
            await tell_proxy(self._publish, "the certificate is removed", "the certificate until then")
            return found

    async def watch(self) -> None:
        """Tell by an event of each imported certificate that will end soon, once for each of the days in `WARN_BEFORE`."""
        now = self._clock.now()
        for each in await self._imported():
            left = days_left(each, now)
            note = f"certificate-expiring:{each.id}"
            if left is None or await self._journal.note(note) == str(left):
                continue
            ended = each.not_after <= now
            await self._journal.tell(
                "certificate.expired" if ended else "certificate.expiring",
                f"the imported certificate for {', '.join(each.names)} {'ended' if ended else 'ends'} on "
                f"{each.not_after:%Y-%m-%d at %H:%M} UTC: bring its successor with `hostess tls import`, "
                "or remove it with `hostess tls remove`",
                now,
                data={"certificate": each.id, "names": list(each.names), "not_after": each.not_after.isoformat()},
            )
            await self._journal.set_note(note, str(left))

    async def _imported(self) -> list[Certificate]:
        return [each for each in await self._store.all() if each.source is Source.IMPORTED]


def days_left(certificate: Certificate, now: datetime) -> int | None:
    """Return the number of `WARN_BEFORE` that a certificate has reached; None while most of its life is left."""
    left = certificate.not_after - now
    if left * 3 > certificate.not_after - certificate.not_before:
        return None
    return next((days for days in reversed(WARN_BEFORE) if left.total_seconds() <= days * 86400), None)
