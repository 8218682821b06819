"""Certificates of authorities: ordered once, proven, renewed in time, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from hostess.domain.certificates.issuance import Status
from hostess.domain.certificates.order import Kind, RenewalWindow, Trouble
from hostess.domain.ports import AuthorityError
from hostess.domain.problem import Problem
from tests.integration.certificates.ordering import DAY, HERE, HOUR, MINUTE, Bench, Writer, a_bench

SHOP = "shop.example.org"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Give a bench with one authority."""
    async with a_bench(tmp_path) as made:
        yield made


def down() -> AuthorityError:
    """Return what an authority that is away says."""
    return AuthorityError(Trouble.AUTHORITY, "the authority does not answer")


async def test_a_host_is_served_with_what_was_issued_for_it(bench: Bench) -> None:
    """A host that is routed gets a certificate by one order, proven by http-01; the proxy shows it and answers nothing afterwards."""
    await bench.route(SHOP)
    await bench.look()

    assert [each.names for each in bench.authority.orders] == [(SHOP,)]
    assert bench.authority.kinds == [Kind.HTTP]
    shown = await bench.shown(SHOP)
    assert shown is not None
    assert shown.names == (SHOP,)
    assert not bench.answers().http
    assert (await bench.standing(SHOP)).status is Status.SERVING
    assert [each.data["names"] for each in await bench.events("certificate.issued")] == [[SHOP]]


async def test_the_key_of_an_order_is_gone_when_it_is_over(bench: Bench) -> None:
    """After an order its key is in the store alone, and the books say what became of it."""
    await bench.route(SHOP)
    await bench.look()

    assert list((bench.folder / "certs" / "orders").glob("*")) == []
    assert [str(each.outcome) for each in await bench.journal.issuances.past_orders()] == ["issued"]


async def test_an_apex_and_its_www_share_one(bench: Bench) -> None:
    """A domain and its www. are in one certificate."""
    await bench.route("example.org", "www.example.org")
    await bench.look()

    assert [each.names for each in bench.authority.orders] == [("example.org", "www.example.org")]
    assert await bench.shown("example.org") == await bench.shown("www.example.org") is not None


async def test_a_name_that_cannot_be_proven_is_in_nobodys_way(bench: Bench) -> None:
    """Where the authority cannot reach www., the apex has a certificate of its own soon, and www. is tried for itself."""
    bench.authority.astray = {"www.example.org"}
    await bench.route("example.org", "www.example.org")
    await bench.after(5 * MINUTE, MINUTE)

    assert (await bench.shown("example.org")) is not None
    assert (await bench.shown("www.example.org")) is None
    assert (await bench.standing("www.example.org")).status is Status.FAILED


async def test_tls_alpn_where_port_80_is_not_reached(bench: Bench) -> None:
    """What http-01 does not prove is proven by tls-alpn-01 in the same round, and first of all the next time."""
    bench.authority.no_http = {SHOP}
    await bench.route(SHOP)
    await bench.look()
    assert bench.authority.kinds == [Kind.HTTP, Kind.ALPN]
    assert await bench.shown(SHOP) is not None
    assert not bench.answers().alpn
    assert list((bench.folder / "certs" / "challenges").glob("*")) == []

    await bench.after(75 * DAY, DAY)

    assert bench.authority.kinds == [Kind.HTTP, Kind.ALPN, Kind.ALPN]


async def test_no_http_where_the_proxy_does_not_listen_for_it(tmp_path: Path) -> None:
    """A proxy that listens for TLS alone proves its hosts by tls-alpn-01 at once."""
    async with a_bench(tmp_path, plain=False) as bench:
        await bench.route(SHOP)
        await bench.look()

        assert bench.authority.kinds == [Kind.ALPN]
        assert await bench.shown(SHOP) is not None


