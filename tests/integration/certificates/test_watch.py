"""Imported certificates are watched: what ends is told in time, once a step, across restarts."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.domain.certificates.certificate import Certificate, Source
from hostess.domain.records import Event
from hostess.services.certificates.imports import CertificateImports, days_left
from tests.fakes.clock import FakeClock
from tests.issuing import DAY, NOW, issue
from tests.new_journal import opened_journal

LEAF = issue(begins=NOW, ends=NOW + 90 * DAY)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """Open a journal."""
    journal = await opened_journal(tmp_path / "hostess.db")
    yield journal
    await journal.close()


async def test_the_end_is_told_in_time(tmp_path: Path, journal: SqliteJournal) -> None:
    """Whenever the daemon restarts, a certificate is told of once: 30, 14, 7, 3 and 1 days before its end, and when it has ended."""
    clock = FakeClock(NOW)
    await FileCertificates(tmp_path / "certs", clock).save(LEAF.chain, LEAF.key, Source.IMPORTED)
    told: list[tuple[int, Event]] = []
    for _ in range(95 * 4):
        clock.advance(6 * 3600)
        store = FileCertificates(tmp_path / "certs", clock)
        await CertificateImports(store, journal, clock, journal.instance).watch()
        newest = await journal.events(after=-1, limit=1)
        if newest and newest[0].id not in {event.id for _, event in told}:
            told.append(((NOW + 90 * DAY - clock.now()).days, newest[0]))

    assert [days for days, _ in told] == [30, 14, 7, 3, 1, 0]
    assert [event.kind for _, event in told] == ["certificate.expiring"] * 5 + ["certificate.expired"]
    assert "shop.example.org ends on" in told[0][1].message
    assert "hostess tls import" in told[0][1].message


async def test_those_that_are_renewed_are_not_told_of(tmp_path: Path, journal: SqliteJournal) -> None:
    """Certificates that come from an authority are not watched here."""
    clock = FakeClock(NOW)
    store = FileCertificates(tmp_path / "certs", clock)
    await store.save(LEAF.chain, LEAF.key, Source.ACME)
    clock.advance(89 * 86400)
    await CertificateImports(store, journal, clock, journal.instance).watch()

    assert await journal.events() == []


def test_a_short_life_is_no_warning() -> None:
    """A certificate of six days is told of in its last third only."""
    short = Certificate("a-1", ("a.example.org",), Source.IMPORTED, "", "1", NOW, NOW + 6 * DAY)
    moments = [NOW, NOW + 3 * DAY, NOW + 4 * DAY, NOW + timedelta(days=5.5), NOW + 7 * DAY]
    assert [days_left(short, moment) for moment in moments] == [None, None, 3, 1, 0]
