"""Certificates are renewed, for months, by authorities that fail, limit, replace."""

from datetime import timedelta
from pathlib import Path

from hostess.domain.certificates.issuance import Status
from hostess.domain.certificates.order import RenewalWindow, Trouble
from hostess.domain.ports import AuthorityError
from tests.integration.certificates.ordering import DAY, HOUR, MINUTE, Bench, a_bench

SHOP = "shop.example.org"


def down() -> AuthorityError:
    """Return what an authority that is away says."""
    return AuthorityError(Trouble.AUTHORITY, "the authority does not answer")


async def test_ninety_days_of_renewals(bench: Bench) -> None:
    """In 150 days of certificates for 90 each is renewed in time by one order, and what is shown is always valid."""
    await bench.route(SHOP)
    await bench.look()
    for _ in range(150):
        await bench.after(DAY, DAY)
        shown = await bench.shown(SHOP)
        assert shown is not None
        assert shown.not_after - bench.clock.now() > 25 * DAY

    assert len(bench.authority.issued) == len(bench.authority.orders) == 3
    assert len(await bench.acme()) == 1
    assert len(await bench.events("certificate.renewed")) == 2


async def test_six_days(bench: Bench) -> None:
    """Certificates for 160 hours are renewed at about half of their life, each by one order."""
    bench.authority.life = timedelta(hours=160)
    await bench.route(SHOP)
    await bench.look()
    for _ in range(30):
        await bench.after(DAY, 4 * HOUR)
        shown = await bench.shown(SHOP)
        assert shown is not None
        assert shown.not_after - bench.clock.now() > timedelta(hours=60)

    assert len(bench.authority.orders) <= 11


async def test_a_profile_is_asked_for(tmp_path: Path) -> None:
    """Every order asks for the kind of certificate that the settings name."""
    async with a_bench(tmp_path, profile="shortlived") as bench:
        await bench.route(SHOP)
        await bench.look()

        assert [order.profile for order in bench.authority.orders] == ["shortlived"]


async def test_an_authority_that_is_down_for_long(bench: Bench) -> None:
    """While the authority is away at the renewal the certificate goes on being served, even when it has ended; then it is renewed."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.authority.refuses = down()
    await bench.after(60 * DAY, DAY)
    await bench.after(32 * DAY, 12 * HOUR)

    assert await bench.shown(SHOP) == before
    assert await bench.events("certificate.expiring")
    assert await bench.events("certificate.expired")
    assert (await bench.standing(SHOP)).status is Status.FAILED

    bench.authority.refuses = None
    await bench.after(DAY)
    after = await bench.shown(SHOP)
    assert after is not None
    assert after.not_after > bench.clock.now()


async def test_the_second_authority(tmp_path: Path) -> None:
    """While the first authority is down the second one issues."""
    async with a_bench(tmp_path, count=2) as bench:
        bench.authority.refuses = down()
        await bench.route(SHOP)
        await bench.after(5 * MINUTE, MINUTE)

        shown = await bench.shown(SHOP)
        assert shown is not None
        assert shown.authority == bench.authorities[1].directory


async def test_a_limit_of_the_authority(bench: Bench) -> None:
    """After 429 nothing is ordered before the time that it gave, not after a restart either; the list tells when."""
    until = bench.clock.now() + 3 * HOUR
    bench.authority.refuses = AuthorityError(Trouble.RATE_LIMITED, "too many requests", until)
    await bench.route(SHOP)
    await bench.look()
    bench.authority.refuses = None
    await bench.service.stop()
    bench.wire()
    await bench.publish()
    await bench.after(2 * HOUR + 50 * MINUTE, 10 * MINUTE)

    assert not bench.authority.orders
    standing = await bench.standing(SHOP)
    assert (standing.status, standing.at) == (Status.FAILED, until)
    await bench.after(20 * MINUTE, 10 * MINUTE)
    assert await bench.shown(SHOP) is not None


async def test_a_window_in_the_past(bench: Bench) -> None:
    """What the authority wants replaced now is replaced at its next answer, by an order that says what it replaces."""
    bench.authority.windows = {}
    await bench.route(SHOP)
    await bench.look()
    first = await bench.shown(SHOP)
    assert first is not None
    now = bench.clock.now()
    bench.authority.windows = {first.renewal_id: RenewalWindow(now - 2 * DAY, now - DAY, 6 * HOUR)}
    await bench.after(2 * DAY)

    assert [each.replaces for each in bench.authority.issued] == ["", first.renewal_id]
    assert await bench.shown(SHOP) not in {None, first}


async def test_replaced_already(bench: Bench) -> None:
    """Where the authority says that it was replaced already it is ordered again at once without that, and told as no failure."""
    bench.authority.windows = {}
    await bench.route(SHOP)
    await bench.look()
    first = await bench.shown(SHOP)
    assert first is not None
    now = bench.clock.now()
    bench.authority.windows = {first.renewal_id: RenewalWindow(now - 2 * DAY, now - DAY, 6 * HOUR)}
    bench.authority.replaced = {first.renewal_id}
    await bench.after(2 * DAY)

    assert [each.replaces for each in bench.authority.orders] == ["", ""]
    assert not await bench.events("certificate.failed")


async def test_a_removed_domain_keeps_its_certificate_for_30_days(bench: Bench) -> None:
    """Who brings a domain back within 30 days has its certificate at once; after that it is forgotten."""
    await bench.route(SHOP, "other.example.org")
    await bench.look()
    await bench.unroute(SHOP)
    await bench.after(29 * DAY, DAY)
    assert len(await bench.acme()) == 2
    await bench.route(SHOP)
    assert await bench.shown(SHOP) is not None
    assert len(bench.authority.orders) == 2

    await bench.unroute(SHOP)
    await bench.after(33 * DAY, DAY)
    assert [each.names for each in await bench.acme()] == [("other.example.org",)]


async def test_the_clock_jumps(bench: Bench) -> None:
    """A clock that jumps a year ahead and back again makes no storm of orders, and something is shown all the time."""
    await bench.route(SHOP)
    await bench.look()
    bench.clock.advance(timedelta(days=365).total_seconds())
    await bench.after(HOUR, 5 * MINUTE)
    bench.clock.advance(-timedelta(days=365).total_seconds())
    await bench.after(DAY, HOUR)

    assert await bench.shown(SHOP) is not None
    assert len(bench.authority.orders) <= 3
