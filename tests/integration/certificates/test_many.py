"""Many certificates at once: what a look costs, and how much is done together."""

import asyncio
from datetime import timedelta

import pytest

from hostess.domain.certificates.certificate import Certificate
from hostess.domain.certificates.ledger import PastOrder
from hostess.services.certificates.certificates import LOOKED_AT_ONCE
from tests.fakes.records import FakeNameServers
from tests.integration.certificates.ordering import DAY, HERE, Bench

HOSTS = tuple(f"a{number}.example.org" for number in range(8))


class SlowNameServers(FakeNameServers):
    """Takes a while. *most* is how many addresses were asked for together."""

    def __init__(self) -> None:
        super().__init__({f"A {host}": (HERE,) for host in HOSTS})
        self.most = 0
        self._now = 0

    async def records(self, name: str, kind: str, timeout: timedelta) -> tuple[str, ...]:
        """Return what the test has said."""
        self._now += kind == "A"
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.01)
        self._now -= kind == "A"
        return await super().records(name, kind, timeout)


async def test_renewals_are_asked_about_without_reading_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that only asks when to renew reads the certificates once, and the books once, however many certificates there are."""
    await bench.route(*HOSTS)
    await bench.look()
    bench.clock.advance(DAY.total_seconds())
    certificates, past, reads = bench.store.all, bench.journal.issuances.past_orders, []

    async def read_certificates() -> list[Certificate]:
        reads.append("store")
        return await certificates()

    async def read_books() -> list[PastOrder]:
        reads.append("books")
        return await past()

    monkeypatch.setattr(bench.store, "all", read_certificates)
    monkeypatch.setattr(bench.journal.issuances, "past_orders", read_books)
    asked = bench.authority.asked_windows
    await bench.look()

    assert bench.authority.asked_windows == asked + len(HOSTS)
    assert sorted(reads) == ["books", "store"]


async def test_few_names_are_looked_at_together(bench: Bench) -> None:
    """DNS is looked at for a few certificates at a time, and all get theirs."""
    bench.names = slow = SlowNameServers()
    bench.wire()
    await bench.route(*HOSTS)
    await bench.look()

    assert slow.most == LOOKED_AT_ONCE
    assert {each.names for each in await bench.acme()} == {(host,) for host in HOSTS}
