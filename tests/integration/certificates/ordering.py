"""Orders for certificates on a bench: a real journal, store and files; the authority, the proxy, DNS and the time are a test's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.order_files import FileOrders
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.certificates.wanted import Policy
from hostess.domain.dns.preflight import Here, Means
from hostess.domain.ports import Authority, Challenges, DnsWriter, Journal
from hostess.domain.ports.proxy import NO_CHALLENGES
from hostess.domain.records import Event
from hostess.services.certificates.certificates import Certificates, Issuers, Shown, Standing
from hostess.services.certificates.challenge_answers import ChallengeAnswers
from hostess.services.certificates.internal import InternalCertificates
from hostess.services.certificates.issuing import Issuing, Proofs
from hostess.services.certificates.news import CertificateNews
from hostess.services.certificates.preflights import Outlook, Preflights
from hostess.services.certificates.served import ServedCertificates
from hostess.services.certificates.showing import CertificateShowing
from hostess.services.certificates.wants import CertificateWants
from tests.fakes.authority import FakeAuthority
from tests.fakes.clock import FakeClock
from tests.fakes.records import FakeChallengeProbe, FakeNameServers
from tests.fakes.router import FakeRouter
from tests.issuing import NOW
from tests.new_journal import opened_journal

HERE = "203.0.113.7"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Writer:
    """Implements `ports.DnsWriter`; *written* is what there is, *said* all that there ever was."""

    def __init__(self) -> None:
        self.written: set[tuple[str, str]] = set()
        self.said: list[tuple[str, str]] = []

    async def present(self, name: str, value: str) -> None:
        """Make a record."""
        self.written.add((name, value))
        self.said.append((name, value))

    async def clear(self, name: str, value: str) -> None:
        """Take it away."""
        self.written.discard((name, value))


@dataclass
class Bench:
    """One installation. *hosts* are routed; *names* is DNS."""

    folder: Path
    journal: SqliteJournal
    clock: FakeClock
    router: FakeRouter
    names: FakeNameServers
    store: FileCertificates
    authorities: Sequence[Authority]
    writer: DnsWriter | None = None
    hosts: dict[str, str] = field(default_factory=dict)
    watched: Callable[[Journal], Journal] = lambda journal: journal
    challenges: Challenges = NO_CHALLENGES
    profile: str = ""
    plain: bool = True
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Wire it."""
        self.wire()

    def wire(self) -> None:
        """Put new services in the place of those there are, as a restart does."""
        journal, folder = self.watched(cast("Journal", self.journal)), self.folder / "certs"
        internal = InternalCertificates(
            self.store, FileAuthority(folder / "internal", self.clock, None), self.clock, "apps.example.org"
        )
        self.served = ServedCertificates(self.store, internal, self.clock, by_tls=True)
        outlook = Outlook(self.names, FakeChallengeProbe(), self.recognised)
        preflights = Preflights(outlook, self.clock, lambda: Here((HERE,)), Means(("ca.example.org",), dns_writer=True))
        self.files = FileOrders(folder)
        proofs = Proofs(ChallengeAnswers(self.challenge), self.writer, plain=self.plain)
        issuing = Issuing(journal.issuances, self.store, self.files, proofs, self.clock, self.profile)
        policy = Policy(acme=True, base_domain="apps.example.org", dns_writer=self.writer is not None)
        self.service = Certificates(
            journal.issuances,
            self.store,
            CertificateWants(journal, policy, ""),
            Issuers(self.authorities, issuing, self.files, preflights),
            Shown(self.served, CertificateShowing(self.store, self.served, self.publish, self.router.presented)),
            CertificateNews(journal, self.clock),
            self.clock,
        )

    @property
    def authority(self) -> FakeAuthority:
        """The first authority, where it is a fake one."""
        first = self.authorities[0]
        assert isinstance(first, FakeAuthority)
        return first

    async def route(self, *hosts: str, project: str = "shop", dns: bool = True) -> None:
        """Have these hosts served, and those before; *dns*: they lead here."""
        self.hosts |= dict.fromkeys(hosts, project)
        for host in hosts if dns else ():
            self.names.known[f"A {host}"] = (HERE,)
        await self.publish()

    async def unroute(self, host: str) -> None:
        """Have a host served no longer."""
        del self.hosts[host]
        await self.publish()

    async def publish(self) -> int:
        """Make a table; one after another, or an older one could take the place of a newer one."""
        async with self.publishing:
            certificates = await self.served.of(self.hosts)
            return await self.router.publish((), certificates=certificates, challenges=self.challenges)

    async def challenge(self, challenges: Challenges) -> None:
        """Answer these."""
        self.challenges = challenges
        await self.publish()

    @asynccontextmanager
    async def recognised(self, token: str, answer: str) -> AsyncIterator[None]:
        """Do nothing with *token* and *answer*: nobody is heard."""
        yield

    async def look(self) -> None:
        """Do what is due, and what follows from it."""
        await self.service.look()
        await self.service.settled()

    async def after(self, time: timedelta, step: timedelta = HOUR) -> None:
        """Let time pass; every *step* is looked whether something is due."""
        end = self.clock.now() + time
        while self.clock.now() < end:
            self.clock.advance(min(step, end - self.clock.now()).total_seconds())
            await self.publish()
            await self.look()

    async def acme(self) -> list[Certificate]:
        """Return the certificates that authorities issued and that are kept."""
        return [each for each in await self.store.all() if each.source is Source.ACME]

    async def shown(self, host: str) -> Certificate | None:
        """Return the ACME certificate that the proxy shows for a host."""
        serial = await self.router.presented(host)
        return next((each for each in await self.acme() if each.serial == serial), None)

    async def standing(self, host: str) -> Standing:
        """Return how the certificate for a host stands."""
        return next(each for each in await self.service.standings() if host in each.wanted.names)

    async def events(self, kind: str) -> list[Event]:
        """Return what was told of a kind."""
        return [each for each in await self.journal.events(limit=10_000) if each.kind == kind]

    def answers(self) -> Challenges:
        """Return what the proxy answers."""
        return self.router.challenges[-1] if self.router.challenges else NO_CHALLENGES


@asynccontextmanager
async def a_bench(
    folder: Path, *, writer: DnsWriter | None = None, count: int = 1, **fields: Any
) -> AsyncIterator[Bench]:
    """Give one, with so many authorities."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    journal = await opened_journal(folder / "hostess.db")
    clock, router = FakeClock(NOW, flowing=True), FakeRouter()
    authorities = [
        FakeAuthority(
            clock,
            lambda: router.challenges[-1] if router.challenges else NO_CHALLENGES,
            f"https://ca{number or ''}.example.org/dir",
        )
        for number in range(count)
    ]
    store = FileCertificates(folder / "certs", clock)
    bench = Bench(folder, journal, clock, router, FakeNameServers(), store, authorities, writer, **fields)
    try:
        yield bench
    finally:
        await bench.service.stop()
        await journal.close()