async def test_files_stay_while_the_proxy_may_read_them(bench: Bench) -> None:
    """A certificate that was renewed is not removed before the proxy has a table without it."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.clock.advance(DAY.total_seconds())
    await bench.service.retry(SHOP)
    await bench.service.settled()
    bench.router.unreachable = True
    await bench.look()
    assert before in await bench.acme()

    bench.router.unreachable = False
    await bench.look()
    assert before not in await bench.acme()


async def test_a_proxy_that_is_away_fails_no_authority(bench: Bench) -> None:
    """While the proxy cannot be told of challenges nothing is said to be ready; the order is gone on with when it is back."""
    await bench.route(SHOP)
    bench.router.unreachable = True
    await bench.look()
    standing = await bench.standing(SHOP)
    assert standing.status is Status.FAILED
    assert "the proxy did not answer" in standing.error
    assert not bench.authority.kinds

    bench.router.unreachable = False
    await bench.after(3 * MINUTE, MINUTE)
    assert await bench.shown(SHOP) is not None
    assert len(bench.authority.orders) == 1


async def test_a_wildcard_by_dns(tmp_path: Path) -> None:
    """Hosts below the base domain share its wildcard, proven by a TXT record that is taken away again."""
    writer = Writer()
    async with a_bench(tmp_path, writer=writer) as bench:
        await bench.route("a.apps.example.org", "b.apps.example.org")
        await bench.look()

        assert [each.names for each in bench.authority.orders] == [("*.apps.example.org",)]
        assert await bench.shown("a.apps.example.org") == await bench.shown("b.apps.example.org") is not None
        assert [name for name, _ in writer.said] == ["_acme-challenge.apps.example.org"]
        assert not writer.written


async def test_a_host_waits_for_its_dns(bench: Bench) -> None:
    """A host whose DNS leads elsewhere costs no order, is told of once, and has its certificate soon after its DNS is right."""
    await bench.route(SHOP, dns=False)
    bench.names.known[f"A {SHOP}"] = ("198.51.100.1",)
    await bench.after(3 * HOUR, 10 * MINUTE)

    standing = await bench.standing(SHOP)
    assert standing.status is Status.PENDING
    assert HERE in standing.error
    assert not bench.authority.orders
    [told] = await bench.events("certificate.pending-dns")
    assert HERE in str(told.data["remedy"])

    bench.names.known[f"A {SHOP}"] = (HERE,)
    await bench.after(HOUR + 10 * MINUTE, 10 * MINUTE)
    assert await bench.shown(SHOP) is not None


async def test_a_failed_authorization_that_is_mended(bench: Bench) -> None:
    """Failures are told and tried again ever later; once it is mended the next attempt makes a certificate."""
    bench.authority.astray = {SHOP}
    await bench.route(SHOP)
    await bench.after(2 * HOUR, MINUTE)

    standing = await bench.standing(SHOP)
    assert standing.status is Status.FAILED
    assert "did not answer" in standing.error
    assert 2 < len(bench.authority.orders) <= 8
    assert await bench.events("certificate.failed")

    bench.authority.astray = set()
    await bench.after(26 * HOUR)
    assert await bench.shown(SHOP) is not None


async def test_a_retry_is_at_once(bench: Bench) -> None:
    """Who asks for a retry waits for no pause, and for no DNS."""
    await bench.route(SHOP, dns=False)
    await bench.look()
    assert (await bench.standing(SHOP)).status is Status.PENDING

    await bench.service.retry(SHOP)
    await bench.service.settled()

    assert await bench.shown(SHOP) is not None
    with pytest.raises(Problem, match=r"no certificate .* is wanted for shop\.localhost"):
        await bench.service.retry("shop.localhost")


async def test_never_more_denials_than_the_limit(bench: Bench) -> None:
    """In a day in which a name cannot be proven, no hour has more than five denials, retries of people included."""
    bench.authority.astray = {SHOP}
    await bench.route(SHOP)
    for _ in range(8):
        await bench.service.retry(SHOP)
        await bench.after(3 * HOUR, 15 * MINUTE)

    times = [each.at for each in bench.authority.orders if each.denied]
    for at in times:
        assert sum(at - HOUR < each <= at for each in times) <= 5


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


async def test_many_at_once(bench: Bench) -> None:
    """Forty domains that come together get one order each, never more than four at a time."""
    hosts = [f"shop{number}.example{number % 3}.org" for number in range(40)]
    bench.authority.hold = asyncio.Event()
    await bench.route(*hosts)
    await bench.service.look()
    async with asyncio.timeout(30):
        while bench.authority.most_at_once < 4:
            await asyncio.sleep(0.01)
    bench.authority.hold.set()
    await bench.service.settled()

    assert sorted(each.names for each in bench.authority.orders) == sorted((host,) for host in hosts)
    assert bench.authority.most_at_once == 4
    assert [await bench.shown(host) for host in hosts].count(None) == 0


async def test_no_more_than_the_limits_of_a_domain(bench: Bench) -> None:
    """Of sixty hosts of one domain fifty get certificates; the others wait for the limit, and the list says until when."""
    hosts = [f"shop{number}.example.org" for number in range(60)]
    await bench.route(*hosts)
    await bench.look()

    assert len(bench.authority.issued) == 50
    waiting = [each for each in await bench.service.standings() if each.status is Status.WAITING]
    assert len(waiting) == 10
    assert "the authority allows 50" in waiting[0].error


async def test_two_looks_make_one_order(bench: Bench) -> None:
    """While an order is under way another look begins none for the same name."""
    bench.authority.hold = asyncio.Event()
    await bench.route(SHOP)
    await bench.service.look()
    async with asyncio.timeout(30):
        while bench.authority.most_at_once < 1:
            await asyncio.sleep(0.01)
    await bench.service.look()
    await bench.service.look()
    assert (await bench.standing(SHOP)).status is Status.ISSUING
    bench.authority.hold.set()
    await bench.service.settled()

    assert len(bench.authority.orders) == 1


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


async def test_a_damaged_certificate_concerns_its_host_alone(bench: Bench) -> None:
    """A certificate whose files are damaged is ordered again; other hosts keep theirs."""
    await bench.route(SHOP, "other.example.org")
    await bench.look()
    other, broken = await bench.shown("other.example.org"), await bench.shown(SHOP)
    assert broken is not None
    bench.store.files(broken)[0].write_text("nonsense")
    await bench.publish()
    await bench.look()

    assert await bench.shown("other.example.org") == other
    assert await bench.shown(SHOP) not in {None, broken}
    assert len(bench.authority.orders) == 3


async def test_what_the_proxy_does_not_show_is_not_kept(bench: Bench) -> None:
    """A renewed certificate that the proxy does not show gives way to the one before, and that is told."""
    await bench.route(SHOP)
    await bench.look()
    before = await bench.shown(SHOP)
    bench.router.shows = {SHOP: "abc"}
    await bench.after(70 * DAY, DAY)
    bench.router.shows = {}

    assert await bench.shown(SHOP) == before
    assert any("does not show" in each.message for each in await bench.events("certificate.failed"))


async def test_hosts_that_nobody_can_own_cost_no_order(bench: Bench) -> None:
    """localhost, private names and addresses stay with the internal authority."""
    await bench.route("shop.localhost", "nas.lan", "192.0.2.7", "host.internal")
    await bench.after(DAY, HOUR)

    assert not bench.authority.orders
    assert await bench.service.standings() == []
