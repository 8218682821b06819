"""What is told of certificates: each event is a sentence with what serves meanwhile and what to do."""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.issuance import Act, Issuance, Move, ends_soon
from hostess.domain.dns.preflight import Preflight
from hostess.domain.ports import Clock, Journal

LAST_USED = "certificates last used"
_DAY = timedelta(days=1)


class CertificateNews:
    """Tells it in the journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def issued(self, made: Certificate, before: Certificate | None, project: str) -> None:
        """Tell that a certificate is shown."""
        kind, what = (
            ("certificate.issued", "has a certificate")
            if before is None
            else ("certificate.renewed", "has a new certificate")
        )
        await self._journal.tell(
            kind,
            f"{', '.join(made.names)} {what} of {made.issuer}, until {made.not_after:%Y-%m-%d at %H:%M} UTC",
            self._clock.now(),
            project=project,
            data={
                "names": list(made.names),
                "certificate": made.id,
                "authority": made.authority,
                "not_after": made.not_after.isoformat(),
            },
        )

    async def failed(self, known: Issuance, move: Move, current: Certificate | None, project: str) -> None:
        """Tell that an order failed, and when it is tried again."""
        names = ", ".join(known.names)
        again = (
            f"it is tried again after {move.at:%Y-%m-%d %H:%M} UTC"
            if move.act is not Act.NOTHING
            else f"it is not tried again by itself: mend it, then `hostess tls retry {known.names[0]}`"
        )
        serving = (
            f"the certificate before, until {current.not_after:%Y-%m-%d}"
            if current is not None
            else "one of this installation's own authority, which browsers warn of"
        )
        await self._journal.tell(
            "certificate.failed",
            f"no certificate could be had for {names}: {known.error}",
            self._clock.now(),
            project=project,
            data={
                "names": list(known.names),
                "trouble": str(known.failures[-1].trouble),
                "serving": serving,
                "remedy": f"{again}; `hostess tls check {known.names[0]}` tells what is in the way",
            },
        )

    async def pending(self, checked: Preflight, project: str) -> None:
        """Tell that a name waits for its DNS."""
        why = "; ".join(finding.sentence for finding in checked.findings if finding.hinders)
        make = (
            f"make in DNS: {checked.pending}" if checked.pending else f"`hostess tls check {checked.domain}` tells more"
        )
        await self._journal.tell(
            "certificate.pending-dns",
            f"{checked.domain} has no certificate yet: {why}",
            self._clock.now(),
            project=project,
            data={"names": [checked.domain], "remedy": f"{make}; the certificate is ordered as soon as that is so"},
        )

    async def watch(self, certificates: Iterable[Certificate]) -> None:
        """Tell, once a day, of certificates that end soon, and of those that have ended."""
        now = self._clock.now()
        for each in certificates:
            if not ends_soon(each, now):
                continue
            note = f"certificate-ending:{each.id}"
            if await self._journal.note(note) == f"{now:%Y-%m-%d}":
                continue
            ended = each.not_after <= now
            names = ", ".join(each.names)
            await self._journal.tell(
                "certificate.expired" if ended else "certificate.expiring",
                f"the certificate for {names} {'ended' if ended else 'ends'} on {each.not_after:%Y-%m-%d at %H:%M} UTC "
                "and could not be renewed",
                now,
                data={
                    "names": list(each.names),
                    "certificate": each.id,
                    "not_after": each.not_after.isoformat(),
                    "remedy": f"`hostess tls list` tells why; `hostess tls retry {each.names[0]}` tries again at once",
                },
            )
            await self._journal.set_note(note, f"{now:%Y-%m-%d}")

    async def last_used(self, certificates: Iterable[Certificate], used: Collection[str]) -> Mapping[str, datetime]:
        """Return when each certificate was shown last, to the day, and write it down; those never seen before were just now."""
        now = self._clock.now()
        written = json.loads(await self._journal.note(LAST_USED) or "{}")
        before = {name: datetime.fromisoformat(at) for name, at in written.items()}
        found = {}
        for each in certificates:
            at = before.get(each.id, now)
            found[each.id] = now if each.id in used and not timedelta(0) <= now - at < _DAY else at
        if found != before:
            await self._journal.set_note(LAST_USED, json.dumps({name: at.isoformat() for name, at in found.items()}))
        return found
